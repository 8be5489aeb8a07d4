/** Announces in the page's one polite live region what ends, whatever else is drawn. */

/** What ends together is announced together: a region that changes again at once is never read. */
const TOGETHER_MS = 700;

/** @type {string[]} */
let lines = [];
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {string} text */
export function announce(text) {
  const region = document.getElementById('news');
  lines.push(text);
  if (region) region.textContent = lines.join('. ');
  clearTimeout(timer);
  timer = setTimeout(() => (lines = []), TOGETHER_MS);
}
