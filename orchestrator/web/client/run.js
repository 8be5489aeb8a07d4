/**
 * Follows one run and steers it, as a program sees it: state, events, buttons. Its events come through
 * `sharing/follow.js`.
 */

import { Subscribers } from './state/subscribers.js';
import { Cursor, isOpen, isSnapshot, reaches } from './wire/cursor.js';
import { Follower } from './sharing/follow.js';
import { pathOf } from './wire/http.js';
import { Tap, iterate } from './state/iterate.js';
import { acknowledge, change, emptyRun, expect, introduce, reduce, replace } from './state/store.js';

/** @typedef {import('./types.js').RunEvent} RunEvent */
/** @typedef {import('./types.js').RunState} RunState */
/** @typedef {import('./types.js').RunSnapshot} RunSnapshot */
/** @typedef {import('./types.js').Connection} Connection */
/** @typedef {import('./types.js').ConnectionDetail} ConnectionDetail */
/** @typedef {import('./wire/http.js').ClientError} ClientError */

export const THROTTLE_MS = 50;

/** These come by the thousand and may wait for the throttle; everything else is published at once. */
const FREQUENT = new Set(['token', 'reasoning']);

/**
 * @typedef {object} Origin How a run came to be followed.
 * @property {import('./wire/http.js').Http} http
 * @property {import('./sharing/channel-link.js').ChannelLinks | null} links null: a connection of its own.
 * @property {string} id
 * @property {string | undefined} [message]
 * @property {string | null | undefined} [after]
 * @property {number | undefined} [throttle]
 * @property {RunSnapshot | undefined} [snapshot] What its start answered.
 * @property {(message: string) => void} onBlocked
 * @property {(snapshot: RunSnapshot) => Run} attach Follows another run.
 */

/**
 * A run on a server. Leaving it, in whatever way, never cancels it.
 *
 * `for await (const event of run)` gives each event once, in order, from the run's first (or from `after`) on,
 * however late it begins; it ends with the run or with `detach`, and throws if the run cannot be followed.
 */
export class Run {
  #http;
  #subscribers;
  #follower;
  #after;
  #cursor;
  #onBlocked;
  #attach;
  /** @type {string | null} What agents said up to this id is in the state already. */
  #known = null;
  /** @type {{state: RunState, until: string | null} | null} The state by events alone, while a snapshot shows what is ahead of them. */
  #folded = null;
  /** @type {Tap | null} Waits for the first iterator. */
  #early = null;
  /** @type {Set<Tap>} */
  #taps = new Set();
  /** @type {() => void} */
  #announceEnd = () => {};
  #ended = /** @type {Promise<void>} */ (new Promise((resolve) => (this.#announceEnd = resolve)));

  /** @param {Origin} origin */
  constructor({ http, links, id, message, after = null, throttle = THROTTLE_MS, snapshot, onBlocked, attach }) {
    this.#http = http;
    this.#after = after;
    this.#cursor = new Cursor(after);
    this.#onBlocked = onBlocked;
    this.#attach = attach;
    this.#taps.add((this.#early = new Tap(false)));
    this.#subscribers = new Subscribers(initialState(id, message, snapshot), throttle);
    this.#follower = new Follower({
      http,
      links,
      id,
      sink: {
        receive: (events) => this.#receive(events),
        introduce: (snapshot) => this.#update(introduce(this.#subscribers.state, snapshot)),
        preview: (snapshot) => this.#preview(snapshot),
        assume: (snapshot, { live }) => this.#assume(snapshot, live),
        onState: (connection, detail) => this.#onState(connection, detail),
        close: (failure) => this.#close(failure),
        closed: () => this.connection === 'closed',
        position: () => this.#cursor.last,
      },
    });
    /** @type {ClientError | null} Why the run cannot be followed; null while it can, and once it has ended. */
    this.failure = null;
  }

  get id() {
    return this.#subscribers.state.id;
  }

  /** The run's status. This and the next three do not wait for the throttle. */
  get status() {
    return this.#subscribers.state.status;
  }

  get connection() {
    return this.#subscribers.state.connection;
  }

  /** What is the matter with the connection; null if nothing is. */
  get detail() {
    return this.#subscribers.state.detail;
  }

  /** Agent id → what is known of it, in the run's own order. */
  get agents() {
    return this.#subscribers.state.agents;
  }

  /** Its panel; null if its agents do not work together. */
  get panel() {
    return this.#subscribers.state.panel;
  }

  /** The id seen last: keep it, and `attach` goes on from there. */
  get lastEventId() {
    return this.#cursor.last;
  }

  // ── being heard ─────────────────────────────────────────────────────────────────────────────────

  /** Return the run as subscribers know it: the same object until they hear of the next. */
  getSnapshot = () => this.#subscribers.published;

  /**
   * Return one agent as subscribers know it.
   * @param {string} agentId
   */
  getAgent = (agentId) => this.#subscribers.published.agents[agentId];

  /**
   * Hear of each new snapshot; returns what ends that.
   * @param {() => void} callback
   */
  subscribe = (callback) => this.#subscribers.subscribe(callback);

  /**
   * Hear of events from now on, before the throttle; returns what ends that.
   *
   * *type* is an agent event's type (`token`, `done`, `error`, …), a full name (`skeptic.token`, `run.done`, `panel.result`) or
   * `*` for all of the server's events. Of the client's own: `connection` (`{connection, detail}`), `blocked`
   * (`{message}`), `failure` (a ClientError: the run cannot be followed) and `closed`.
   * @param {string} type
   * @param {(event: any) => void} callback
   */
  on(type, callback) {
    return this.#subscribers.on(type, callback);
  }

  /** @returns {AsyncGenerator<RunEvent, void, void>} */
  [Symbol.asyncIterator]() {
    const tap = (this.#early ?? new Tap(true)).use();
    this.#early = null;
    this.#taps.add(tap);
    if (this.connection === 'closed') tap.close();
    return iterate({
      tap,
      after: this.#after,
      position: () => this.#cursor.last,
      history: (after) => this.#follower.history(after),
      failure: () => this.failure,
      leave: () => void this.#taps.delete(tap),
    });
  }

  /**
   * Wait for the run's end and return what it came to. After `detach` it returns what is known.
   * @returns {Promise<RunState>} Rejects only if the run cannot be followed, never for an agent's failure.
   */
  async result() {
    await this.#ended;
    if (this.failure !== null) throw this.failure;
    return this.#subscribers.state;
  }

  // ── steering ───────────────────────────────────────────────────────────────────────────────────

  /**
   * Ask for the end of one agent, or of all; acknowledged here, `cancelled` follows as an event. An ended run is
   * no error.
   * @param {string} [agentId]
   */
  async cancel(agentId) {
    const part = agentId === undefined ? [] : ['agents', agentId];
    const path = pathOf('runs', this.id, ...part, 'cancel');
    const snapshot = await this.#http.call('POST', path, { body: {}, repeat: true });
    this.#update(acknowledge(this.#subscribers.state, snapshot));
  }

  /**
   * Ask for a new attempt of an agent that has ended, while the run is open; ClientError 409 if it is not.
   * @param {string} agentId
   */
  async retry(agentId) {
    await this.#http.call('POST', pathOf('runs', this.id, 'agents', agentId, 'retry'), { body: {} });
  }

  /**
   * Let one more agent answer; ClientError 409 if it takes part already, or the run has ended.
   * @param {string} agentId
   */
  async add(agentId) {
    await this.#http.call('POST', pathOf('runs', this.id, 'agents'), { body: { agent_id: agentId } });
  }

  /**
   * Start a panel over the answers that are there; members are not asked again, but for reviews and further rounds.
   *
   * ClientError 409 while a panel of this run is under way, or if no agent has answered.
   * @param {string | import('./types.js').InlinePanel} panel A configured one's id, or a panel.
   * @returns {Promise<Run>} The run in which it works: this one while it is open, else a new one, which is followed.
   */
  async callPanel(panel) {
    const snapshot = await this.#http.call('POST', pathOf('runs', this.id, 'panel'), { body: { panel } });
    return snapshot.run_id === this.id ? this : this.#attach(snapshot);
  }

  /**
   * Answer an `approval_request`; ClientError 404 if none waits.
   * @param {string} agentId
   * @param {string} callId
   * @param {boolean} [approve]
   * @param {string} [reason] For the agent, at most 1,000 characters.
   * @param {string} [by] Who answers, for all who follow; the server believes it.
   */
  async approve(agentId, callId, approve = true, reason = undefined, by = undefined) {
    const path = pathOf('runs', this.id, 'agents', agentId, 'approvals', callId);
    await this.#http.call('POST', path, { body: { approve, reason, by } });
  }

  /**
   * Say whose answer is best, or by null that nobody's is, as *verdict* says; resolves with who all are.
   * @param {string | null} agentId
   * @param {'tie' | 'both_bad'} [verdict]
   * @returns {Promise<{vote: string | null, agents: import('./types.js').RevealedAgent[]}>}
   */
  vote(agentId, verdict = 'tie') {
    return this.#http.call('POST', pathOf('runs', this.id, 'vote'), { body: agentId === null ? { verdict } : { agent_id: agentId } });
  }

  /** Forget the vote; ClientError 409 if it has revealed the names of a blind run. */
  async takeVoteBack() {
    await this.#http.call('DELETE', pathOf('runs', this.id, 'vote'));
  }

  /** Stop following; the run goes on at the server. Iterators end, `result` resolves. */
  detach() {
    this.#close(null);
  }

  // ── following ──────────────────────────────────────────────────────────────────────────────────

  /**
   * For the client, once: go on with a link that brings all of this run's events.
   * @param {import('./sharing/channel-link.js').ChannelLink} link Retained for this run.
   * @param {RunEvent[]} held What has come already.
   */
  join(link, held) {
    this.#follower.join(link, held);
  }

  /** For the client, once: find out what there is, and follow it. */
  follow() {
    void this.#follower.attach(this.#after);
  }

  /** @param {RunEvent[]} events */
  #receive(events) {
    let urgent = false;
    for (const event of events) {
      if (this.connection === 'closed') return;
      if (!this.#cursor.accept(event)) continue;
      urgent ||= !FREQUENT.has(event.type);
      this.#take(event);
    }
    if (urgent) this.#subscribers.publish();
    else this.#subscribers.publishSoon();
  }

  /** @param {RunEvent} event */
  #take(event) {
    if (!this.#knows(event)) this.#fold(event);
    for (const tap of this.#taps) tap.put(event);
    if (event.agent_id !== null) this.#subscribers.call(event.type, event);
    this.#subscribers.call(event.name, event);
    this.#subscribers.call('*', event);
    if (event.name === 'run.gap') void this.#follower.verify();
    if (event.name === 'run.done' || (isSnapshot(event) && !isOpen(this.status))) this.#close(null);
  }

  /**
   * Whether a snapshot held *event* before it came. The run's own events may be applied twice.
   * @param {RunEvent} event
   */
  #knows({ id, name }) {
    return this.#known !== null && id !== null && !name.startsWith('run.') && reaches(this.#known, id);
  }

  /** @param {RunEvent} event */
  #fold(event) {
    const { state } = this.#subscribers;
    if (this.#folded === null) {
      this.#subscribers.state = reduce(state, event);
      return;
    }
    const folded = reduce(this.#folded.state, event);
    const { until } = this.#folded;
    const there = isSnapshot(event) || until === null || (event.id !== null && reaches(event.id, until));
    this.#folded = there ? null : { state: folded, until };
    if (there) this.#subscribers.state = change(folded, { connection: state.connection, detail: state.detail });
  }

  /** @param {RunSnapshot} snapshot */
  #preview(snapshot) {
    const { state } = this.#subscribers;
    this.#folded = { state: this.#folded?.state ?? state, until: snapshot.last_event_id };
    this.#update(replace(state, { ...snapshot, status: isOpen(snapshot.status) ? snapshot.status : 'running' }));
  }

  /**
   * @param {RunSnapshot} snapshot
   * @param {boolean} live
   */
  #assume(snapshot, live) {
    this.#folded = null;
    this.#known = snapshot.last_event_id;
    this.#update(replace(this.#subscribers.state, live && !isOpen(snapshot.status) ? { ...snapshot, status: 'running' } : snapshot));
  }

  /**
   * @param {Connection} connection
   * @param {ConnectionDetail | null} detail
   */
  #onState(connection, detail) {
    if (this.connection === 'closed' || (this.connection === connection && this.detail?.code === detail?.code)) return;
    this.#update(change(this.#subscribers.state, { connection, detail }));
    this.#subscribers.call('connection', { connection, detail });
    if (detail?.code !== 'blocked') return;
    this.#subscribers.call('blocked', { message: detail.message });
    this.#onBlocked(detail.message);
  }

  /** @param {ClientError | null} failure */
  #close(failure) {
    if (this.connection === 'closed') return;
    this.failure = failure;
    const detail = failure && { code: /** @type {const} */ ('failed'), message: failure.message };
    this.#subscribers.state = change(this.#subscribers.state, { connection: 'closed', detail });
    // An iterator that is behind may still read the history of a run that has ended.
    this.#follower.leave({ history: !isOpen(this.status) });
    for (const tap of this.#taps) tap.close();
    this.#subscribers.publish();
    this.#announceEnd();
    this.#subscribers.call('connection', { connection: 'closed', detail });
    if (failure !== null) this.#subscribers.call('failure', failure);
    this.#subscribers.call('closed', this.#subscribers.state);
  }

  /** @param {RunState} state */
  #update(state) {
    this.#subscribers.state = state;
    this.#subscribers.publish();
  }
}

/**
 * A run that has said nothing yet. The snapshot's texts are left to the events, which are read from the first on.
 * @param {string} id
 * @param {string} [message]
 * @param {RunSnapshot} [snapshot]
 */
function initialState(id, message, snapshot) {
  const empty = emptyRun(id, message);
  if (snapshot === undefined) return empty;
  return expect(introduce(empty, snapshot), Object.keys(snapshot.agents ?? {}));
}
