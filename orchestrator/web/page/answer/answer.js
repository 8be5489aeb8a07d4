/** Shows an agent's text as Markdown that grows. */

import { html, useLayoutEffect, useRef } from '../html.js';
import { Painter } from './painter.js';

/** @param {{text: string, ended: boolean}} props */
export function Answer({ text, ended }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const painter = useRef(/** @type {Painter | null} */ (null));
  useLayoutEffect(() => {
    if (box.current) painter.current = new Painter(box.current);
    return () => painter.current?.close();
  }, []);
  useLayoutEffect(() => painter.current?.update(text, ended), [text, ended]);
  return html`<div class=${ended ? 'prose' : 'prose live'} ref=${box}></div>`;
}
