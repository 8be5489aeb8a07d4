/** Owns what the page is at: connected or not, which run is open, what came before it, the history. Draws nothing. */

import { ClientError, createClient } from '../client.js';
import { randomName } from '../feed.js';
import { Backoff, Http, TIMING, pathOf, reason, sleep } from '../http.js';
import { token as savedToken } from './remember.js';
import { Watch } from './watch.js';

/** @typedef {import('../types.js').AgentInfo} AgentInfo */
/** @typedef {import('../types.js').RunSnapshot} RunSnapshot */

/** How far back the earlier questions of a conversation are looked for. */
const MAX_EARLIER = 200;
const HISTORY_PAGE = 30;

/** Where the server is: beside the page, also where both live below a path of somebody else's site. */
const baseUrl = () => new URL('.', location.href).href;

/**
 * @typedef {object} Turn An earlier question of the conversation that is open.
 * @property {string} run_id
 * @property {string} message
 * @property {Record<string, {text: string, status: import('../types.js').AgentStatus}>} agents
 */

/** @typedef {{text: string, retry?: (() => void) | undefined}} Notice */

/**
 * @typedef {object} DeskState
 * @property {'loading' | 'locked' | 'ready' | 'down'} phase
 * @property {boolean} refused Whether a token was given, and was not right.
 * @property {readonly AgentInfo[]} agents
 * @property {boolean} blind Whether the server can hide who is who until the vote.
 * @property {Notice | null} notice What went wrong last.
 * @property {string | null} opening The run that is being looked up.
 * @property {boolean} starting
 * @property {Watch | null} watch
 * @property {readonly Turn[]} earlier
 * @property {readonly RunSnapshot[]} runs Newest first.
 * @property {'none' | 'loading' | 'more' | 'all'} history Whether there are older ones.
 */

export class Desk {
  /** @type {DeskState} */
  #state = Object.freeze({
    phase: 'loading',
    refused: false,
    agents: [],
    blind: false,
    notice: null,
    opening: null,
    starting: false,
    watch: null,
    earlier: [],
    runs: [],
    history: 'none',
  });
  #http = new Http({});
  #client = createClient();
  /** @type {Set<() => void>} */
  #subscribers = new Set();
  /** Only the newest call may change what is open. */
  #turn = new AbortController();

  getState = () => this.#state;

  /** @param {() => void} callback */
  subscribe = (callback) => {
    this.#subscribers.add(callback);
    return () => void this.#subscribers.delete(callback);
  };

  // ── connecting ─────────────────────────────────────────────────────────────────────────────────

  /** Find out who can be asked; where that needs a token that is not there, `phase` is `locked`. */
  async connect() {
    const token = savedToken.get();
    this.#client.close();
    this.#http = new Http({ baseUrl: baseUrl(), token });
    this.#client = createClient({ baseUrl: baseUrl(), token });
    this.#client.on('blocked', ({ message }) => this.say(message));
    this.#set({ phase: 'loading', notice: null });
    try {
      this.#set({ phase: 'ready', agents: await this.#client.agents(), refused: false });
    } catch (error) {
      if (isLocked(error)) this.#set({ phase: 'locked', refused: token !== null });
      else this.#set({ phase: 'down', notice: { text: reason(error), retry: () => void this.connect() } });
    }
    if (this.#state.phase === 'ready') void this.#findAbilities();
    return this.#state.phase === 'ready';
  }

  /** Find out from the API's own description what this server can do beyond the protocol's first version. */
  async #findAbilities() {
    try {
      const { paths, components } = await this.#http.call('GET', '/openapi.json');
      const vote = '/v1/runs/{run_id}/vote' in paths;
      this.#set({ blind: vote && 'blind' in (components.schemas.StartRequest?.properties ?? {}) });
    } catch {
      // A page without the blind mode is a page all the same.
    }
  }

  /**
   * @param {string} token
   * @param {boolean} stay Whether to keep it on this device.
   */
  async unlock(token, stay) {
    savedToken.set(token, stay);
    return this.connect();
  }

  /** Forget the token, here and on this device; the page is locked again. */
  async lock() {
    savedToken.set(null);
    await this.open(null);
    return this.connect();
  }

  // ── runs ───────────────────────────────────────────────────────────────────────────────────────

  /**
   * Start a run and show it.
   * @param {{message: string, agents: string[], followUp: boolean, blind: boolean}} question
   * @returns {Promise<string | null>} Its id; null where it was refused, which `notice` tells.
   */
  async ask({ message, agents, followUp, blind }) {
    if (this.#state.starting) return null;
    const { watch } = this.#state;
    const conversation_id = (followUp && watch?.about.conversation_id) || randomName('talk');
    this.#set({ starting: true, notice: null });
    try {
      const run = await this.#client.start({ message, agents, conversation_id, ...(blind ? { blind } : {}) });
      const earlier = followUp && watch ? [...this.#state.earlier, turnOf(watch)] : [];
      this.#leave();
      const about = { message, conversation_id, created_at: Date.now() };
      this.#set({ watch: new Watch(run, about, null), earlier, starting: false, opening: null });
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
    if (runId !== null && (this.#state.watch?.id === runId || this.#state.opening === runId)) return;
    this.#leave();
    this.#set({ watch: null, earlier: [], opening: runId, notice: null });
    if (runId === null) return;
    const { signal } = this.#turn;
    try {
      const snapshot = await this.#find(runId, signal);
      const earlier = await this.#findEarlier(snapshot);
      if (signal.aborted) return;
      const { message, conversation_id, created_at } = snapshot;
      const about = { message, conversation_id, created_at };
      const watch = new Watch(this.#client.attach(runId), about, snapshot.last_event_id);
      this.#set({ watch, earlier, opening: null });
    } catch (error) {
      if (signal.aborted) return;
      this.#set({ opening: null });
      this.#fail(error, () => void this.open(runId));
    }
  }

  /**
   * Do what a button asks; what goes wrong becomes the notice.
   * @param {(run: import('../run.js').Run) => Promise<void>} call
   */
  async steer(call) {
    const run = this.#state.watch?.run;
    if (run === undefined) return;
    try {
      await call(run);
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * Tell the server whose answer is best; a blind run shows its names after that.
   * @param {string} agentId
   */
  async vote(agentId) {
    const body = { agent_id: agentId };
    await this.steer((run) => this.#http.call('POST', pathOf('runs', run.id, 'vote'), { body }));
  }

  /** @param {string | null} text null takes the notice away. */
  say(text) {
    this.#set({ notice: text === null ? null : { text } });
  }

  /**
   * Ask until the server answers: a run outlives a server that is started again.
   * @param {string} runId
   * @param {AbortSignal} signal
   * @returns {Promise<RunSnapshot>}
   */
  async #find(runId, signal) {
    const backoff = new Backoff(TIMING);
    for (;;) {
      try {
        return await this.#client.snapshot(runId);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof ClientError && error.status !== null && !error.temporary) throw error;
        this.say(`${reason(error)}. Trying again.`);
        await sleep(backoff.next(), signal);
      }
    }
  }

  /**
   * @param {RunSnapshot} snapshot
   * @returns {Promise<Turn[]>}
   */
  async #findEarlier({ run_id, conversation_id, created_at }) {
    if (conversation_id === null) return [];
    const runs = await this.#client.runs({ limit: MAX_EARLIER, before: run_id }).catch(() => []);
    const mine = runs.filter((run) => run.conversation_id === conversation_id && run.created_at <= created_at);
    return mine.reverse().map(({ run_id, message, agents }) => ({ run_id, message, agents }));
  }

  #leave() {
    this.#turn.abort();
    this.#turn = new AbortController();
    const { watch } = this.#state;
    watch?.leave();
    watch?.run.detach();
  }

  // ── history ────────────────────────────────────────────────────────────────────────────────────

  /** Fetch the newest runs. */
  async refresh() {
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
      this.#set({ runs: this.#state.runs.filter((run) => run.run_id !== runId) });
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /**
   * @param {string | undefined} before
   * @param {readonly RunSnapshot[]} known
   */
  async #page(before, known) {
    try {
      const page = await this.#client.runs({ limit: HISTORY_PAGE, ...(before === undefined ? {} : { before }) });
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
    else this.#set({ notice: { text: reason(error), retry } });
  }

  /** @param {Partial<DeskState>} changes */
  #set(changes) {
    this.#state = Object.freeze({ ...this.#state, ...changes });
    for (const callback of [...this.#subscribers]) callback();
  }
}

/** @param {unknown} error */
function isLocked(error) {
  return error instanceof ClientError && error.status === 401;
}

/**
 * @param {Watch} watch
 * @returns {Turn}
 */
function turnOf({ id, about, run }) {
  const { agents } = run;
  const kept = Object.entries(agents).map(([agentId, { text, status }]) => [agentId, { text, status }]);
  return { run_id: id, message: about.message, agents: Object.fromEntries(kept) };
}
