/** Owns following and steering one run: catching up, each event once, who is told and when. */

import { Cursor, reaches } from './cursor.js';
import { ClientError, Backoff, pathOf, reason, sleep } from './http.js';
import { Tap, iterate } from './iterate.js';
import { acknowledge, change, emptyRun, expect, reduce, replace } from './store.js';
import { readEvents } from './stream.js';

/** @typedef {import('./types.js').RunEvent} RunEvent */
/** @typedef {import('./types.js').RunState} RunState */
/** @typedef {import('./types.js').RunSnapshot} RunSnapshot */
/** @typedef {import('./types.js').Connection} Connection */
/** @typedef {import('./types.js').ConnectionDetail} ConnectionDetail */
/** @typedef {import('./link.js').Link} Link */

export const THROTTLE_MS = 50;

/** Events of a link kept while older ones are fetched. Beyond it the run goes on with a connection of its own. */
const MAX_QUEUED_EVENTS = 10_000;

/** These come by the thousand and may wait for the throttle; everything else is told at once. */
const FREQUENT = new Set(['token', 'reasoning']);

/**
 * @typedef {object} Origin How a run came to be followed.
 * @property {import('./http.js').Http} http
 * @property {import('./link.js').Links | null} links null: a connection of its own.
 * @property {string} id
 * @property {string} [message]
 * @property {string | null} [after]
 * @property {number} [throttle]
 * @property {RunSnapshot} [snapshot] What its start answered.
 * @property {(message: string) => void} onBlocked
 */

/**
 * A run on a server. Leaving it, in whatever way, never cancels it.
 *
 * `for await (const event of run)` tells each event once, in order, from the run's first (or from `after`) on,
 * however late it begins; it ends with the run or with `detach`, and throws where the run cannot be followed.
 */
export class Run {
  #http;
  #links;
  #throttle;
  #onBlocked;
  #after;
  /** @type {RunState} The newest state. */
  #state;
  /** @type {RunState} What subscribers were told last. */
  #published;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #cursor;
  /** @type {string | null} Events up to this id are in the state already. */
  #known = null;
  #heard = false;
  #leaving = new AbortController();
  /** @type {Set<() => void>} */
  #subscribers = new Set();
  /** @type {Map<string, Set<(event: any) => void>>} */
  #callbacks = new Map();
  /** @type {Set<Tap>} */
  #taps = new Set();
  /** @type {() => void} */
  #leaveLink = () => {};
  /** @type {() => void} */
  #announceEnd = () => {};
  #ended = /** @type {Promise<void>} */ (new Promise((resolve) => (this.#announceEnd = resolve)));

  /** @param {Origin} origin */
  constructor({ http, links, id, message, after = null, throttle = THROTTLE_MS, snapshot, onBlocked }) {
    this.#http = http;
    this.#links = links;
    this.#throttle = throttle;
    this.#onBlocked = onBlocked;
    this.#after = after;
    this.#cursor = new Cursor(after);
    // The texts are left to the events, which are read from the first one on.
    this.#state = expect(emptyRun(id, message), Object.keys(snapshot?.agents ?? {}));
    if (snapshot) {
      const { channel, conversation_id } = snapshot;
      this.#state = change(this.#state, { channel, conversation_id: conversation_id ?? null });
    }
    this.#published = this.#state;
    /** @type {ClientError | null} Why the run cannot be followed; null while it can, and once it has ended. */
    this.failure = null;
    this.getSnapshot = this.getSnapshot.bind(this);
    this.getAgent = this.getAgent.bind(this);
    this.subscribe = this.subscribe.bind(this);
  }

  get id() {
    return this.#state.id;
  }

  /** The run's status, as the next ones without waiting for the throttle. */
  get status() {
    return this.#state.status;
  }

  get connection() {
    return this.#state.connection;
  }

  get detail() {
    return this.#state.detail;
  }

  get agents() {
    return this.#state.agents;
  }

  /** The id seen last: keep it, and `attach` goes on from there. */
  get lastEventId() {
    return this.#cursor.last;
  }

  // ── being told ─────────────────────────────────────────────────────────────────────────────────

  /** Return the run as subscribers know it: the same object until they are told of the next. Needs no `this`. */
  getSnapshot() {
    return this.#published;
  }

  /**
   * Return one agent as subscribers know it. Needs no `this`.
   * @param {string} agentId
   */
  getAgent(agentId) {
    return this.#published.agents[agentId];
  }

  /**
   * Hear of each new snapshot; returns what ends that. Needs no `this`.
   * @param {() => void} callback
   * @returns {() => void}
   */
  subscribe(callback) {
    const own = () => callback();
    this.#subscribers.add(own);
    return () => void this.#subscribers.delete(own);
  }

  /**
   * Hear of events from now on, before the throttle; returns what ends that.
   *
   * *type* is an agent event's type (`token`, `done`, `error`, …), a full name (`skeptic.token`, `run.done`) or
   * `*` for all of the server's events. Of the client's own: `connection` (`{connection, detail}`), `blocked`
   * (`{message}`), `failure` (a ClientError: the run cannot be followed) and `closed`.
   * @param {string} type
   * @param {(event: any) => void} callback
   * @returns {() => void}
   */
  on(type, callback) {
    const callbacks = this.#callbacks.get(type) ?? new Set();
    const own = (/** @type {any} */ event) => callback(event);
    this.#callbacks.set(type, callbacks.add(own));
    return () => void callbacks.delete(own);
  }

  /** @returns {AsyncGenerator<RunEvent, void, void>} */
  [Symbol.asyncIterator]() {
    const tap = new Tap(this.#heard);
    this.#taps.add(tap);
    if (this.connection === 'closed') tap.close();
    return iterate({
      tap,
      after: this.#after,
      position: () => this.#cursor.last,
      history: (after) => this.#read(after, this.#leaving.signal, () => {}),
      failure: () => this.failure,
      leave: () => void this.#taps.delete(tap),
    });
  }

  /**
   * Wait for the run's end and return what it came to. After `detach` it returns what is known.
   * @returns {Promise<RunState>} Rejects only where the run cannot be followed, never for an agent's failure.
   */
  async result() {
    await this.#ended;
    if (this.failure !== null) throw this.failure;
    return this.#state;
  }

  // ── steering ───────────────────────────────────────────────────────────────────────────────────

  /**
   * Ask for the end of one agent, or of all; acknowledged here, `cancelled` follows as an event. An ended run is
   * no error.
   * @param {string} [agentId]
   */
  async cancel(agentId) {
    const part = agentId === undefined ? [] : ['agents', agentId];
    const snapshot = await this.#http.call('POST', pathOf('runs', this.id, ...part, 'cancel'), { body: {}, repeat: true });
    this.#update(acknowledge(this.#state, snapshot));
  }

  /**
   * Ask for a new attempt of an agent that has ended, while the run is open; ClientError 409 where it is not.
   * @param {string} agentId
   */
  async retry(agentId) {
    await this.#http.call('POST', pathOf('runs', this.id, 'agents', agentId, 'retry'), { body: {} });
  }

  /**
   * Let one more agent answer; ClientError 409 where it takes part already, or the run has ended.
   * @param {string} agentId
   */
  async add(agentId) {
    await this.#http.call('POST', pathOf('runs', this.id, 'agents'), { body: { agent_id: agentId } });
  }

  /**
   * Answer an `approval_request`; ClientError 404 where none waits.
   * @param {string} agentId
   * @param {string} callId
   * @param {boolean} [approve]
   */
  async approve(agentId, callId, approve = true) {
    const path = pathOf('runs', this.id, 'agents', agentId, 'approvals', callId);
    await this.#http.call('POST', path, { body: { approve } });
  }

  /** Stop following; the run goes on at the server. Iterators end, `result` resolves. */
  detach() {
    this.#close(null);
  }

  // ── following ──────────────────────────────────────────────────────────────────────────────────

  /**
   * Go on with what a link brings: all of this run's events come there. For the client, once.
   * @param {Link} link Retained for this run.
   * @param {RunEvent[]} held What has come already.
   */
  followLink(link, held) {
    const leave = link.add(this.id, this.#listener((events) => this.#receive(events)));
    this.#leaveLink = () => {
      leave();
      link.release();
    };
    this.#receive(held);
  }

  /** Find out what there is, and follow it. For the client, once. Never rejects. */
  async follow() {
    try {
      await this.#attach();
    } catch (error) {
      if (!this.#leaving.signal.aborted) this.#close(asClientError(error));
    }
  }

  async #attach() {
    const snapshot = await this.#fetchSnapshot();
    if (this.#after !== null) this.#assume(snapshot);
    if (this.#links === null || snapshot.status !== 'running') return this.#readOwn(() => null);
    const link = await this.#links.acquire(snapshot.channel, snapshot.last_event_id);
    /** @type {RunEvent[] | null} */
    let queue = [];
    let live = false;
    const onEvents = (/** @type {RunEvent[]} */ events) => {
      if (live) this.#receive(events);
      else if (queue !== null && queue.push(...events) > MAX_QUEUED_EVENTS) queue = null;
    };
    const leave = link.add(this.id, this.#listener(onEvents, () => live));
    this.#leaveLink = () => {
      leave();
      link.release();
    };
    if (this.#leaving.signal.aborted) return this.#leaveLink();
    const until = await this.#firstFromLink(link, snapshot);
    if (until !== null) await this.#readOwn(() => (queue === null ? null : until));
    if (queue === null || this.connection === 'closed') return;
    live = true;
    this.#onState(link.state.connection, link.state.detail);
    this.#receive(queue);
  }

  /**
   * Return the id up to which the link may not tell this run's events; null where it tells all that is wanted.
   * A snapshot is never older than what was streamed before it was asked for.
   * @param {Link} link
   * @param {RunSnapshot} snapshot
   */
  async #firstFromLink(link, snapshot) {
    if (link.at === null) return null;
    const newest = link.at === snapshot.last_event_id ? snapshot : await this.#fetchSnapshot();
    const until = newest.last_event_id ?? link.at;
    return this.#cursor.last !== null && reaches(this.#cursor.last, until) ? null : until;
  }

  /** @param {RunSnapshot} snapshot */
  #assume(snapshot) {
    this.#state = replace(this.#state, { ...snapshot, status: 'running' });
    this.#known = snapshot.last_event_id;
    this.#publish();
  }

  /**
   * Follow the run's own stream until *until* gives an id that was reached, or to the run's end.
   * @param {() => string | null} until
   */
  async #readOwn(until) {
    const signal = this.#leaving.signal;
    const onState = this.#onState;
    for await (const batch of this.#read(this.#cursor.last, signal, onState)) {
      this.#receive(batch);
      const mark = until();
      if (this.connection === 'closed') return;
      if (mark !== null && this.#cursor.last !== null && reaches(this.#cursor.last, mark)) return;
    }
    if (signal.aborted) return;
    // 204: the cursor stands at the end, so what is left to know is how it stands there.
    this.#update(replace(this.#state, await this.#fetchSnapshot()));
    this.#close(null);
  }

  /**
   * @param {string | null} after
   * @param {AbortSignal} signal
   * @param {(connection: Connection, detail: ConnectionDetail | null) => void} onState
   */
  #read(after, signal, onState) {
    return readEvents({ http: this.#http, path: pathOf('runs', this.id, 'events'), after, signal, onState });
  }

  /** Ask until there is an answer. @returns {Promise<RunSnapshot>} */
  async #fetchSnapshot() {
    const backoff = new Backoff(this.#http.timing);
    const signal = this.#leaving.signal;
    for (;;) {
      try {
        return await this.#http.call('GET', pathOf('runs', this.id), { signal });
      } catch (error) {
        signal.throwIfAborted();
        const failure = asClientError(error);
        if (failure.status !== null && !failure.temporary) throw failure;
        this.#onState('retrying', { code: 'lost', message: failure.message });
        await sleep(backoff.next(failure.retryAfter), signal);
      }
    }
  }

  /**
   * @param {(events: RunEvent[]) => void} onEvents
   * @param {() => boolean} [live] Whether the link's connection is the run's.
   * @returns {import('./feed.js').FeedHandlers}
   */
  #listener(onEvents, live = () => true) {
    return {
      onEvents,
      onState: (connection, detail) => live() && this.#onState(connection, detail),
      onFailure: (error) => this.#close(error),
    };
  }

  /** @param {RunEvent[]} events */
  #receive(events) {
    let urgent = false;
    for (const event of events) {
      if (this.connection === 'closed') return;
      if (!this.#cursor.accept(event)) continue;
      this.#heard = true;
      if (!this.#knows(event)) this.#state = reduce(this.#state, event);
      urgent ||= !FREQUENT.has(event.type);
      this.#emit(event);
      if (event.agent_id === null && event.type === 'gap') void this.#verify();
      if (this.status !== 'running' && isEnd(event)) this.#close(null);
    }
    if (urgent) this.#publish();
    else this.#publishSoon();
  }

  /**
   * Whether a snapshot has told of *event* before it came. The run's own events may be applied twice.
   * @param {RunEvent} event
   */
  #knows({ id, agent_id }) {
    return this.#known !== null && id !== null && agent_id !== null && reaches(this.#known, id);
  }

  /** After a gap a channel tells only the runs that the server still has: find out whether this is one. */
  async #verify() {
    try {
      await this.#http.call('GET', pathOf('runs', this.id), { signal: this.#leaving.signal });
    } catch (error) {
      const failure = asClientError(error);
      if (!this.#leaving.signal.aborted && failure.status !== null && !failure.temporary) this.#close(failure);
    }
  }

  /** @param {RunEvent} event */
  #emit(event) {
    for (const tap of this.#taps) tap.put(event);
    if (event.agent_id !== null) this.#call(event.type, event);
    this.#call(event.name, event);
    this.#call('*', event);
  }

  /** @type {(connection: Connection, detail: ConnectionDetail | null) => void} */
  #onState = (connection, detail) => {
    if (this.connection === 'closed' || (this.connection === connection && this.detail?.code === detail?.code)) return;
    this.#update(change(this.#state, { connection, detail }));
    this.#call('connection', { connection, detail });
    if (detail?.code === 'blocked') {
      this.#call('blocked', { message: detail.message });
      this.#onBlocked(detail.message);
    }
  };

  /** @param {ClientError | null} failure */
  #close(failure) {
    if (this.connection === 'closed') return;
    this.failure = failure;
    this.#state = change(this.#state, {
      connection: 'closed',
      detail: failure === null ? null : { code: 'failed', message: failure.message },
    });
    this.#leaveLink();
    // An iterator that is behind may still read the history of a run that has ended.
    if (this.status === 'running') this.#leaving.abort();
    for (const tap of this.#taps) tap.close();
    this.#publish();
    this.#announceEnd();
    this.#call('connection', { connection: 'closed', detail: this.detail });
    if (failure !== null) this.#call('failure', failure);
    this.#call('closed', this.#state);
  }

  // ── telling ────────────────────────────────────────────────────────────────────────────────────

  /** @param {RunState} state */
  #update(state) {
    this.#state = state;
    this.#publish();
  }

  #publishSoon() {
    if (this.#throttle <= 0) this.#publish();
    else this.#timer ??= setTimeout(() => this.#publish(), this.#throttle);
  }

  #publish() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#published === this.#state) return;
    this.#published = this.#state;
    for (const callback of [...this.#subscribers]) guarded(callback, undefined);
  }

  /**
   * @param {string} type
   * @param {unknown} event
   */
  #call(type, event) {
    for (const callback of [...(this.#callbacks.get(type) ?? [])]) guarded(callback, event);
  }
}

/** @param {RunEvent} event */
function isEnd({ agent_id, type }) {
  return agent_id === null && (type === 'done' || type === 'snapshot');
}

/**
 * Call what is not ours; what it throws is reported as an uncaught error, and stops nothing here.
 * @template T
 * @param {(value: T) => void} callback
 * @param {T} value
 */
function guarded(callback, value) {
  try {
    callback(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** @param {unknown} error */
function asClientError(error) {
  return error instanceof ClientError ? error : new ClientError(reason(error), { cause: error });
}
