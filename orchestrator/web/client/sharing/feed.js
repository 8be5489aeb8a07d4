/** Reads one channel's stream over a connection of this page's own. `shared.js` does the same over a SharedWorker. */

import { ClientError, asClientError, pathOf } from '../wire/http.js';
import { readEvents } from '../wire/stream.js';

/** @typedef {import('../types.js').RunEvent} RunEvent */
/** @typedef {import('../types.js').Connection} Connection */
/** @typedef {import('../types.js').ConnectionDetail} ConnectionDetail */

/**
 * @typedef {object} FeedHandlers
 * @property {(events: RunEvent[]) => void} onEvents
 * @property {(connection: Connection, detail: ConnectionDetail | null) => void} onState
 * @property {(error: ClientError) => void} onFailure The feed is over.
 */

/**
 * @typedef {object} Feed
 * @property {string} channel
 * @property {string | null} at What comes is later than this id; null: from the channel's first event on.
 * @property {() => void} close
 */

/**
 * Where feeds come from.
 * @typedef {object} Feeds
 * @property {(channel: string | null, after: string | null, handlers: FeedHandlers) => Promise<Feed>} open
 *   A channel of null makes one up. The feed may stand later than *after* if others follow that channel too.
 * @property {() => void} close
 */

/** @implements {Feeds} */
export class LocalFeeds {
  /** @param {import('../wire/http.js').Http} http */
  constructor(http) {
    this.http = http;
  }

  /**
   * @param {string | null} channel
   * @param {string | null} after
   * @param {FeedHandlers} handlers
   * @returns {Promise<Feed>}
   */
  async open(channel, after, handlers) {
    return openFeed(this.http, channel ?? randomName('web'), after, handlers);
  }

  close() {}
}

/**
 * @param {import('../wire/http.js').Http} http
 * @param {string} channel
 * @param {string | null} after
 * @param {FeedHandlers} handlers
 * @returns {Feed}
 */
export function openFeed(http, channel, after, handlers) {
  const controller = new AbortController();
  void follow(http, channel, after, controller.signal, handlers);
  return { channel, at: after, close: () => controller.abort() };
}

/**
 * @param {import('../wire/http.js').Http} http
 * @param {string} channel
 * @param {string | null} after
 * @param {AbortSignal} signal
 * @param {FeedHandlers} handlers
 */
async function follow(http, channel, after, signal, { onEvents, onState, onFailure }) {
  const path = pathOf('channels', channel, 'events');
  try {
    for await (const batch of readEvents({ http, path, after, signal, onState })) onEvents(batch);
    if (!signal.aborted) throw new ClientError(`${path} says that it has ended, which a channel never does`);
  } catch (error) {
    onFailure(asClientError(error));
  }
}

/**
 * Make a name that nobody else has. `crypto.randomUUID` is missing on pages without TLS, all of it in React Native.
 * @param {string} prefix
 */
export function randomName(prefix) {
  const bytes = globalThis.crypto?.getRandomValues(new Uint8Array(16)) ?? Array.from({ length: 16 }, () => Math.floor(Math.random() * 256));
  return `${prefix}_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
