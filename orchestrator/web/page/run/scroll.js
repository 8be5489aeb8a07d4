/** Scrolls columns: each by itself, along with its end only if it was there; all together if that is wished. */

import { useLayoutEffect, useRef, useState } from '../html.js';

/** So near to the end is at the end. */
const NEAR_PX = 32;

/** Moves the other columns with the one that the user moves. */
export class ScrollGroup {
  /** @type {Set<HTMLElement>} */
  #boxes = new Set();
  /** @type {HTMLElement | null} Whom the user touched last. */
  #leader = null;
  enabled = false;

  /**
   * @param {HTMLElement} box
   * @returns {() => void}
   */
  join(box) {
    const lead = () => (this.#leader = box);
    const move = () => this.#move(box);
    const touches = ['wheel', 'pointerdown', 'touchstart', 'keydown', 'focusin'];
    for (const touch of touches) box.addEventListener(touch, lead, { passive: true });
    box.addEventListener('scroll', move, { passive: true });
    this.#boxes.add(box);
    return () => {
      for (const touch of touches) box.removeEventListener(touch, lead);
      box.removeEventListener('scroll', move);
      this.#boxes.delete(box);
    };
  }

  /** @param {HTMLElement} box */
  #move(box) {
    if (!this.enabled || box !== this.#leader) return;
    const share = box.scrollTop / Math.max(box.scrollHeight - box.clientHeight, 1);
    for (const other of this.#boxes) {
      if (other !== box) other.scrollTop = share * (other.scrollHeight - other.clientHeight);
    }
  }
}

/**
 * Keep a box at its end while it was there.
 * @param {ScrollGroup} group
 * @param {boolean} follow Whether to begin at the end.
 */
export function useStickToEnd(group, follow) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const content = useRef(/** @type {HTMLElement | null} */ (null));
  const [atEnd, setAtEnd] = useState(true);
  const sticks = useRef(follow);
  const toEnd = () => {
    sticks.current = true;
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  useLayoutEffect(() => {
    const [outer, inner] = [box.current, content.current];
    if (outer === null || inner === null) return undefined;
    let [top, height] = [0, 0];
    const stick = (/** @type {boolean} */ wish) => {
      sticks.current = wish;
      // Else the browser holds on to what is above while what it had guessed is laid out, and that looks like a hand.
      outer.style.overflowAnchor = wish ? 'none' : '';
    };
    stick(sticks.current);
    const look = () => {
      const near = outer.scrollHeight - outer.scrollTop - outer.clientHeight < NEAR_PX;
      // Growth alone moves nobody away from the end: only who scrolled up has left it.
      if (near) stick(true);
      else if (outer.scrollTop < top - 1 && outer.scrollHeight >= height) stick(false);
      [top, height] = [outer.scrollTop, outer.scrollHeight];
      setAtEnd(sticks.current);
    };
    const watcher = new ResizeObserver(() => {
      if (sticks.current) outer.scrollTop = outer.scrollHeight;
      [top, height] = [outer.scrollTop, outer.scrollHeight];
      setAtEnd(sticks.current || outer.scrollHeight - outer.scrollTop - outer.clientHeight < NEAR_PX);
    });
    watcher.observe(inner);
    watcher.observe(outer);
    outer.addEventListener('scroll', look, { passive: true });
    const leave = group.join(outer);
    return () => {
      watcher.disconnect();
      outer.removeEventListener('scroll', look);
      leave();
    };
  }, [group]);
  return { box, content, atEnd, toEnd };
}
