/** Reads one event stream across lost connections: opens it, watches it, comes back by id. Holds no run's state. */

import { Cursor, isSnapshot } from './cursor.js';
import { BLOCKED_MESSAGE, Backoff, ClientError, parseJson, reason, refusal, sleep } from './http.js';
import { SseParser } from './parser.js';

/** @typedef {import('../types.js').RunEvent} RunEvent */
/** @typedef {import('../types.js').Connection} Connection */
/** @typedef {import('../types.js').ConnectionDetail} ConnectionDetail */

/** The types of a panel's events: with a `panel` in their data, these are the panel's and not the run's own. */
export const PANEL_TYPES = new Set(['stage', 'result', 'late']);

/** React Native's own `fetch` is one of these. */
const NO_BODY =
  'this fetch gives answers without a body, so nothing can be streamed; pass one that streams: createClient({ fetch })';

/** A connection that lived for so long was no failure, even if nothing came. */
const SETTLED_MS = 10_000;

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
export async function* readEvents({ http, path, after = null, signal, onState = () => {} }) {
  const cursor = new Cursor(after);
  const backoff = new Backoff(http.timing);
  /** @type {Connection} */
  let connection = 'connecting';
  while (!signal.aborted) {
    await http.slots.free();
    onState(connection, null);
    const attempt = new Attempt(http, signal, (code, message) => onState(connection, { code, message }));
    let loss = { message: 'the stream ended early', retryAfter: /** @type {number | null} */ (null) };
    try {
      const response = await attempt.open(path, cursor.last);
      if (response === null) return;
      onState('open', null);
      for await (const batch of attempt.read(response, backoff)) {
        const fresh = batch.filter((event) => cursor.accept(event));
        // Not for gaps: a server that answers each request with one must not be asked at full speed.
        if (fresh.some((event) => event.id !== null && !isSnapshot(event))) backoff.reset();
        if (fresh.length > 0) yield fresh;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ClientError && !error.temporary) throw error;
      loss = { message: reason(error), retryAfter: error instanceof ClientError ? error.retryAfter : null };
    } finally {
      attempt.close();
    }
    connection = 'retrying';
    if (attempt.steppedAside) continue;
    onState(connection, { code: 'lost', message: loss.message });
    await sleep(backoff.next(loss.retryAfter), signal);
  }
}

/** One connection, from the request to its end. */
class Attempt {
  #http;
  #controller = new AbortController();
  #signal;
  #onTrouble;
  #openedAt = 0;
  #leaveSlot;
  steppedAside = false;

  /**
   * @param {import('./http.js').Http} http
   * @param {AbortSignal} signal
   * @param {(code: 'blocked', message: string) => void} onTrouble
   */
  constructor(http, signal, onTrouble) {
    this.#http = http;
    this.#signal = signal;
    this.#onTrouble = onTrouble;
    signal.addEventListener('abort', this.close);
    this.#leaveSlot = http.slots.enter(() => {
      this.steppedAside = true;
      this.close();
    });
  }

  close = () => {
    this.#leaveSlot();
    this.#signal.removeEventListener('abort', this.close);
    this.#controller.abort();
  };

  /**
   * @param {string} path
   * @param {string | null} after
   * @returns {Promise<Response | null>} null: the run has ended and all of it was seen.
   */
  async open(path, after) {
    const { blocked, silence } = this.#http.timing;
    const timer = setTimeout(() => this.#onTrouble('blocked', BLOCKED_MESSAGE), blocked);
    try {
      const response = await this.#watched(this.#http.stream(path, after, this.#controller.signal), silence);
      if (response.status === 204) return null;
      if (!response.ok) throw await refusal(response);
      const type = response.headers.get('Content-Type') ?? '';
      if (response.ok && !response.body) throw new ClientError(NO_BODY, { status: response.status });
      if (!type.startsWith('text/event-stream')) {
        throw new ClientError(`${path} answers with ${type || 'nothing'}, not with a stream`, { status: response.status });
      }
      this.#openedAt = Date.now();
      return response;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * @param {Response} response
   * @param {Backoff} backoff
   */
  async *read(response, backoff) {
    const reader = readerOf(response.body);
    const parser = new SseParser();
    for (;;) {
      const { done, value } = await this.#watched(reader.read(), this.#http.timing.silence);
      if (done) return;
      const batch = parse(parser, value);
      if (parser.retryMs !== null) backoff.base = parser.retryMs;
      if (Date.now() - this.#openedAt > SETTLED_MS) backoff.reset();
      yield batch;
    }
  }

  /**
   * Wait for *promise*, but not longer than *ms*: the server is never silent for so long.
   * @template T
   * @param {Promise<T>} promise
   * @param {number} ms
   * @returns {Promise<T>}
   */
  async #watched(promise, ms) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const silence = new Promise((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`nothing came for ${ms / 1000} s`));
        this.#controller.abort();
      }, ms);
    });
    try {
      return /** @type {T} */ (await Promise.race([promise, silence]));
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * Read a body as fetch gives it, or as node-fetch and others do: as what can be iterated, of bytes or of text.
 * @param {any} body
 * @returns {{read: () => Promise<{done?: boolean, value?: any}>}}
 */
function readerOf(body) {
  if ('getReader' in body) return body.getReader();
  if (!(Symbol.asyncIterator in body)) throw new ClientError(NO_BODY);
  const chunks = body[Symbol.asyncIterator]();
  return { read: () => chunks.next() };
}

/**
 * @param {SseParser} parser
 * @param {Uint8Array | string} chunk
 */
function parse(parser, chunk) {
  try {
    return parser.feed(chunk).flatMap((raw) => toEvent(raw) ?? []);
  } catch (error) {
    // Coming back by id would only fetch the same event again.
    throw new ClientError(reason(error), { cause: error });
  }
}

/**
 * Read one event's `data`; null if it is none of this protocol's, which a reader passes over.
 * @param {{event: string, data: string, id: string | null}} raw
 * @returns {RunEvent | null}
 */
export function toEvent(raw) {
  const data = parseJson(raw.data);
  if (data === null || typeof data.type !== 'string') return null;
  const agentId = data.agent_id ?? null;
  if (agentId !== null && typeof agentId !== 'string') return null;
  // Without a name, as `?framing=message` and a WebSocket send it.
  const place = agentId ?? (typeof data.panel === 'string' && PANEL_TYPES.has(data.type) ? 'panel' : 'run');
  const name = raw.event === 'message' ? `${place}.${data.type}` : raw.event;
  return {
    id: raw.id || null,
    name,
    agent_id: agentId,
    type: data.type,
    t: typeof data.t === 'number' ? data.t : 0,
    run_id: typeof data.run_id === 'string' ? data.run_id : null,
    data,
  };
}
