/** Draws a button that shows more: it closes on Escape, on a click elsewhere, when the focus leaves it. */

import { html, useEffect, useRef, useState } from './html.js';
import { Icon } from './icons.js';

/**
 * @param {object} props
 * @param {string} props.label
 * @param {any} [props.icon]
 * @param {boolean} [props.up] Open upwards.
 * @param {boolean} [props.disabled]
 * @param {boolean} [props.marked] Whether something in it is switched on.
 * @param {(close: () => void) => any} props.children
 */
export function Menu({ label, icon, up = false, disabled = false, marked = false, children }) {
  const [open, setOpen] = useState(false);
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const close = () => {
    setOpen(false);
    box.current?.querySelector('button')?.focus();
  };
  useEffect(() => {
    if (!open) return undefined;
    const outside = (/** @type {Event} */ event) => {
      if (!box.current?.contains(/** @type {Node} */ (event.target))) setOpen(false);
    };
    document.addEventListener('pointerdown', outside);
    document.addEventListener('focusin', outside);
    /** @type {HTMLElement | null | undefined} */ (box.current?.querySelector('.menu-items :is(button:enabled, input, select)'))?.focus();
    return () => {
      document.removeEventListener('pointerdown', outside);
      document.removeEventListener('focusin', outside);
    };
  }, [open]);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (!open || event.key !== 'Escape') return;
    event.stopPropagation();
    close();
  };
  return html`<div class="menu" ref=${box} onKeyDown=${onKeyDown}>
    <button
      type="button"
      class=${marked ? 'menu-button on' : 'menu-button'}
      aria-expanded=${open}
      title=${label}
      disabled=${disabled}
      onClick=${() => setOpen(!open)}
    >
      ${icon && html`<${Icon} name=${icon} />`}<span class="label">${label}</span><${Icon} name="chevron" />
    </button>
    ${open && html`<div class=${up ? 'menu-items up' : 'menu-items'} role="group" aria-label=${label}>${children(close)}</div>`}
  </div>`;
}
