/** Draws an agent's text as its difference from another's. */

import { diffWords } from './diff.js';
import { html, useEffect, useMemo, useRef, useState } from '../html.js';

/** A text that still grows is compared this often. */
const DIFF_MS = 500;

/** @param {{text: string, base: string, baseTitle: string, ended: boolean}} props */
export function Difference({ text, base, baseTitle, ended }) {
  const [before, after] = useLatest(base, text, ended);
  const parts = useMemo(() => diffWords(before, after), [before, after]);
  return html`<div class="diff">
    <p class="hint">Compared with ${baseTitle}: <ins>only here</ins>, <del>only there</del>.</p>
    <div class="diff-text">
      ${parts.map(({ kind, text }) => {
        if (kind === 'same') return text;
        return kind === 'added' ? html`<ins>${text}</ins>` : html`<del>${text}</del>`;
      })}
    </div>
  </div>`;
}

/**
 * Return both texts, not more often than they may be compared.
 * @param {string} base
 * @param {string} text
 * @param {boolean} ended
 * @returns {[string, string]}
 */
function useLatest(base, text, ended) {
  const [taken, take] = useState(/** @type {[string, string]} */ ([base, text]));
  const newest = useRef(/** @type {[string, string]} */ ([base, text]));
  newest.current = [base, text];
  useEffect(() => {
    if (ended) return undefined;
    const timer = setInterval(() => take(newest.current), DIFF_MS);
    return () => clearInterval(timer);
  }, [ended]);
  return ended ? [base, text] : taken;
}
