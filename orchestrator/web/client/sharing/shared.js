/**
 * Connects a tab with the worker that holds the tabs' one connection. If there is no worker, or it falls silent, the
 * tab goes on with a connection of its own, from the id where it stands. The other side is `shared-worker.js`.
 */

import { ClientError } from '../wire/http.js';

/** @typedef {import('../types.js').RunEvent} RunEvent */
/** @typedef {import('./feed.js').Feed} Feed */
/** @typedef {import('./feed.js').Feeds} Feeds */
/** @typedef {import('./feed.js').FeedHandlers} FeedHandlers */
/** @typedef {import('./feed.js').LocalFeeds} LocalFeeds */

/** How long the worker may take to answer, the time to load it included. */
const ANSWER_MS = 3_000;

/** The worker speaks at least every 15 s. */
const SILENCE_MS = 45_000;
const CHECK_MS = 15_000;

/** Return the worker's port; null if the browser has none. */
export function openSharedWorker() {
  if (typeof SharedWorker === 'undefined') return null;
  try {
    // Written like this, bundlers find the worker's file.
    return new SharedWorker(new URL('./shared-worker.js', import.meta.url), { type: 'module', name: 'fanin-client' });
  } catch {
    return null; // a page without an origin, or one whose policy forbids workers
  }
}

/** One feed of this tab. */
class SharedFeed {
  /**
   * @param {string | null} channel
   * @param {string | null} after
   * @param {FeedHandlers} handlers
   */
  constructor(channel, after, handlers) {
    this.channel = channel;
    this.handlers = handlers;
    this.cursor = after;
    /** @type {(feed: Feed) => void} */
    this.onOpened = () => {};
    /** @type {Promise<Feed> | null} What took the worker's place. */
    this.local = null;
    this.closed = false;
  }

  /** @param {RunEvent[]} events */
  take(events) {
    this.cursor = events.findLast((event) => event.id !== null)?.id ?? this.cursor;
    this.handlers.onEvents(events);
  }
}

/** @implements {Feeds} */
export class SharedFeeds {
  #http;
  #local;
  #port;
  /** @type {Map<number, SharedFeed>} */
  #feeds = new Map();
  #count = 0;
  #broken = false;
  #heardAt = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #lock;

  /**
   * @param {import('../wire/http.js').Http} http
   * @param {LocalFeeds} local
   * @param {SharedWorker} worker
   */
  constructor(http, local, worker) {
    this.#http = http;
    this.#local = local;
    this.#port = worker.port;
    this.#lock = holdLock();
    worker.addEventListener('error', () => this.#break());
    this.#port.addEventListener('message', ({ data }) => this.#hear(data));
    this.#port.start();
    globalThis.addEventListener('pagehide', this.#onPageHide);
    globalThis.addEventListener('pageshow', this.#onPageShow);
  }

  /**
   * @param {string | null} channel
   * @param {string | null} after
   * @param {FeedHandlers} handlers
   * @returns {Promise<Feed>}
   */
  async open(channel, after, handlers) {
    if (this.#broken) return this.#local.open(channel, after, handlers);
    const n = ++this.#count;
    const feed = new SharedFeed(channel, after, handlers);
    this.#feeds.set(n, feed);
    this.#timer ??= setInterval(() => void this.#check(), CHECK_MS);
    const opened = new Promise((resolve) => (feed.onOpened = resolve));
    void this.#send(n, feed);
    const late = setTimeout(() => this.#break(), ANSWER_MS);
    const { channel: name, at } = /** @type {Feed} */ (await opened);
    clearTimeout(late);
    return { channel: name, at, close: () => this.#closeFeed(n, feed) };
  }

  close() {
    this.#port.postMessage({ op: 'bye' });
    this.#port.close();
    this.#broken = true;
    clearInterval(this.#timer);
    globalThis.removeEventListener('pagehide', this.#onPageHide);
    globalThis.removeEventListener('pageshow', this.#onPageShow);
    void this.#lock.then((lock) => lock?.release());
  }

  /**
   * @param {number} n
   * @param {SharedFeed} feed
   */
  async #send(n, feed) {
    const lock = await this.#lock;
    const { token, timing } = this.#http;
    const baseUrl = new URL(this.#http.baseUrl || '/', globalThis.location.href).href;
    const { channel, cursor: after } = feed;
    this.#port.postMessage({ op: 'open', n, baseUrl, token, timing, channel, after, lock: lock?.name ?? null });
  }

  /** @param {{op: string, n: number} & Record<string, any>} message */
  #hear({ op, n, ...sent }) {
    this.#heardAt = Date.now();
    const feed = this.#feeds.get(n);
    if (feed === undefined || feed.closed || feed.local !== null) return;
    if (op === 'opened') {
      feed.channel = sent.channel;
      feed.cursor = sent.at;
      feed.onOpened({ channel: sent.channel, at: sent.at, close: () => {} });
    } else if (op === 'events') feed.take(sent.events);
    else if (op === 'state') feed.handlers.onState(sent.connection, sent.detail);
    else if (op === 'failed') feed.handlers.onFailure(new ClientError(sent.message, sent.about));
  }

  /**
   * @param {number} n
   * @param {SharedFeed} feed
   */
  #closeFeed(n, feed) {
    feed.closed = true;
    this.#feeds.delete(n);
    if (feed.local !== null) void feed.local.then((local) => local.close());
    else this.#port.postMessage({ op: 'close', n });
    if (this.#feeds.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A machine that slept finds the worker silent too, so it is asked before it is given up. */
  async #check() {
    if (this.#broken || Date.now() - this.#heardAt < SILENCE_MS) return;
    const before = this.#heardAt;
    this.#port.postMessage({ op: 'ping' });
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
    if (this.#heardAt === before) this.#break();
  }

  /** The worker does not answer: each feed goes on as this tab's own. */
  #break() {
    if (this.#broken) return;
    this.#broken = true;
    clearInterval(this.#timer);
    this.#port.postMessage({ op: 'bye' });
    for (const feed of this.#feeds.values()) {
      const { handlers } = feed;
      feed.local = this.#local.open(feed.channel, feed.cursor, {
        ...handlers,
        onEvents: (events) => feed.take(events),
      });
      void feed.local.then((local) => feed.onOpened(local));
    }
  }

  #onPageHide = () => this.#port.postMessage({ op: 'bye' });

  /** A page that comes back from the browser's cache has said goodbye before. */
  #onPageShow = (/** @type {PageTransitionEvent} */ { persisted }) => {
    if (persisted && !this.#broken) for (const [n, feed] of this.#feeds) void this.#send(n, feed);
  };
}

/**
 * Hold a lock while this tab lives. The worker waits for it, which is how it learns of a tab that crashed: a
 * port says nothing when its other end is gone. Null if there are no locks (a page without TLS).
 * @returns {Promise<{name: string, release: () => void} | null>}
 */
function holdLock() {
  if (!globalThis.navigator?.locks) return Promise.resolve(null);
  const name = `fanin-client-${crypto.getRandomValues(new Uint32Array(4)).join('-')}`;
  return new Promise((resolve) => {
    const held = () => new Promise((release) => resolve({ name, release: () => release(undefined) }));
    navigator.locks.request(name, held).catch(() => resolve(null));
  });
}
