/** Gives the page's parts their means from one place: preact's elements in htm's templates, and its hooks. */

import htm from '../vendor/htm.js';
import { useEffect, useLayoutEffect, useReducer, useRef } from '../vendor/preact-hooks.js';
import { h, render } from '../vendor/preact.js';

export const html = htm.bind(h);
export { render };
export { useCallback, useEffect, useErrorBoundary, useLayoutEffect, useMemo, useRef, useState } from '../vendor/preact-hooks.js';

/**
 * Show what *read* gives, and again when *subscribe* reports something new.
 * @template T
 * @param {(callback: () => void) => () => void} subscribe
 * @param {() => T} read Gives the same object until there is something new.
 * @returns {T}
 */
export function useValue(subscribe, read) {
  const [, redraw] = useReducer((/** @type {number} */ n) => n + 1, 0);
  const value = read();
  const latest = useRef({ read, value });
  latest.current = { read, value };
  useLayoutEffect(() => {
    const check = () => {
      if (latest.current.read() !== latest.current.value) redraw(undefined);
    };
    check();
    return subscribe(check);
  }, [subscribe]);
  return value;
}

/** Those that draw again at the same times, by how often: each at a time of its own would be a frame of its own. @type {Map<number, Set<() => void>>} */
const ticking = new Map();

/**
 * Draw again every *ms* while *active*: for what the clock alone changes.
 * @param {boolean} active
 * @param {number} ms
 */
export function useTick(active, ms) {
  const [, redraw] = useReducer((/** @type {number} */ n) => n + 1, 0);
  useEffect(() => (active ? everyMs(ms, () => redraw(undefined)) : undefined), [active, ms]);
}

/**
 * @param {number} ms
 * @param {() => void} act
 * @returns {() => void} Ends it.
 */
function everyMs(ms, act) {
  const found = ticking.get(ms);
  const all = found ?? new Set();
  all.add(act);
  if (found === undefined) {
    ticking.set(ms, all);
    const timer = setInterval(() => {
      for (const each of all) each();
      if (all.size > 0) return;
      clearInterval(timer);
      ticking.delete(ms);
    }, ms);
  }
  return () => void all.delete(act);
}
