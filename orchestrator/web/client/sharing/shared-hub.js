/** Holds the streams that tabs share, and hands each channel to the tabs that hear it. Runs in `shared-worker.js`. */

import { openFeed, randomName } from './feed.js';
import { Http } from '../wire/http.js';

/** @typedef {import('../types.js').RunEvent} RunEvent */
/** @typedef {import('./feed.js').Feed} Feed */

/** So often every tab is sent that the worker lives. */
const ALIVE_MS = 15_000;

/**
 * @typedef {object} Place One server as one tab's user sees it.
 * @property {string} baseUrl
 * @property {string | null} token
 * @property {import('../types.js').Timing} timing
 */

/** One channel's stream and the tabs that hear it. */
class SharedChannel {
  /** @type {Set<(message: object) => void>} */
  #listeners = new Set();
  #feed;
  /** @type {object} */
  #state = { op: 'state', connection: 'connecting', detail: null };
  #onEmpty;

  /**
   * @param {Place} place
   * @param {string} channel
   * @param {string | null} after
   * @param {() => void} onEmpty
   */
  constructor(place, channel, after, onEmpty) {
    this.channel = channel;
    this.at = after;
    this.#onEmpty = onEmpty;
    this.#feed = openFeed(new Http(place), channel, after, {
      onEvents: (events) => this.#deliver(events),
      onState: (connection, detail) => this.#report((this.#state = { op: 'state', connection, detail })),
      onFailure: ({ message, status, problem }) => {
        onEmpty();
        this.#report({ op: 'failed', message, about: { status, problem } });
      },
    });
  }

  /**
   * @param {(message: object) => void} listener
   * @returns {() => void}
   */
  join(listener) {
    this.#listeners.add(listener);
    listener({ op: 'opened', channel: this.channel, at: this.at });
    listener(this.#state);
    return () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
      this.#feed.close();
      this.#onEmpty();
    };
  }

  /** @param {RunEvent[]} events */
  #deliver(events) {
    this.at = events.findLast((event) => event.id !== null)?.id ?? this.at;
    this.#report({ op: 'events', events });
  }

  /** @param {object} message */
  #report(message) {
    for (const listener of [...this.#listeners]) listener(message);
  }
}

/** All channels of all tabs. */
export class SharedHub {
  /** @type {Map<string, SharedChannel>} */
  #channels = new Map();
  /** @type {Map<string, string>} The channel that tabs without a wish get, by place, while somebody follows it. */
  #common = new Map();

  /** @param {MessagePort} port */
  connect(port) {
    /** @type {Map<number, () => void>} */
    const joined = new Map();
    /** @type {ReturnType<typeof setInterval> | undefined} */
    let alive;
    let locked = false;
    const leave = () => {
      for (const part of joined.values()) part();
      joined.clear();
      clearInterval(alive);
      alive = undefined;
    };
    port.addEventListener('message', ({ data }) => {
      const { op, n } = data;
      if (op === 'open') {
        if (data.lock !== null && !locked) void navigator.locks.request(data.lock, leave);
        locked = true;
        alive ??= setInterval(() => port.postMessage({ op: 'alive' }), ALIVE_MS);
        joined.get(n)?.();
        joined.set(n, this.#channel(data).join((message) => port.postMessage({ ...message, n })));
      } else if (op === 'close') {
        joined.get(n)?.();
        joined.delete(n);
      } else if (op === 'ping') port.postMessage({ op: 'alive' });
      else if (op === 'bye') leave();
    });
    port.addEventListener('close', leave);
    port.start();
  }

  /** @param {Place & {channel: string | null, after: string | null}} wanted */
  #channel({ baseUrl, token, timing, channel, after }) {
    const place = JSON.stringify([baseUrl, token]);
    const name = channel ?? this.#common.get(place) ?? randomName('web');
    if (channel === null) this.#common.set(place, name);
    const key = JSON.stringify([place, name]);
    const found = this.#channels.get(key);
    if (found !== undefined) return found;
    const opened = new SharedChannel({ baseUrl, token, timing }, name, after, () => {
      if (this.#channels.get(key) === opened) this.#channels.delete(key);
      if (this.#common.get(place) === name) this.#common.delete(place);
    });
    this.#channels.set(key, opened);
    return opened;
  }
}
