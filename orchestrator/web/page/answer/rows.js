/**
 * Draws a table that is longer than one task: its rows come as tables of their own, in one box, with the columns'
 * widths of the first. One table would be laid out anew as a whole for each new row.
 */

/**
 * Put the rows that *drawn* begins with into *box*, if both are of one table.
 * @param {Element | null} box
 * @param {DocumentFragment} drawn
 */
export function joinRows(box, drawn) {
  if (!alignRows(box, drawn)) return false;
  const more = drawn.firstElementChild;
  const table = more?.querySelector('table');
  if (table) box?.append(table);
  more?.remove();
  return true;
}

/**
 * Give the rows that *drawn* begins with the widths of the table in *box*, if both are of one table.
 * @param {Element | null} box
 * @param {DocumentFragment} drawn
 */
export function alignRows(box, drawn) {
  const [first, more] = [box?.querySelector('table'), drawn.firstElementChild?.querySelector('table')];
  if (!box?.matches('.table') || !first || !more || !drawn.firstElementChild?.matches('.table')) return false;
  const widths = [...first.querySelectorAll('th')].map((cell) => cell.offsetWidth);
  more.classList.add('more');
  more.style.width = `${first.offsetWidth}px`;
  more.querySelectorAll('th').forEach((cell, n) => (cell.style.width = `${widths[n] ?? 0}px`));
  return true;
}
