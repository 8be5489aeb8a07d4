/**
 * Lets requests and streams take turns if connections are scarce: a browser opens six to a server over HTTP/1.1, and
 * six tabs' streams would keep every stop button waiting for ever.
 */

export class Slots {
  /** @type {Set<() => void>} */
  #streams = new Set();
  #claims = 0;
  /** @type {(() => void)[]} */
  #waiting = [];

  /**
   * For a stream: be asked to step aside; it comes back once `free` resolves. Returns what ends that.
   * @param {() => void} stepAside
   * @returns {() => void}
   */
  enter(stepAside) {
    this.#streams.add(stepAside);
    return () => void this.#streams.delete(stepAside);
  }

  /** For a stream: wait until no request needs its place. */
  async free() {
    while (this.#claims > 0) await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)));
  }

  /**
   * For a request that waits: take a stream's place. Returns what gives it back.
   * @returns {() => void}
   */
  claim() {
    this.#claims += 1;
    for (const stepAside of [...this.#streams]) stepAside();
    return () => {
      this.#claims -= 1;
      if (this.#claims === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    };
  }
}
