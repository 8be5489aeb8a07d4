/** Makes `for await` over a run: each event once, in order, from the first on, in bounded memory. */

import { Cursor, reaches } from '../wire/cursor.js';

/** @typedef {import('../types.js').RunEvent} RunEvent */

/** What an iterator may be behind. A slower one reads the log again from where it stands. */
const MAX_TAPPED_EVENTS = 4_096;

/** What is kept for an iterator that may still come. */
const MAX_EARLY_EVENTS = 256;

/** What one iterator has not taken yet. */
export class Tap {
  /** @type {RunEvent[]} */
  #events = [];
  #next = 0;
  /** @type {() => void} */
  #wake = () => {};

  #limit = MAX_EARLY_EVENTS;

  /** @param {boolean} missed Whether events have passed already. */
  constructor(missed) {
    this.missed = missed;
    this.closed = false;
  }

  /** Somebody iterates. */
  use() {
    this.#limit = MAX_TAPPED_EVENTS;
    return this;
  }

  /** @param {RunEvent} event */
  put(event) {
    if (this.missed) return;
    this.#events.push(event);
    if (this.#events.length - this.#next > this.#limit) {
      this.missed = true;
      this.#clear();
    }
    this.#wake();
  }

  /** Take events again from now on. */
  restart() {
    this.missed = false;
    this.#clear();
  }

  take() {
    const event = this.#events[this.#next];
    if (event === undefined) this.#clear();
    else this.#next += 1;
    return event;
  }

  /** @returns {Promise<void>} */
  wait() {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  close() {
    this.closed = true;
    this.#wake();
  }

  #clear() {
    this.#events = [];
    this.#next = 0;
  }
}

/**
 * @param {object} options
 * @param {Tap} options.tap
 * @param {string | null} options.after
 * @param {() => string | null} options.position The id that the run stands at.
 * @param {(after: string | null) => AsyncGenerator<RunEvent[], void, void>} options.history
 * @param {() => Error | null} options.failure
 * @param {() => void} options.leave
 * @returns {AsyncGenerator<RunEvent, void, void>}
 */
export async function* iterate({ tap, after, position, history, failure, leave }) {
  const cursor = new Cursor(after);
  try {
    for (;;) {
      while (tap.missed && failure() === null) {
        tap.restart();
        yield* replay(cursor, position(), history);
      }
      const event = tap.take();
      if (event !== undefined) {
        if (cursor.accept(event)) yield event;
      } else if (tap.closed) {
        const error = failure();
        if (error !== null) throw error;
        return;
      } else if (!tap.missed) await tap.wait();
    }
  } finally {
    leave();
  }
}

/**
 * @param {Cursor} cursor
 * @param {string | null} until
 * @param {(after: string | null) => AsyncGenerator<RunEvent[], void, void>} history
 */
async function* replay(cursor, until, history) {
  for await (const batch of history(cursor.last)) {
    for (const event of batch) if (cursor.accept(event)) yield event;
    if (until !== null && cursor.last !== null && reaches(cursor.last, until)) return;
  }
}
