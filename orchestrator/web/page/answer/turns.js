/** Gives all that draw answers their turns, so that no task is long and nobody's failure stops another. */

/**
 * @typedef {object} Drawing
 * @property {(now: number) => number | null} paint Draws a piece of a few milliseconds; returns when to come back,
 *   null if everything is drawn.
 * @property {() => void} fail Draws in a plainer way from now on, after `paint` threw.
 */

/** How long one task may draw before the browser has its turn. */
const TASK_MS = 12;

export class Turns {
  /** Who wants to draw, in the order of asking. @type {Map<Drawing, number>} */
  #waiting = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Drawing} drawing */
  add(drawing) {
    this.#waiting.set(drawing, 0);
    this.#timer ??= setTimeout(() => this.#run());
  }

  /** @param {Drawing} drawing */
  delete(drawing) {
    this.#waiting.delete(drawing);
  }

  #run() {
    const start = performance.now();
    let next = Infinity;
    for (const [drawing, due] of [...this.#waiting]) {
      const now = performance.now();
      if (now - start > TASK_MS) {
        next = now;
        break;
      }
      if (due > now) {
        next = Math.min(next, due);
        continue;
      }
      this.#waiting.delete(drawing);
      const again = this.#paint(drawing, now);
      // At the end of the queue, so that a long answer lets the others through.
      if (again !== null) this.#waiting.set(drawing, again);
      if (again !== null) next = Math.min(next, again);
    }
    const delay = next - performance.now();
    this.#timer = this.#waiting.size > 0 ? setTimeout(() => this.#run(), Math.max(delay, 0)) : undefined;
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
