/** Puts text on the clipboard, also on pages without TLS, for which browsers offer only the old way. */

/** @param {string} text */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const box = document.createElement('textarea');
    box.value = text;
    box.className = 'unseen';
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    document.body.append(box);
    box.select();
    document.execCommand('copy');
    box.remove();
    before?.focus();
  }
}
