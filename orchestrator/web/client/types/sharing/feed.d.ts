/** Reads one channel's stream over a connection of this page's own. `shared.js` does the same over a SharedWorker. */
import { ClientError } from '../wire/http.js';
export type RunEvent = import('../types.js').RunEvent;
export type Connection = import('../types.js').Connection;
export type ConnectionDetail = import('../types.js').ConnectionDetail;
export type FeedHandlers = {
    onEvents: (events: RunEvent[]) => void;
    onState: (connection: Connection, detail: ConnectionDetail | null) => void;
    /**
     * The feed is over.
     */
    onFailure: (error: ClientError) => void;
};
export type Feed = {
    channel: string;
    /**
     * What comes is later than this id; null: from the channel's first event on.
     */
    at: string | null;
    close: () => void;
};
export type Feeds = {
    /**
     *   A channel of null makes one up. The feed may stand later than *after* if others follow that channel too.
     */
    open: (channel: string | null, after: string | null, handlers: FeedHandlers) => Promise<Feed>;
    close: () => void;
};
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
export declare class LocalFeeds implements Feeds {
    http: import("../wire/http.js").Http;
    /** @param {import('../wire/http.js').Http} http */
    constructor(http: import('../wire/http.js').Http);
    /**
     * @param {string | null} channel
     * @param {string | null} after
     * @param {FeedHandlers} handlers
     * @returns {Promise<Feed>}
     */
    open(channel: string | null, after: string | null, handlers: FeedHandlers): Promise<Feed>;
    close(): void;
}
/**
 * @param {import('../wire/http.js').Http} http
 * @param {string} channel
 * @param {string | null} after
 * @param {FeedHandlers} handlers
 * @returns {Feed}
 */
export declare function openFeed(http: import('../wire/http.js').Http, channel: string, after: string | null, handlers: FeedHandlers): Feed;
/**
 * Make a name that nobody else has. `crypto.randomUUID` is missing on pages without TLS, all of it in React Native.
 * @param {string} prefix
 */
export declare function randomName(prefix: string): string;
