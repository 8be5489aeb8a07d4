/** Gives all that draw answers their turns, so that no task is long and nobody's failure stops another. */

/**
 * @typedef {object} Drawing
 * @property {(now: number) => number | null} paint Draws a piece of a few milliseconds; returns when to come back,
 *   null if everything is drawn.
 * @property {() => void} fail Draws in a plainer way from now on, after `paint` threw.
 */

/** How long one task may draw before the browser has its turn. */
const TASK_MS = 12;

/** After frames that took long: so little that the next frame is a short one. */
const SHORT_TASK_MS = 3;

/** While somebody types: what is drawn after a key's frame is laid out before the next key comes. */
const TYPING_TASK_MS = 6;

/** How long the last key counts as typing. */
const TYPING_MS = 300;

/** While somebody types, the next turn waits so long for a key, whose frame goes before: a frame cannot be broken off. */
const NEXT_KEY_MS = 150;

/** Between two keys of a quick hand another turn is taken if it and its frame are over so long after the first one. */
const KEY_GAP_MS = 90;

/** What the browser may need to lay out and paint what a task drew; if it needs more, tasks get shorter. */
const FRAME_MS = 24;

/** A page that is hidden has no frames, and one that is busy has them late. */
const NO_FRAME_MS = 250;

export class Turns {
  /** Who wants to draw, in the order of asking. @type {Map<Drawing, number>} */
  #waiting = new Map();
  /** Calls off the next turn; null if there is none. @type {(() => void) | null} */
  #callOff = null;
  #taskMs = TASK_MS;
  #typedAt = -Infinity;
  #drewAt = 0;

  constructor() {
    // Before a key's frame nothing is drawn: what was typed is seen first.
    addEventListener('keydown', () => this.#giveWay(), { capture: true, passive: true });
    addEventListener('beforeprint', () => this.#drawAll());
  }

  /** @param {Drawing} drawing */
  add(drawing) {
    this.#waiting.set(drawing, 0);
    if (this.#callOff !== null) return;
    if (this.#typing) this.#waitForFrame();
    else this.#wait(0);
  }

  /** @param {Drawing} drawing */
  delete(drawing) {
    this.#waiting.delete(drawing);
  }

  get #typing() {
    return performance.now() - this.#typedAt < TYPING_MS;
  }

  #giveWay() {
    this.#typedAt = performance.now();
    // Keys that come faster than frames do not hold up the answers for ever.
    if (this.#callOff === null || this.#typedAt - this.#drewAt > NO_FRAME_MS) return;
    this.#callOff();
    this.#waitForFrame();
  }

  /**
   * Go on after a frame: at once, or, if a key was followed by its turn already and another one as long as that would
   * meet the next key, once no further one comes.
   */
  #afterFrame() {
    const now = performance.now();
    const since = now - this.#typedAt;
    const over = since + now - this.#drewAt;
    if (since < NEXT_KEY_MS && this.#drewAt > this.#typedAt && over > KEY_GAP_MS) this.#wait(NEXT_KEY_MS - since);
    else this.#run();
  }

  /** @param {number} ms */
  #wait(ms) {
    const timer = setTimeout(() => this.#run(), ms);
    this.#callOff = () => clearTimeout(timer);
  }

  /** Have the next turn after the next frame: else what several turns drew is laid out in one long task. */
  #waitForFrame() {
    let timer = setTimeout(() => this.#run(), document.hidden ? 0 : NO_FRAME_MS);
    const frame = requestAnimationFrame(() => {
      clearTimeout(timer);
      const began = performance.now();
      timer = setTimeout(() => {
        this.#adapt(performance.now() - began);
        this.#afterFrame();
      });
    });
    this.#callOff = () => {
      clearTimeout(timer);
      cancelAnimationFrame(frame);
    };
  }

  /** @param {number} frameMs What the last frame took. */
  #adapt(frameMs) {
    this.#taskMs = frameMs > FRAME_MS ? Math.max(this.#taskMs / 2, SHORT_TASK_MS) : Math.min(this.#taskMs + 1, TASK_MS);
  }

  #run() {
    this.#drewAt = performance.now();
    const next = this.#paintUntil(this.#drewAt + (this.#typing ? Math.min(TYPING_TASK_MS, this.#taskMs) : this.#taskMs));
    this.#callOff = null;
    if (this.#waiting.size === 0) return;
    if (next <= performance.now()) this.#waitForFrame();
    else this.#wait(next - performance.now());
  }

  /**
   * @param {number} end
   * @returns {number} When the next one wants to draw.
   */
  #paintUntil(end) {
    let next = Infinity;
    for (const [drawing, due] of [...this.#waiting]) {
      const now = performance.now();
      if (now > end) return now;
      const again = due > now ? due : this.#turn(drawing, now);
      if (again !== null) next = Math.min(next, again);
    }
    return next;
  }

  /**
   * @param {Drawing} drawing
   * @param {number} now
   */
  #turn(drawing, now) {
    this.#waiting.delete(drawing);
    const again = this.#paint(drawing, now);
    // At the end of the queue, so that a long answer lets the others through.
    if (again !== null) this.#waiting.set(drawing, again);
    return again;
  }

  /** Paper has no later. */
  #drawAll() {
    while (this.#waiting.size > 0) for (const drawing of [...this.#waiting.keys()]) this.#turn(drawing, Number.MAX_SAFE_INTEGER);
  }

  /**
   * @param {Drawing} drawing
   * @param {number} now
   */
  #paint(drawing, now) {
    try {
      return drawing.paint(now);
    } catch {
      // Whatever one answer's drawing throws, the timer has to be set again for the others.
      return this.#failed(drawing, now);
    }
  }

  /**
   * @param {Drawing} drawing
   * @param {number} now
   */
  #failed(drawing, now) {
    try {
      drawing.fail();
      return now;
    } catch {
      return null;
    }
  }
}

export const turns = new Turns();
