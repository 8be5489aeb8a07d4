/**
 * Notices that a run's events are held back on the way (a proxy that buffers event streams), and follows the run by
 * snapshots until they flow. An agent that thinks is as silent, so only a snapshot that is ahead of the stream tells.
 */

import { isOpen, reaches } from '../wire/cursor.js';

/** @typedef {import('../types.js').RunSnapshot} RunSnapshot */
/** @typedef {import('../types.js').ConnectionDetail} ConnectionDetail */

/** Each look that finds nothing doubles the wait for the next one, up to this. */
const MAX_WAIT_MS = 30_000;

/** A stream that flows brings what a snapshot knows within this part of the wait. */
const GRACE = 0.2;

/** @type {ConnectionDetail} */
export const HELD = Object.freeze({
  code: 'held',
  message:
    'Something between here and the server holds the event stream back (a proxy that buffers?). Until it flows, ' +
    'the answers are fetched every few seconds.',
});

/**
 * @typedef {object} Watched What is watched.
 * @property {() => string | null} position The id seen last.
 * @property {() => Promise<RunSnapshot>} look Takes a snapshot.
 * @property {(snapshot: RunSnapshot) => void} show Takes what a snapshot says, while events are held back.
 * @property {(held: boolean) => void} tell Hears when events begin to be held back, and when they flow again.
 */

export class HeldWatch {
  #timing;
  #watched;
  #heardAt = 0;
  #wait = 0;
  #held = false;
  #stopped = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {string | null} The id of the snapshot that was shown last. */
  #shown = null;

  /**
   * @param {Pick<import('../types.js').Timing, 'held' | 'poll'>} timing
   * @param {Watched} watched
   */
  constructor(timing, watched) {
    this.#timing = timing;
    this.#watched = watched;
  }

  get held() {
    return this.#held;
  }

  start() {
    this.#heardAt = Date.now();
    this.#wait = this.#timing.held;
    this.#sleep(this.#wait);
  }

  /** Events of the run have come. */
  heard() {
    this.#heardAt = Date.now();
    // What is held back comes in blocks, so after one it is looked for sooner.
    this.#wait = this.#shown === null ? this.#timing.held : this.#timing.poll;
    if (!this.#held || this.#stopped) return;
    this.#held = false;
    this.#watched.tell(false);
    this.#sleep(this.#wait);
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** @param {number} ms */
  #sleep(ms) {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#wake(), ms);
  }

  async #wake() {
    const left = this.#heardAt + this.#wait - Date.now();
    // A timer may be early by a millisecond.
    if (!this.#held && left > 1) return this.#sleep(left);
    const snapshot = await this.#watched.look().catch(() => null);
    if (snapshot !== null && (this.#held || (await this.#isBehind(snapshot)))) this.#take(snapshot);
    else this.#wait = Math.min(this.#wait * 2, MAX_WAIT_MS);
    this.#sleep(this.#held ? this.#timing.poll : this.#wait);
  }

  /** @param {RunSnapshot} snapshot */
  async #isBehind({ last_event_id: newest }) {
    const at = this.#heardAt;
    if (newest === null || this.#reached(newest)) return false;
    await new Promise((resolve) => setTimeout(resolve, this.#timing.held * GRACE));
    return at === this.#heardAt && !this.#reached(newest);
  }

  /** @param {string} newest */
  #reached(newest) {
    const seen = this.#watched.position();
    return seen !== null && reaches(seen, newest);
  }

  /** @param {RunSnapshot} snapshot */
  #take(snapshot) {
    if (this.#stopped) return;
    if (!this.#held) this.#watched.tell((this.#held = true));
    const newest = snapshot.last_event_id;
    // What flowed while it was fetched is newer; the same again is no news.
    if (newest === null || this.#reached(newest)) return;
    if (newest === this.#shown && isOpen(snapshot.status)) return;
    this.#shown = newest;
    this.#watched.show(snapshot);
  }
}
