/**
 * Reads `text/event-stream`: bytes or strings in, events out. Knows no socket and no protocol of ours.
 *
 * Source: WHATWG HTML, 9.2 Server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
/** Bound of one event, a guard against a stream without blank lines. */
export declare const MAX_EVENT_CHARS: number;
/** A longer `retry:` is taken for this, one day. */
export declare const MAX_RETRY_MS: number;
export type ServerSentEvent = {
    /**
     * The `event:` line, else `message`.
     */
    event: string;
    /**
     * The `data:` lines, joined with line feeds.
     */
    data: string;
    /**
     * What a reconnecting client sends; inherited if this event has no `id:`.
     */
    lastEventId: string;
    /**
     * This event's own `id:` line; null if it has none.
     */
    id: string | null;
};
/**
 * @typedef {object} ServerSentEvent
 * @property {string} event The `event:` line, else `message`.
 * @property {string} data The `data:` lines, joined with line feeds.
 * @property {string} lastEventId What a reconnecting client sends; inherited if this event has no `id:`.
 * @property {string | null} id This event's own `id:` line; null if it has none.
 */
/** One event, or one line, is larger than the parser's bound. The parser is of no use afterwards. */
export declare class EventTooLarge extends Error {
    /** @param {number} limit */
    constructor(limit: number);
}
/** Turns the chunks of one response into events, however they are cut. A new response needs a new parser. */
export declare class SseParser {
    #private;
    /** The last `id:` line of a finished event. */
    lastEventId: string;
    /** @type {number | null} The last valid `retry:` line. */
    retryMs: number | null;
    /** @param {{lastEventId?: string, maxEventChars?: number}} [options] */
    constructor({ lastEventId, maxEventChars }?: {
        lastEventId?: string;
        maxEventChars?: number;
    });
    /**
     * Return the events that *chunk* completes, in order. What no blank line has ended is held back; the end of
     * the stream drops it.
     * @param {Uint8Array | string} chunk
     * @returns {ServerSentEvent[]}
     */
    feed(chunk: Uint8Array | string): ServerSentEvent[];
}
