/** Plays a run that has ended, at its own timing, through the client's own reducer. */

import { change, emptyRun, reduce } from '../../client/state/store.js';

/** @typedef {import('../../client/types.js').RunEvent} RunEvent */
/** @typedef {import('../../client/types.js').RunState} RunState */
/** @typedef {import('../run/run-record.js').Source} Source */

const FRAME_MS = 50;

/** @implements {Source} */
export class Replay {
  #events;
  #joined;
  #empty;
  /** @type {RunState} */
  #state;
  #next = 0;
  #t = 0;
  #speed = 1;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #drawnAt = 0;
  /** @type {Set<() => void>} */
  #subscribers = new Set();
  #view;

  /**
   * @param {readonly RunEvent[]} events
   * @param {{id: string, message: string}} about
   * @param {(state: RunState) => RunState} [joined] Adds the answers that the run was given.
   */
  constructor(events, { id, message }, joined = (state) => state) {
    this.#events = events;
    this.#joined = joined;
    this.#empty = change(emptyRun(id, message), { connection: 'closed' });
    this.#state = this.#empty;
    /** Milliseconds. */
    this.length = events.at(-1)?.t ?? 0;
    this.#view = this.#makeView();
    this.seek(0);
  }

  getSnapshot = () => this.#joined(this.#state);

  /** @param {string} agentId */
  getAgent = (agentId) => this.getSnapshot().agents[agentId];

  /** @param {() => void} callback */
  subscribe = (callback) => {
    this.#subscribers.add(callback);
    return () => void this.#subscribers.delete(callback);
  };

  now = () => this.#t;

  /** What its controls show; a new object when that changed. */
  getView = () => this.#view;

  play() {
    if (this.#timer !== undefined) return;
    if (this.#t >= this.length) this.seek(0);
    this.#drawnAt = performance.now();
    this.#timer = setInterval(() => this.#advance(), FRAME_MS);
    this.#report();
  }

  pause() {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#report();
  }

  /** @param {number} speed */
  setSpeed(speed) {
    this.#speed = speed;
    this.#report();
  }

  /** @param {number} t */
  seek(t) {
    if (t < this.#t) {
      this.#state = this.#empty;
      this.#next = 0;
    }
    // Who takes part is known from the beginning, also if that was sent some milliseconds late.
    this.#t = Math.min(Math.max(t, this.#events[0]?.t ?? 0), this.length);
    for (let event = this.#events[this.#next]; event && event.t <= this.#t; event = this.#events[this.#next]) {
      this.#state = reduce(this.#state, event);
      this.#next += 1;
    }
    this.#report();
  }

  #advance() {
    const now = performance.now();
    this.seek(this.#t + (now - this.#drawnAt) * this.#speed);
    this.#drawnAt = now;
    if (this.#t >= this.length) this.pause();
  }

  #makeView() {
    return Object.freeze({ t: this.#t, playing: this.#timer !== undefined, speed: this.#speed });
  }

  #report() {
    this.#view = this.#makeView();
    for (const callback of [...this.#subscribers]) callback();
  }
}
