/** Tells subscribers of a run's state and events, no more often than they bear. Knows neither's meaning. */

/** @typedef {import('../types.js').RunState} RunState */

/** Holds a state, notifies subscribers of it at a bearable pace, and passes events to callbacks. */
export class Subscribers {
  #throttle;
  #published;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Set<() => void>} */
  #subscribers = new Set();
  /** @type {Map<string, Set<(event: any) => void>>} */
  #callbacks = new Map();

  /**
   * @param {RunState} state
   * @param {number} throttle Milliseconds.
   */
  constructor(state, throttle) {
    /** The newest; subscribers may not know of it yet. Set it, then call `publish` or `publishSoon`. */
    this.state = state;
    this.#published = state;
    this.#throttle = throttle;
  }

  /** What subscribers were given last. */
  get published() {
    return this.#published;
  }

  /**
   * @param {() => void} callback
   * @returns {() => void}
   */
  subscribe(callback) {
    const own = () => callback();
    this.#subscribers.add(own);
    return () => void this.#subscribers.delete(own);
  }

  /**
   * @param {string} type
   * @param {(event: any) => void} callback
   * @returns {() => void}
   */
  on(type, callback) {
    const callbacks = this.#callbacks.get(type) ?? new Set();
    const own = (/** @type {any} */ event) => callback(event);
    this.#callbacks.set(type, callbacks.add(own));
    return () => void callbacks.delete(own);
  }

  /**
   * @param {string} type
   * @param {unknown} event
   */
  call(type, event) {
    for (const callback of [...(this.#callbacks.get(type) ?? [])]) guarded(callback, event);
  }

  publishSoon() {
    if (this.#throttle <= 0) this.publish();
    else this.#timer ??= setTimeout(() => this.publish(), this.#throttle);
  }

  publish() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#published === this.state) return;
    this.#published = this.state;
    for (const callback of [...this.#subscribers]) guarded(callback, undefined);
  }
}

/**
 * Call what is not ours; what it throws is reported as an uncaught error, and stops nothing here.
 * @template T
 * @param {(value: T) => void} callback
 * @param {T} value
 */
function guarded(callback, value) {
  try {
    callback(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
