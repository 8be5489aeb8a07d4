/** Reads one event stream across lost connections: opens it, watches it, comes back by id. Holds no run's state. */
export type RunEvent = import('../types.js').RunEvent;
export type Connection = import('../types.js').Connection;
export type ConnectionDetail = import('../types.js').ConnectionDetail;
/** @typedef {import('../types.js').RunEvent} RunEvent */
/** @typedef {import('../types.js').Connection} Connection */
/** @typedef {import('../types.js').ConnectionDetail} ConnectionDetail */
/** The types of a panel's events: with a `panel` in their data, these are the panel's and not the run's own. */
export declare const PANEL_TYPES: Set<string>;
/**
 * Yield a stream's events in order, each once, in the batches they arrive in, until 204 says that there are no
 * more, or *signal* aborts. Reading waits while the caller is busy. Leaving the loop closes the connection.
 *
 * Throws ClientError if the stream is refused for good.
 * @param {object} options
 * @param {import('./http.js').Http} options.http
 * @param {string} options.path
 * @param {string | null} [options.after] The id seen last.
 * @param {AbortSignal} options.signal
 * @param {(connection: Connection, detail: ConnectionDetail | null) => void} [options.onState]
 * @returns {AsyncGenerator<RunEvent[], void, void>}
 */
export declare function readEvents({ http, path, after, signal, onState }: {
    http: import('./http.js').Http;
    path: string;
    after?: string | null;
    signal: AbortSignal;
    onState?: (connection: Connection, detail: ConnectionDetail | null) => void;
}): AsyncGenerator<RunEvent[], void, void>;
/**
 * Read one event's `data`; null if it is none of this protocol's, which a reader passes over.
 * @param {{event: string, data: string, id: string | null}} raw
 * @returns {RunEvent | null}
 */
export declare function toEvent(raw: {
    event: string;
    data: string;
    id: string | null;
}): RunEvent | null;
