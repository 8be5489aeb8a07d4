/**
 * Reads `text/event-stream`: bytes or strings in, events out. Knows no socket and no protocol of ours.
 *
 * Source: WHATWG HTML, 9.2 Server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html
 */

/** Bound of one event, a guard against a stream without blank lines. */
export const MAX_EVENT_CHARS = 8 * 1024 * 1024;

/** A longer `retry:` is taken for this, one day. */
export const MAX_RETRY_MS = 24 * 60 * 60 * 1000;

/**
 * @typedef {object} ServerSentEvent
 * @property {string} event The `event:` line, else `message`.
 * @property {string} data The `data:` lines, joined with line feeds.
 * @property {string} lastEventId What a reconnecting client sends; inherited if this event has no `id:`.
 * @property {string | null} id This event's own `id:` line; null if it has none.
 */

/** One event, or one line, is larger than the parser's bound. The parser is of no use afterwards. */
export class EventTooLarge extends Error {
  /** @param {number} limit */
  constructor(limit) {
    super(`an event of the stream is larger than ${limit} characters`);
    this.name = 'EventTooLarge';
  }
}

/** Turns the chunks of one response into events, however they are cut. A new response needs a new parser. */
export class SseParser {
  #limit;
  #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #atStart = true;
  #skipLf = false;
  #tail = '';
  /** @type {string[]} */
  #data = [];
  #dataChars = 0;
  #event = '';
  #idBuffer;
  /** @type {string | null} */
  #ownId = null;

  /** @param {{lastEventId?: string, maxEventChars?: number}} [options] */
  constructor({ lastEventId = '', maxEventChars = MAX_EVENT_CHARS } = {}) {
    this.#limit = maxEventChars;
    this.#idBuffer = lastEventId;
    /** The last `id:` line of a finished event. */
    this.lastEventId = lastEventId;
    /** @type {number | null} The last valid `retry:` line. */
    this.retryMs = null;
  }

  /**
   * Return the events that *chunk* completes, in order. What no blank line has ended is held back; the end of
   * the stream drops it.
   * @param {Uint8Array | string} chunk
   * @returns {ServerSentEvent[]}
   */
  feed(chunk) {
    let text = typeof chunk === 'string' ? chunk : this.#decoder.decode(chunk, { stream: true });
    if (text === '') return [];
    if (this.#atStart) {
      this.#atStart = false;
      if (text.startsWith('\uFEFF')) text = text.slice(1);
    }
    if (this.#skipLf && text !== '') {
      // The CR that ended the last chunk has ended its line already; this LF is its second half.
      this.#skipLf = false;
      if (text.startsWith('\n')) text = text.slice(1);
    }
    return this.#split(text);
  }

  /** @param {string} text */
  #split(text) {
    /** @type {ServerSentEvent[]} */
    const events = [];
    let start = 0;
    for (const match of text.matchAll(/\r\n|\n|\r/g)) {
      const piece = text.slice(start, match.index);
      this.#line(this.#tail === '' ? piece : this.#tail + piece, events);
      this.#tail = '';
      start = match.index + match[0].length;
    }
    this.#skipLf = text.endsWith('\r');
    this.#tail += text.slice(start);
    this.#guard();
    return events;
  }

  /**
   * @param {string} line
   * @param {ServerSentEvent[]} events
   */
  #line(line, events) {
    if (line !== '') this.#field(line);
    else {
      const event = this.#dispatch();
      if (event !== null) events.push(event);
    }
  }

  /** @param {string} line */
  #field(line) {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (name === 'data') {
      this.#data.push(value);
      this.#dataChars += value.length + 1;
      this.#guard();
    } else if (name === 'event') this.#event = value;
    else if (name === 'id') {
      if (!value.includes('\0')) this.#idBuffer = this.#ownId = value;
    } else if (name === 'retry' && /^[0-9]+$/.test(value)) this.retryMs = Math.min(Number(value), MAX_RETRY_MS);
  }

  #dispatch() {
    this.lastEventId = this.#idBuffer;
    const event =
      this.#data.length === 0
        ? null
        : {
            event: this.#event || 'message',
            data: this.#data.join('\n'),
            lastEventId: this.lastEventId,
            id: this.#ownId,
          };
    this.#data = [];
    this.#dataChars = 0;
    this.#event = '';
    this.#ownId = null;
    return event;
  }

  #guard() {
    if (this.#tail.length + this.#dataChars > this.#limit) throw new EventTooLarge(this.#limit);
  }
}
