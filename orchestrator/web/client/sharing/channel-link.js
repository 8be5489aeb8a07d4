/** Hands a channel's events to the runs that this page follows on it. */

/** @typedef {import('../types.js').RunEvent} RunEvent */
/** @typedef {import('../types.js').Connection} Connection */
/** @typedef {import('../types.js').ConnectionDetail} ConnectionDetail */
/** @typedef {import('./feed.js').Feeds} Feeds */
/** @typedef {import('./feed.js').FeedHandlers} Listener */

/** Events kept for runs whose start has not been answered yet. Beyond it they are fetched again instead. */
const MAX_HELD_EVENTS = 10_000;

/** What comes on one channel, handed to its runs. Closes itself when its last user has left. */
export class ChannelLink {
  /** @type {Map<string, Set<Listener>>} */
  #runs = new Map();
  /** @type {Set<RunEvent[]>} */
  #holds = new Set();
  /** @type {import('./feed.js').Feed | null} */
  #feed = null;
  /** @type {Connection} */
  #connection = 'connecting';
  /** @type {ConnectionDetail | null} */
  #detail = null;
  #users = 0;
  #onClosed;

  /** @param {() => void} onClosed */
  constructor(onClosed) {
    this.#onClosed = onClosed;
    this.closed = false;
    this.channel = '';
    /** @type {string | null} What comes is later than this id. */
    this.at = null;
  }

  /**
   * @param {Feeds} feeds
   * @param {string | null} channel
   * @param {string | null} after
   */
  async open(feeds, channel, after) {
    this.#feed = await feeds.open(channel, after, {
      onEvents: (events) => this.#deliver(events),
      onState: (connection, detail) => this.#report(connection, detail),
      onFailure: (error) => this.#fail(error),
    });
    this.channel = this.#feed.channel;
    // Events may have come before the feed itself.
    this.at ??= this.#feed.at;
    if (this.closed) this.#feed.close();
    return this;
  }

  /** How the connection stands. */
  get state() {
    return { connection: this.#connection, detail: this.#detail };
  }

  /** Keep the link open; each call needs one of `release`. */
  retain() {
    this.#users += 1;
  }

  release() {
    this.#users -= 1;
    if (this.#users === 0) this.#close();
  }

  /**
   * Keep what comes for runs that are not known yet, since a run's events can be here before its start is
   * answered. Returns what ends that and gives the events of one run; null if there were too many.
   * @returns {(runId?: string) => RunEvent[] | null}
   */
  hold() {
    /** @type {RunEvent[]} */
    const held = [];
    this.#holds.add(held);
    return (runId) => (this.#holds.delete(held) ? held.filter((event) => event.run_id === runId) : null);
  }

  /**
   * Hand a run its events from now on; returns what ends that.
   * @param {string} runId
   * @param {Listener} listener
   */
  add(runId, listener) {
    const listeners = this.#runs.get(runId) ?? new Set();
    this.#runs.set(runId, listeners.add(listener));
    listener.onState(this.#connection, this.#detail);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#runs.get(runId) === listeners) this.#runs.delete(runId);
    };
  }

  /** @param {RunEvent[]} events */
  #deliver(events) {
    for (const held of this.#holds) {
      held.push(...events);
      if (held.length > MAX_HELD_EVENTS) this.#holds.delete(held);
    }
    this.at = events.findLast((event) => event.id !== null)?.id ?? this.at;
    for (const [runId, batch] of byRun(events, this.#runs)) {
      for (const listener of [...(this.#runs.get(runId) ?? [])]) listener.onEvents(batch);
    }
  }

  /**
   * @param {Connection} connection
   * @param {ConnectionDetail | null} detail
   */
  #report(connection, detail) {
    this.#connection = connection;
    this.#detail = detail;
    for (const listener of this.#everyone()) listener.onState(connection, detail);
  }

  /** @param {import('../wire/http.js').ClientError} error */
  #fail(error) {
    const everyone = this.#everyone();
    this.#close();
    for (const listener of everyone) listener.onFailure(error);
  }

  #everyone() {
    return [...this.#runs.values()].flatMap((listeners) => [...listeners]);
  }

  #close() {
    if (this.closed) return;
    this.closed = true;
    this.#feed?.close();
    this.#onClosed();
  }
}

/**
 * Sort a batch by run, in order. What names no run, a gap, concerns each of *runs*.
 * @param {RunEvent[]} events
 * @param {Map<string, unknown>} runs
 */
function byRun(events, runs) {
  /** @type {Map<string, RunEvent[]>} */
  const sorted = new Map();
  for (const event of events) {
    for (const runId of event.run_id === null ? runs.keys() : [event.run_id]) {
      const batch = sorted.get(runId);
      if (batch === undefined) sorted.set(runId, [event]);
      else batch.push(event);
    }
  }
  return sorted;
}

/** The links of one client. */
export class ChannelLinks {
  #feeds;
  /** @type {Map<string, Promise<ChannelLink>>} By channel; the empty name is the channel that is made up. */
  #links = new Map();

  /** @param {Feeds} feeds */
  constructor(feeds) {
    this.#feeds = feeds;
  }

  /**
   * Return the link of *channel*, retained for the caller, opened if need be.
   * @param {string | null} channel null: the one made up for this client's runs.
   * @param {string | null} after Where it opens, if it does.
   * @returns {Promise<ChannelLink>}
   */
  async acquire(channel, after) {
    const found = this.#links.get(channel ?? '') ?? this.#open(channel, after);
    const link = await found;
    if (link.closed) return this.acquire(channel, after);
    link.retain();
    return link;
  }

  /**
   * Return the link of *channel* if there is one, retained.
   * @param {string} channel
   */
  async acquireOpen(channel) {
    return this.#links.has(channel) ? this.acquire(channel, null) : null;
  }

  /**
   * @param {string | null} channel
   * @param {string | null} after
   */
  #open(channel, after) {
    const opening = new ChannelLink(() => {
      for (const [name, promise] of this.#links) if (promise === opened) this.#links.delete(name);
    });
    const opened = opening.open(this.#feeds, channel, after);
    this.#links.set(channel ?? '', opened);
    opened.then(
      (link) => this.#links.has(link.channel) || link.closed || this.#links.set(link.channel, opened),
      () => this.#links.delete(channel ?? ''),
    );
    return opened;
  }
}
