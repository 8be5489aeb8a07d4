/** Holds the page's state: connected or not, which run is open, what came before it, the history. Draws nothing. */

import { ClientError, createClient } from '../client/client.js';
import { randomName } from '../client/sharing/feed.js';
import { BLOCKED_MESSAGE, Http, sleep } from '../client/wire/http.js';
import { token as savedToken } from './storage.js';
import { NOT_FETCHED } from './lazy.js';
import { RunRecord } from './run/run-record.js';
import { wordsOf } from './words.js';

/** @typedef {import('../client/types.js').AgentInfo} AgentInfo */
/** @typedef {import('../client/types.js').RunSnapshot} RunSnapshot */
/** @typedef {import('../client/types.js').PanelListing} PanelListing */
/** @typedef {import('../client/types.js').InlinePanel} InlinePanel */

const HISTORY_PAGE = 30;
/** How long the page waits for a server that does not answer before it asks again. */
const DOWN_MS = 3_000;
/** An export reads many runs. */
const TEXT_MS = 120_000;

/** Where the server is: beside the page, also if both live below a path of somebody else's site. */
const baseUrl = () => new URL('.', location.href).href;

const otherTabs = () => import('./history/other-tabs.js');

/** A first question needs none of it. */
const lookup = () => import('./run/lookup.js').catch(() => Promise.reject(new Error(NOT_FETCHED)));

/**
 * @typedef {object} Turn An earlier question of the conversation that is open.
 * @property {string} run_id
 * @property {string} message
 * @property {Record<string, {text: string, status: import('../client/types.js').AgentStatus}>} agents
 */

/** @typedef {{text: string, retry?: (() => void) | undefined}} Notice */

/**
 * @typedef {object} PageSnapshot
 * @property {'loading' | 'locked' | 'ready' | 'down'} phase
 * @property {boolean} refused Whether a token was given, and was not right.
 * @property {readonly AgentInfo[]} agents
 * @property {readonly PanelListing[]} panels
 * @property {readonly import('./ask/methods.js').PanelMethod[]} methods
 * @property {readonly {agent_id: string, reason: string}[]} leftOut Agents that lack something, such as a key.
 * @property {readonly {panel_id: string, reason: string}[]} leftOutPanels Panels that lack one of their agents.
 * @property {Notice | null} notice What went wrong last.
 * @property {string | null} opening The run that is being looked up.
 * @property {boolean} starting
 * @property {RunRecord | null} record
 * @property {readonly Turn[]} earlier
 * @property {Record<string, string[]>} branches Run of this conversation → what to open for what else was asked in its place.
 * @property {readonly import('../client/types.js').ListedRun[]} runs Newest first.
 * @property {'none' | 'loading' | 'more' | 'all'} history Whether there are older ones.
 */

export class PageState {
  /** @type {PageSnapshot} */
  #state = Object.freeze({
    phase: 'loading',
    refused: false,
    agents: [],
    panels: [],
    methods: [],
    leftOut: [],
    leftOutPanels: [],
    notice: null,
    opening: null,
    starting: false,
    record: null,
    earlier: [],
    branches: {},
    runs: [],
    history: 'none',
  });
  #http = new Http({});
  #client = createClient();
  /** @type {Set<() => void>} */
  #subscribers = new Set();
  /** @type {{q?: string, status?: string}} What the history is to show. */
  #sought = {};
  /** Only the newest call may change what is open. */
  #turn = new AbortController();

  getState = () => this.#state;

  /** @param {() => void} callback */
  subscribe = (callback) => {
    this.#subscribers.add(callback);
    return () => void this.#subscribers.delete(callback);
  };

  // ── connecting ─────────────────────────────────────────────────────────────────────────────────

  /** Find out who can be asked; if that needs a token that is not there, `phase` is `locked`. */
  async connect() {
    const token = savedToken.get();
    this.#client.close();
    this.#http = new Http({ baseUrl: baseUrl(), token });
    this.#client = createClient({ baseUrl: baseUrl(), token });
    this.#client.on('blocked', ({ message }) => this.say(message));
    if (this.#state.phase !== 'down') this.#set({ phase: 'loading', notice: null });
    try {
      const listed = this.#http.call('GET', '/v1/panels').catch(() => ({}));
      const [{ agents, left_out: leftOut = [] }, { panels = [], methods = [], left_out: leftOutPanels = [] }] = await Promise.all([this.#http.call('GET', '/v1/agents'), listed]);
      this.#set({ phase: 'ready', notice: null, agents, leftOut, panels, leftOutPanels, methods, refused: false });
      if (token !== null) otherTabs().catch(() => {}); // from now on they are answered
    } catch (error) {
      if (isLocked(error)) this.#set({ phase: 'locked', refused: token !== null });
      else this.#down(wordsOf(error));
    }
    return this.#state.phase === 'ready';
  }

  /** Try again until the server answers. @param {string} text */
  #down(text) {
    const http = this.#http;
    this.#set({ phase: 'down', notice: { text, retry: () => void this.connect() } });
    void sleep(DOWN_MS).then(() => this.#http === http && this.connect());
  }

  /**
   * @param {string} token
   * @param {boolean} stay Whether to keep it on this device, else until the tabs of this site are closed.
   */
  async unlock(token, stay) {
    savedToken.set(token, stay);
    return this.connect();
  }

  /** Forget the token, in all tabs and on this device; the page is locked again. */
  async lock() {
    savedToken.set(null);
    void otherTabs().then(({ forget }) => forget(), () => {});
    await this.open(null);
    return this.connect();
  }

  // ── runs ───────────────────────────────────────────────────────────────────────────────────────

  /**
   * Start a run and show it.
   * @param {{message: string, agents?: readonly (string | import('../client/types.js').VariantRequest)[], panel?: string | InlinePanel, followUp: boolean, instead: string | null, blind: boolean, images: string[]}} question *instead*: the run of this conversation in whose place it is asked.
   * @returns {Promise<string | null>} Its id; null if it was refused, as `notice` says.
   */
  async ask({ message, followUp, instead, blind, images, ...whom }) {
    if (this.#state.starting) return null;
    const { record } = this.#state;
    const conversation_id = (followUp && record?.about.conversation_id) || randomName('talk');
    this.#set({ starting: true, notice: null });
    try {
      const before = followUp && record ? [...this.#state.earlier, (await lookup()).turnOf(record)] : [];
      const place = before.findIndex(({ run_id }) => run_id === instead);
      const earlier = place < 0 ? before : before.slice(0, place);
      const after = before.length > 0 ? { after: earlier.at(-1)?.run_id ?? 'start' } : {};
      const run = await this.#client.start({ message, conversation_id, ...after, ...whom, ...(images.length > 0 ? { images } : {}), ...(blind ? { blind } : {}) });
      this.#leave();
      const about = { message, images, conversation_id, created_at: Date.now() };
      this.#set({ record: this.#heard(new RunRecord(run, about, null)), earlier, branches: {}, starting: false, opening: null, notice: null });
      // What cannot be looked up now is looked up when the run is opened again.
      if (before.length > 0) {
        const found = lookup().then(({ findConversation }) => findConversation(this.#client, { run_id: run.id, conversation_id }));
        found.then(({ branches }) => this.#state.record?.run === run && this.#set({ branches }), () => {});
      }
      return run.id;
    } catch (error) {
      this.#fail(error);
      this.#set({ starting: false });
      return null;
    }
  }

  /**
   * Show a run that is there, live or ended; null shows none.
   * @param {string | null} runId
   */
  async open(runId) {
    if (runId !== null && (this.#state.record?.id === runId || this.#state.opening === runId)) return;
    this.#leave();
    this.#set({ record: null, earlier: [], branches: {}, opening: runId, notice: null });
    if (runId === null) return;
    const { signal } = this.#turn;
    try {
      const { findConversation, findGiven, findRun } = await lookup();
      const find = (/** @type {string} */ id) => findRun(this.#client, id, signal, (text) => this.say(text));
      const snapshot = await find(runId);
      const of = await findGiven(snapshot, find);
      const { earlier, branches } = await findConversation(this.#client, of?.snapshot ?? snapshot);
      if (signal.aborted) return;
      const record = this.#follow(snapshot, of && { join: of.join, base: of.snapshot && this.#follow(of.snapshot, null) });
      this.#set({ record, earlier, branches, opening: null, notice: null });
      if (snapshot.revealed) await this.#reveal(record, snapshot.revealed.agents);
    } catch (error) {
      if (signal.aborted) return;
      this.#set({ opening: null });
      this.#fail(error, () => void this.open(runId));
    }
  }

  /** Show a recorded run, which asks nobody. */
  async showDemo() {
    await this.open(null);
    try {
      this.#set({ record: (await import('./timeline/demo.js')).demoRecord() });
    } catch {
      this.say(NOT_FETCHED);
    }
  }

  /**
   * Let another panel sit over the answers of the open run, and show the run in which it does.
   * @param {string | InlinePanel} panel
   */
  sumUp = async (panel) => {
    const { record } = this.#state;
    if (record === null) return;
    try {
      const [{ joiner }, run] = await Promise.all([import('./panel/joined-state.js'), record.run.callPanel(panel)]);
      if (run === record.run || this.#state.record !== record) return void (run !== record.run && run.detach());
      // The answers are always those of the first run, however many panels sit over them.
      const base = record.given ? record.given.base : record;
      this.#leave(base);
      const about = { ...(base ?? record).about, created_at: Date.now() };
      this.#set({ record: new RunRecord(run, about, null, { base, join: joiner() }), notice: null });
      location.hash = `run/${run.id}`;
    } catch (error) {
      this.#fail(error);
    }
  };

  /**
   * Follow a run that is there.
   * @param {RunSnapshot} snapshot
   * @param {import('./run/run-record.js').Given | null} given
   */
  #follow({ run_id, message, conversation_id, created_at, last_event_id }, given) {
    const about = { message, conversation_id: given?.base?.about.conversation_id ?? conversation_id, created_at };
    return this.#heard(new RunRecord(this.#client.attach(run_id), about, last_event_id, given));
  }

  /**
   * Take the notice away that the browser's connections are used up, once one is there or answers come in another way.
   * @param {RunRecord} record
   */
  #heard(record) {
    record.run.on('connection', ({ connection, detail }) => {
      if ((connection === 'open' || detail?.code === 'held') && this.#state.notice?.text === BLOCKED_MESSAGE) this.say(null);
    });
    return record;
  }

  /**
   * Do what a button asks; what goes wrong becomes the notice.
   * @param {(run: import('../client/run.js').Run) => Promise<void>} call
   */
  async steer(call) {
    const run = this.#state.record?.run;
    try {
      if (run !== undefined) await call(run);
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /**
   * Tell the server whose answer is best; a blind run shows its names after that.
   * @param {string | null} choice An agent, `=tie` or `=both_bad`; null takes the vote back.
   */
  async vote(choice) {
    const { record } = this.#state;
    if (record === null) return false;
    const base = record.given?.base ?? record;
    const { run } = choice !== null && choice in record.run.agents ? record : base;
    const verdict = choice?.startsWith('=') ? /** @type {'tie'} */ (choice.slice(1)) : undefined;
    return this.steer(async () => {
      if (choice === null) return run.takeVoteBack();
      const { agents } = await run.vote(verdict ? null : choice, verdict);
      if (record.blind) await this.#reveal(record, agents);
    });
  }

  /**
   * Fetch what votes and verdicts came to; rejects with what went wrong.
   * @param {{by?: string, q?: string}} sought
   */
  scores = (sought) => this.#client.scores(sought);

  /** Fetch a text that is no JSON. @param {string} path */
  text = async (path) => {
    const response = await this.#http.stream(path, null, AbortSignal.timeout(TEXT_MS));
    if (!response.ok) throw new Error(`The server answers ${response.status}.`);
    return response.text();
  };

  /**
   * Show who is who.
   * @param {RunRecord} record
   * @param {import('../client/types.js').RevealedAgent[]} agents
   */
  async #reveal(record, agents) {
    const { reveal } = await import('./panel/reveal.js');
    reveal(record, agents, this.#client, () => {
      if (this.#state.record === record) this.#set({});
    });
  }

  /** @param {string | null} text null takes the notice away. */
  say(text) {
    this.#set({ notice: text === null ? null : { text } });
  }

  /** @param {RunRecord | null} [keep] */
  #leave(keep = null) {
    this.#turn.abort();
    this.#turn = new AbortController();
    const { record } = this.#state;
    for (const each of [record, record?.given?.base]) {
      if (each === keep) continue;
      each?.leave();
      each?.run.detach();
    }
  }

  // ── history ────────────────────────────────────────────────────────────────────────────────────

  /**
   * Fetch the newest runs, of those that are sought.
   * @param {{q?: string, status?: string}} [sought]
   */
  async refresh(sought = this.#sought) {
    this.#sought = sought;
    this.#set({ history: 'loading' });
    await this.#page(undefined, []);
  }

  /** Fetch the next older ones. */
  async more() {
    const { runs, history } = this.#state;
    if (history !== 'more') return;
    this.#set({ history: 'loading' });
    await this.#page(runs.at(-1)?.run_id, runs);
  }

  /**
   * Forget a run, at the server too.
   * @param {string} runId
   */
  async forget(runId) {
    try {
      await this.#client.delete(runId);
    } catch (error) {
      // What the server has forgotten already is as good as deleted.
      if (![404, 410].includes(/** @type {any} */ (error)?.status)) return this.#fail(error), false;
    }
    this.#set({ runs: this.#state.runs.filter((run) => run.run_id !== runId) });
    return true;
  }

  /**
   * @param {string | undefined} before
   * @param {readonly import('../client/types.js').ListedRun[]} known
   */
  async #page(before, known) {
    try {
      const { q = '', status = '' } = this.#sought;
      const sought = { ...(q === '' ? {} : { q }), ...(status === '' ? {} : { status }) };
      const page = await this.#client.runs({ limit: HISTORY_PAGE, ...sought, ...(before === undefined ? {} : { before }) });
      if (q !== (this.#sought.q ?? '') || status !== (this.#sought.status ?? '')) return; // something else is sought by now
      this.#set({ runs: [...known, ...page], history: page.length < HISTORY_PAGE ? 'all' : 'more' });
    } catch (error) {
      this.#set({ history: 'more' });
      this.#fail(error);
    }
  }

  /**
   * @param {unknown} error
   * @param {() => void} [retry]
   */
  #fail(error, retry) {
    if (isLocked(error)) this.#set({ phase: 'locked', refused: savedToken.get() !== null });
    else this.#set({ notice: { text: wordsOf(error), retry } });
  }

  /** @param {Partial<PageSnapshot>} changes */
  #set(changes) {
    this.#state = Object.freeze({ ...this.#state, ...changes });
    for (const callback of [...this.#subscribers]) callback();
  }
}

/** @param {unknown} error */
function isLocked(error) {
  return error instanceof ClientError && error.status === 401;
}
