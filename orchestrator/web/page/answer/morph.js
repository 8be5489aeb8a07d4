/** Makes what is drawn like what should be, and leaves alone what is right already: it can be clicked and selected. */

import { CodeBlock } from './codeblock.js';

/**
 * Give *shown* the children of *wanted*, which is used up.
 * @param {Node} shown
 * @param {Node} wanted
 */
export function morph(shown, wanted) {
  let old = shown.firstChild;
  for (const next of [...wanted.childNodes]) {
    if (old === null) {
      shown.appendChild(next);
      continue;
    }
    const following = old.nextSibling;
    if (!become(old, next)) shown.replaceChild(next, old);
    old = following;
  }
  while (old !== null) {
    const following = old.nextSibling;
    shown.removeChild(old);
    old = following;
  }
}

/**
 * @param {Node} shown
 * @param {Node} wanted
 * @returns {boolean} Whether the one could be made like the other.
 */
function become(shown, wanted) {
  if (shown.isEqualNode(wanted)) return true;
  if (shown instanceof Text && wanted instanceof Text) {
    // Text that only grows keeps what is selected in it.
    if (wanted.data.startsWith(shown.data)) shown.appendData(wanted.data.slice(shown.data.length));
    else shown.data = wanted.data;
    return true;
  }
  if (!(shown instanceof Element && wanted instanceof Element) || shown.tagName !== wanted.tagName) return false;
  if (shown.classList.contains('code')) return CodeBlock.takeOver(shown, wanted);
  for (const { name } of [...shown.attributes]) if (!wanted.hasAttribute(name)) shown.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  morph(shown, wanted);
  return true;
}
