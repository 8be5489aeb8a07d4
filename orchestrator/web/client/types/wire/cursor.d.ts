/** Orders event ids: says which comes later, and which was seen already; and whether a run's status is an end. */
export type RunEvent = import('../types.js').RunEvent;
/**
 * Whether *id* stands at *mark* or later in the same log. Ids of two epochs cannot be compared: false.
 * @param {string} id
 * @param {string} mark
 */
export declare function reaches(id: string, mark: string): boolean;
/**
 * Whether *event* replaces all that was known. Several may share an id: one per run of a channel.
 * @param {RunEvent} event
 */
export declare function isSnapshot(event: RunEvent): boolean;
/** The id seen last, as the next `Last-Event-ID`, and the guard against seeing one twice. */
export declare class Cursor {
    last: string | null;
    /** @param {string | null} [last] */
    constructor(last?: string | null);
    /**
     * Move on to *event*; false if its log has given it before.
     * @param {RunEvent} event
     */
    accept(event: RunEvent): boolean;
}
/**
 * Whether a run of this status has not ended.
 * @param {import('../types.js').RunStatus} status
 */
export declare function isOpen(status: import('../types.js').RunStatus): status is "queued" | "running";
