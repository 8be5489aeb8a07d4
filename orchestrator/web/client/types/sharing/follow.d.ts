/**
 * Brings one run's events here: over a channel, by a stream of its own, or first the one and then the other; by
 * snapshots while events are held back on the way.
 */
import { ClientError } from '../wire/http.js';
export type RunEvent = import('../types.js').RunEvent;
export type RunSnapshot = import('../types.js').RunSnapshot;
export type Connection = import('../types.js').Connection;
export type ConnectionDetail = import('../types.js').ConnectionDetail;
export type ChannelLink = import('./channel-link.js').ChannelLink;
export type Sink = {
    receive: (events: RunEvent[]) => void;
    /**
     * Learn what no event holds; all else is still to come.
     */
    introduce: (snapshot: RunSnapshot) => void;
    /**
     * Become what a snapshot says; *live*:
     * events later than it are still to come.
     */
    assume: (snapshot: RunSnapshot, options: {
        live: boolean;
    }) => void;
    /**
     * Show a snapshot until the events up to it have come.
     */
    preview: (snapshot: RunSnapshot) => void;
    onState: (connection: Connection, detail: ConnectionDetail | null) => void;
    close: (failure: ClientError | null) => void;
    closed: () => boolean;
    /**
     * The id seen last.
     */
    position: () => string | null;
};
/**
 * @typedef {object} Sink The run, as seen from here. It takes each event once, whatever comes twice.
 * @property {(events: RunEvent[]) => void} receive
 * @property {(snapshot: RunSnapshot) => void} introduce Learn what no event holds; all else is still to come.
 * @property {(snapshot: RunSnapshot, options: {live: boolean}) => void} assume Become what a snapshot says; *live*:
 *   events later than it are still to come.
 * @property {(snapshot: RunSnapshot) => void} preview Show a snapshot until the events up to it have come.
 * @property {(connection: Connection, detail: ConnectionDetail | null) => void} onState
 * @property {(failure: ClientError | null) => void} close
 * @property {() => boolean} closed
 * @property {() => string | null} position The id seen last.
 */
export declare class Follower {
    #private;
    /**
     * @param {object} options
     * @param {import('../wire/http.js').Http} options.http
     * @param {import('./channel-link.js').ChannelLinks | null} options.links null: a connection for each run.
     * @param {string} options.id
     * @param {Sink} options.sink
     */
    constructor({ http, links, id, sink }: {
        http: import('../wire/http.js').Http;
        links: import('./channel-link.js').ChannelLinks | null;
        id: string;
        sink: Sink;
    });
    /**
     * Leave the link and, unless *history* may still be read, every connection.
     * @param {{history: boolean}} options
     */
    leave({ history }: {
        history: boolean;
    }): void;
    /**
     * Read the run's own stream.
     * @param {string | null} after
     * @param {(connection: Connection, detail: ConnectionDetail | null) => void} [onState]
     */
    history(after: string | null, onState?: (connection: Connection, detail: ConnectionDetail | null) => void): AsyncGenerator<import("../types.js").RunEvent[], void, void>;
    /**
     * Go on with what *link* brings: all of this run's events come there.
     * @param {ChannelLink} link Retained for this run.
     * @param {RunEvent[]} held What has come already.
     */
    join(link: ChannelLink, held: RunEvent[]): void;
    /**
     * Find out what there is, and follow it to its end. Never rejects.
     * @param {string | null} after
     */
    attach(after: string | null): Promise<void>;
    /** After a gap a channel gives only the runs that the server still has: find out whether this is one. */
    verify(): Promise<void>;
}
