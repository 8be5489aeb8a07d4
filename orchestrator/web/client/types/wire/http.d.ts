/** Makes the client's requests: addresses, credentials, refusals, when to try again. Knows no run's state. */
import { Slots } from './slots.js';
export type Timing = import('../types.js').Timing;
/** @typedef {import('../types.js').Timing} Timing */
/** @type {Readonly<Timing>} */
export declare const TIMING: Readonly<Timing>;
export declare const BLOCKED_MESSAGE: string;
/** A request was refused, or the server cannot be reached. */
export declare class ClientError extends Error {
    /** The HTTP status; null if no usable answer came. */
    status: number | null;
    /** The answer's problem details (RFC 9457): `title`, `detail`, `errors`; may be empty. */
    problem: Record<string, any>;
    /** Milliseconds the server asks to wait, if it does. */
    retryAfter: number | null;
    /**
     * @param {string} message
     * @param {{status?: number | null, problem?: Record<string, any>, retryAfter?: number | null, cause?: unknown}} [about]
     */
    constructor(message: string, { status, problem, retryAfter, cause }?: {
        status?: number | null;
        problem?: Record<string, any>;
        retryAfter?: number | null;
        cause?: unknown;
    });
    /** Whether the same request may be answered later: a limit, or a server that is going or coming. */
    get temporary(): boolean;
}
/** Waits between tries: exponential, with jitter so that not all clients return at once. */
export declare class Backoff {
    #private;
    /** Milliseconds of the first wait; the stream's `retry:` sets it. */
    base: number;
    max: number;
    /** @param {Pick<Timing, 'retry' | 'maxRetry'>} timing */
    constructor({ retry, maxRetry }: Pick<Timing, 'retry' | 'maxRetry'>);
    /** Start from `base` again; called once something was really received. */
    reset(): void;
    /**
     * Return milliseconds, never less than `base` or *atLeast* (a `Retry-After`).
     * @param {number | null} [atLeast]
     */
    next(atLeast?: number | null): number;
}
/**
 * Wait, or less if *signal* aborts or the browser says that the network is back.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export declare function sleep(ms: number, signal?: AbortSignal): Promise<void>;
export type CallOptions = {
    body?: unknown;
    headers?: Record<string, string>;
    signal?: AbortSignal;
    /**
     * Called instead of the one that all requests share.
     */
    onBlocked?: (message: string) => void;
};
/**
 * @typedef {object} CallOptions
 * @property {unknown} [body]
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {(message: string) => void} [onBlocked] Called instead of the one that all requests share.
 */
/** One server's address and how to talk to it. */
export declare class Http {
    #private;
    baseUrl: string;
    token: string | null;
    timing: {
        room: number;
        blocked: number;
        held: number;
        poll: number;
        silence: number;
        request: number;
        retry: number;
        maxRetry: number;
    };
    /** @type {(message: string) => void} Hears that a request has waited suspiciously long. */
    onBlocked: (message: string) => void;
    slots: Slots;
    /**
     * @param {{baseUrl?: string, token?: string | null, fetch?: typeof globalThis.fetch, timing?: Partial<Timing>}} options
     */
    constructor({ baseUrl, token, fetch, timing }: {
        baseUrl?: string;
        token?: string | null;
        fetch?: typeof globalThis.fetch;
        timing?: Partial<Timing>;
    });
    /**
     * Make one request and return its JSON object, null if there is no content.
     * @param {string} method
     * @param {string} path
     * @param {CallOptions & {repeat?: boolean}} [options] `repeat`: try again if no answer comes. Any answer counts,
     *   a refusal too.
     * @returns {Promise<any>} Rejects with ClientError: the server refuses, or does not answer.
     */
    call(method: string, path: string, { repeat, ...options }?: CallOptions & {
        repeat?: boolean;
    }): Promise<any>;
    /**
     * Ask for a stream's events later than *after*. The answer is not judged here.
     * @param {string} path
     * @param {string | null} after
     * @param {AbortSignal} signal
     */
    stream(path: string, after: string | null, signal: AbortSignal): Promise<Response>;
}
/**
 * Join *parts* below `/v1`, quoted: an id may hold anything.
 * @param {...string} parts
 */
export declare function pathOf(...parts: string[]): string;
/**
 * Make an error of an answer that is none; its message is the problem's, fields at fault included.
 * @param {Response} response
 */
export declare function refusal(response: Response): Promise<ClientError>;
/**
 * Say in a few words what went wrong.
 * @param {unknown} error
 */
export declare function reason(error: unknown): string;
/** @param {unknown} error */
export declare function asClientError(error: unknown): ClientError;
/** Stands in for the method of that name, which React Native has not. @param {AbortSignal} [signal] */
export declare function throwIfAborted(signal?: AbortSignal): void;
/**
 * @param {string} text
 * @returns {Record<string, any> | null} null if it is no JSON object.
 */
export declare function parseJson(text: string): Record<string, any> | null;
