/** Makes the client's requests: addresses, credentials, refusals, when to try again. Knows no run's state. */

import { Slots } from './slots.js';

/** @typedef {import('../types.js').Timing} Timing */

/** @type {Readonly<Timing>} */
export const TIMING = Object.freeze({
  room: 1_000,
  blocked: 3_000,
  held: 5_000,
  poll: 2_000,
  silence: 45_000,
  request: 30_000,
  retry: 1_000,
  maxRetry: 30_000,
});

/** How often a request that may be repeated is made if no answer comes. */
const TRIES = 3;

export const BLOCKED_MESSAGE =
  'The server has not answered for some seconds. This browser may have used up its six connections to it: ' +
  'close other tabs of this site, or serve it over HTTP/2.';

/** A request was refused, or the server cannot be reached. */
export class ClientError extends Error {
  /**
   * @param {string} message
   * @param {{status?: number | null, problem?: Record<string, any>, retryAfter?: number | null, cause?: unknown}} [about]
   */
  constructor(message, { status = null, problem = {}, retryAfter = null, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ClientError';
    /** The HTTP status; null if no usable answer came. */
    this.status = status;
    /** The answer's problem details (RFC 9457): `title`, `detail`, `errors`; may be empty. */
    this.problem = problem;
    /** Milliseconds the server asks to wait, if it does. */
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may be answered later: a limit, or a server that is going or coming. */
  get temporary() {
    return this.status !== null && (this.status >= 500 || [408, 425, 429].includes(this.status));
  }
}

/** No wait is longer: a timer of more than 2^31 ms fires at once, and an hour later the server may think otherwise. */
const MAX_WAIT_MS = 3_600_000;

/** Waits between tries: exponential, with jitter so that not all clients return at once. */
export class Backoff {
  #failures = 0;

  /** @param {Pick<Timing, 'retry' | 'maxRetry'>} timing */
  constructor({ retry, maxRetry }) {
    /** Milliseconds of the first wait; the stream's `retry:` sets it. */
    this.base = retry;
    this.max = maxRetry;
  }

  /** Start from `base` again; called once something was really received. */
  reset() {
    this.#failures = 0;
  }

  /**
   * Return milliseconds, never less than `base` or *atLeast* (a `Retry-After`).
   * @param {number | null} [atLeast]
   */
  next(atLeast = null) {
    const delay = Math.min(Math.max(this.base, 1) * 2 ** this.#failures, Math.max(this.max, this.base));
    this.#failures = Math.min(this.#failures + 1, 16);
    return Math.min(Math.max(delay * (1 + Math.random() / 2), atLeast ?? 0), MAX_WAIT_MS);
  }
}

/**
 * Wait, or less if *signal* aborts or the browser says that the network is back.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function sleep(ms, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      globalThis.removeEventListener?.('online', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
    globalThis.addEventListener?.('online', done);
  });
}

/**
 * @typedef {object} CallOptions
 * @property {unknown} [body]
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {(message: string) => void} [onBlocked] Called instead of the one that all requests share.
 */

/** One server's address and how to talk to it. */
export class Http {
  /** @type {Record<string, string>} */
  #headers;
  #fetch;

  /**
   * @param {{baseUrl?: string, token?: string | null, fetch?: typeof globalThis.fetch, timing?: Partial<Timing>}} options
   */
  constructor({ baseUrl = '', token = null, fetch = globalThis.fetch, timing = {} }) {
    this.baseUrl = baseUrl.replace(/\/+$/, '');
    this.token = token;
    this.timing = { ...TIMING, ...timing };
    this.#headers = token ? { Authorization: `Bearer ${token}` } : {};
    // A window's fetch wants the window as `this`.
    this.#fetch = (/** @type {string} */ url, /** @type {RequestInit} */ init) => fetch(url, init);
    /** @type {(message: string) => void} Hears that a request has waited suspiciously long. */
    this.onBlocked = () => {};
    this.slots = new Slots();
  }

  /**
   * Make one request and return its JSON object, null if there is no content.
   * @param {string} method
   * @param {string} path
   * @param {CallOptions & {repeat?: boolean}} [options] `repeat`: try again if no answer comes. Any answer counts,
   *   a refusal too.
   * @returns {Promise<any>} Rejects with ClientError: the server refuses, or does not answer.
   */
  async call(method, path, { repeat = method === 'GET', ...options } = {}) {
    const backoff = new Backoff({ retry: Math.min(200, this.timing.retry), maxRetry: this.timing.maxRetry });
    for (let tries = repeat ? TRIES : 1; ; ) {
      tries -= 1;
      try {
        return await this.#once(method, path, options);
      } catch (error) {
        throwIfAborted(options.signal);
        if (error instanceof ClientError) throw error;
        if (tries <= 0) throw new ClientError(`${this.#place(path)} does not answer (${reason(error)})`, { cause: error });
      }
      await sleep(backoff.next(), options.signal);
    }
  }

  /**
   * Ask for a stream's events later than *after*. The answer is not judged here.
   * @param {string} path
   * @param {string | null} after
   * @param {AbortSignal} signal
   */
  stream(path, after, signal) {
    /** @type {Record<string, string>} */
    const headers = { ...this.#headers, Accept: 'text/event-stream' };
    if (after !== null) headers['Last-Event-ID'] = after;
    return this.#fetch(this.baseUrl + path, { headers, signal, cache: 'no-store' });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {CallOptions} options
   */
  async #once(method, path, { body, headers = {}, signal, onBlocked = this.onBlocked }) {
    const { signal: bounded, release } = within(this.timing.request, signal);
    let giveBack = () => {};
    const wanted = setTimeout(() => (giveBack = this.slots.claim()), this.timing.room);
    const blocked = setTimeout(() => onBlocked(BLOCKED_MESSAGE), this.timing.blocked);
    try {
      const response = await this.#fetch(this.baseUrl + path, {
        method,
        headers: {
          ...this.#headers,
          Accept: 'application/json',
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        cache: 'no-store',
        keepalive: method === 'DELETE', // also of a page that is being closed
        signal: bounded,
      });
      if (!response.ok) throw await refusal(response);
      if (response.status === 204) return null;
      const text = await response.text();
      const answer = parseJson(text);
      if (answer === null) throw new ClientError(`${this.#place(path)} answers, but not as an orchestrator does`);
      return answer;
    } finally {
      release();
      clearTimeout(blocked);
      clearTimeout(wanted);
      giveBack();
    }
  }

  /** @param {string} path */
  #place(path) {
    return (this.baseUrl || 'The server') + path;
  }
}

/**
 * Join *parts* below `/v1`, quoted: an id may hold anything.
 * @param {...string} parts
 */
export function pathOf(...parts) {
  return `/v1/${parts.map(encodeURIComponent).join('/')}`;
}

/**
 * Make an error of an answer that is none; its message is the problem's, fields at fault included.
 * @param {Response} response
 */
export async function refusal(response) {
  const json = (response.headers.get('Content-Type') ?? '').includes('json');
  const problem = (json && parseJson(await response.text().catch(() => ''))) || {};
  const said = problem.detail ?? problem.title ?? (response.statusText || 'refused');
  const faults = (Array.isArray(problem.errors) ? problem.errors : [])
    .map((fault) => `${fault?.at}: ${fault?.detail}`)
    .filter((fault) => !String(said).includes(fault));
  return new ClientError(`${response.status}: ${said}${faults.length > 0 ? ` (${faults.join('; ')})` : ''}`, {
    status: response.status,
    problem,
    retryAfter: retryAfterOf(response.headers.get('Retry-After') ?? ''),
  });
}

/** @param {string} wait Seconds, or a date: what is neither, `Date.parse` takes for one ("3000.5" is in May 3000). */
function retryAfterOf(wait) {
  const date = /^[a-z]+,? [\w: -]+:\d\d/i.test(wait) ? Date.parse(wait) : NaN;
  const ms = /^[0-9]+$/.test(wait) ? Number(wait) * 1000 : date - Date.now();
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), MAX_WAIT_MS);
}

/**
 * Say in a few words what went wrong.
 * @param {unknown} error
 */
export function reason(error) {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}

/** @param {unknown} error */
export function asClientError(error) {
  return error instanceof ClientError ? error : new ClientError(reason(error), { cause: error });
}

/**
 * Return a signal that aborts with *signal*, or after *ms*, and what gives up both. React Native and older browsers have
 * neither `AbortSignal.timeout` nor `AbortSignal.any`.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 */
function within(ms, signal) {
  const both = new AbortController();
  const abort = () => both.abort(signal?.reason);
  const timer = setTimeout(() => both.abort(new Error(`no answer within ${ms / 1000} s`)), ms);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort);
  const release = () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  };
  return { signal: both.signal, release };
}

/** Stands in for the method of that name, which React Native has not. @param {AbortSignal} [signal] */
export function throwIfAborted(signal) {
  if (signal?.aborted) throw signal.reason ?? new Error('aborted');
}

/**
 * @param {string} text
 * @returns {Record<string, any> | null} null if it is no JSON object.
 */
export function parseJson(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
