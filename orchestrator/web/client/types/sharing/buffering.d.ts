/**
 * Notices that a run's events are held back on the way (a proxy that buffers event streams), and follows the run by
 * snapshots until they flow. An agent that thinks is as silent, so only a snapshot that is ahead of the stream tells.
 */
export type RunSnapshot = import('../types.js').RunSnapshot;
export type ConnectionDetail = import('../types.js').ConnectionDetail;
/** @type {ConnectionDetail} */
export declare const HELD: ConnectionDetail;
export type Watched = {
    /**
     * The id seen last.
     */
    position: () => string | null;
    /**
     * Takes a snapshot.
     */
    look: () => Promise<RunSnapshot>;
    /**
     * Takes what a snapshot says, while events are held back.
     */
    show: (snapshot: RunSnapshot) => void;
    /**
     * Hears when events begin to be held back, and when they flow again.
     */
    tell: (held: boolean) => void;
};
/**
 * @typedef {object} Watched What is watched.
 * @property {() => string | null} position The id seen last.
 * @property {() => Promise<RunSnapshot>} look Takes a snapshot.
 * @property {(snapshot: RunSnapshot) => void} show Takes what a snapshot says, while events are held back.
 * @property {(held: boolean) => void} tell Hears when events begin to be held back, and when they flow again.
 */
export declare class HeldWatch {
    #private;
    /**
     * @param {Pick<import('../types.js').Timing, 'held' | 'poll'>} timing
     * @param {Watched} watched
     */
    constructor(timing: Pick<import('../types.js').Timing, 'held' | 'poll'>, watched: Watched);
    get held(): boolean;
    start(): void;
    /** Events of the run have come. */
    heard(): void;
    stop(): void;
}
