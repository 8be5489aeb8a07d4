/**
 * Draws formulas in TeX as MathML. What reads TeX is fetched with the first formula; until then, and if it cannot be
 * fetched or read, a formula is shown as it was written.
 */

import { turns } from './draw-scheduler.js';

/** A longer one is shown as it was written: reading it could take longer than a task may. */
const MAX_CHARS = 4_000;

/** Formulas kept drawn: the unfinished end of an answer is drawn again and again. */
const MAX_KEPT = 500;

/** Untrusted: no links, no images, no macros that unfold without end. */
const OPTIONS = { throwOnError: true, trust: false, strict: false, maxExpand: 500, maxSize: [20, 500] };

/** How long one turn draws formulas; a block may hold more than a thousand. */
const TURN_MS = 8;

/** @type {Map<string, Element | null>} As written → drawn; null: it cannot be read. */
const drawn = new Map();
/** @type {typeof import('../../vendor/temml.js').default | null} */
let reader = null;
/** @type {Promise<void> | null} */
let fetching = null;

/**
 * Draw what in *root* is marked as a formula, now or once that can be done.
 * @param {ParentNode} root
 */
export function drawFormulas(root) {
  if (root.querySelector(UNDRAWN) === null) return;
  if (reader !== null && drawSome(root, performance.now())) return;
  fetching ??= import('../../vendor/temml.js').then(({ default: temml }) => void (reader = temml));
  fetching.then(() => turns.add(others), () => {});
}

const UNDRAWN = '.formula:not([data-drawn])';

/**
 * Draws what is left. By its turn the blocks may have been drawn again, so all that are on the page are looked at.
 * @type {import('./draw-scheduler.js').Drawing}
 */
const others = { paint: (now) => (drawSome(document, now) ? null : now), fail() {} };

/**
 * Draw formulas for a turn; returns whether those were all.
 * @param {ParentNode} root
 * @param {number} start
 */
function drawSome(root, start) {
  for (const place of root.querySelectorAll(UNDRAWN)) {
    if (performance.now() - start > TURN_MS) return false;
    draw(place);
  }
  return true;
}

/** @param {Element} place */
function draw(place) {
  const written = place.textContent ?? '';
  const formula = drawn.has(written) ? (drawn.get(written) ?? null) : read(written);
  place.setAttribute('data-drawn', String(formula !== null));
  if (formula !== null) place.replaceChildren(formula.cloneNode(true));
}

/** How wide a formula on paper may be: A4 and Letter between usual margins. */
const PAPER_PX = 640;

/** Paper does not scroll, and formulas have no lines: what is too wide gets smaller until it has been printed. */
addEventListener('beforeprint', () => {
  for (const formula of document.querySelectorAll('.formula math')) {
    const width = formula.scrollWidth;
    if (width > PAPER_PX && formula instanceof MathMLElement) formula.style.zoom = String(PAPER_PX / width);
  }
});
addEventListener('afterprint', () => {
  for (const formula of document.querySelectorAll('.formula math[style]')) if (formula instanceof MathMLElement) formula.style.zoom = '';
});

/** @param {string} written */
function read(written) {
  if (drawn.size >= MAX_KEPT) drawn.clear();
  const formula = written.length <= MAX_CHARS ? made(written) : null;
  drawn.set(written, formula);
  return formula;
}

/** @param {string} written */
function made(written) {
  const display = /^(?:\$\$|\\\[|\\begin)/.test(written);
  const tex = written.startsWith('\\begin') ? written : written.replace(/^(?:\$\$?|\\[([])|(?:\$\$?|\\[)\]])$/g, '');
  const box = document.createElement('span');
  try {
    reader?.render(tex, box, { ...OPTIONS, displayMode: display });
  } catch {
    return null;
  }
  const formula = box.firstElementChild;
  // Nothing of it may point anywhere, whatever the library makes of a formula.
  for (const part of box.querySelectorAll('*')) for (const name of ['href', 'src', 'id']) part.removeAttribute(name);
  return formula?.localName === 'math' ? formula : null;
}
