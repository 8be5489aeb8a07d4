/** Hands a channel's events to the runs that this page follows on it. */
export type RunEvent = import('../types.js').RunEvent;
export type Connection = import('../types.js').Connection;
export type ConnectionDetail = import('../types.js').ConnectionDetail;
export type Feeds = import('./feed.js').Feeds;
export type Listener = import('./feed.js').FeedHandlers;
/** What comes on one channel, handed to its runs. Closes itself when its last user has left. */
export declare class ChannelLink {
    #private;
    closed: boolean;
    channel: string;
    /** @type {string | null} What comes is later than this id. */
    at: string | null;
    /** @param {() => void} onClosed */
    constructor(onClosed: () => void);
    /**
     * @param {Feeds} feeds
     * @param {string | null} channel
     * @param {string | null} after
     */
    open(feeds: Feeds, channel: string | null, after: string | null): Promise<this>;
    /** How the connection stands. */
    get state(): {
        connection: import("../types.js").Connection;
        detail: import("../types.js").ConnectionDetail | null;
    };
    /** Keep the link open; each call needs one of `release`. */
    retain(): void;
    release(): void;
    /**
     * Keep what comes for runs that are not known yet, since a run's events can be here before its start is
     * answered. Returns what ends that and gives the events of one run; null if there were too many.
     * @returns {(runId?: string) => RunEvent[] | null}
     */
    hold(): (runId?: string) => RunEvent[] | null;
    /**
     * Hand a run its events from now on; returns what ends that.
     * @param {string} runId
     * @param {Listener} listener
     */
    add(runId: string, listener: Listener): () => void;
}
/** The links of one client. */
export declare class ChannelLinks {
    #private;
    /** @param {Feeds} feeds */
    constructor(feeds: Feeds);
    /**
     * Return the link of *channel*, retained for the caller, opened if need be.
     * @param {string | null} channel null: the one made up for this client's runs.
     * @param {string | null} after Where it opens, if it does.
     * @returns {Promise<ChannelLink>}
     */
    acquire(channel: string | null, after: string | null): Promise<ChannelLink>;
    /**
     * Return the link of *channel* if there is one, retained.
     * @param {string} channel
     */
    acquireOpen(channel: string): Promise<ChannelLink | null>;
}
