/**
 * Connects a tab with the worker that holds the tabs' one connection. If there is no worker, or it falls silent, the
 * tab goes on with a connection of its own, from the id where it stands. The other side is `shared-worker.js`.
 */
export type RunEvent = import('../types.js').RunEvent;
export type Feed = import('./feed.js').Feed;
export type Feeds = import('./feed.js').Feeds;
export type FeedHandlers = import('./feed.js').FeedHandlers;
export type LocalFeeds = import('./feed.js').LocalFeeds;
/** Return the worker's port; null if the browser has none. */
export declare function openSharedWorker(): SharedWorker | null;
/** @implements {Feeds} */
export declare class SharedFeeds implements Feeds {
    #private;
    /**
     * @param {import('../wire/http.js').Http} http
     * @param {LocalFeeds} local
     * @param {SharedWorker} worker
     */
    constructor(http: import('../wire/http.js').Http, local: LocalFeeds, worker: SharedWorker);
    /**
     * @param {string | null} channel
     * @param {string | null} after
     * @param {FeedHandlers} handlers
     * @returns {Promise<Feed>}
     */
    open(channel: string | null, after: string | null, handlers: FeedHandlers): Promise<Feed>;
    close(): void;
}
