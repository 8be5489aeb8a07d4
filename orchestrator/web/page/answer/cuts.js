/**
 * Says where a block that is too long is cut, and what has to be repeated so that the rest is read as what it was: a
 * table's head, the items that a list's item stands in.
 */

/** @typedef {import('../../vendor/marked.js').Token} Token */

/** What begins an item; its length is how far the item's own blocks are indented. */
const ITEM = /^( *)(?:[-*+]|\d{1,9}[.)])(?: +|$)/;

/** A fence within a list's item or a quote. */
const FENCE = /^([ >]*)(`{3,}|~{3,})([^`]*)$/;

/** What would begin a list, a quote, a heading, a rule or code, and before which of its signs a backslash stops that. */
const BEGINS_BLOCK = /^(\d*)(?=(?:[-+*]|(?<=\d)[.)])\s|>|#+\s|=+[ \t]*(?:\n|$)|`{3}|~{3}|(?:[-*_][ \t]*){3,}(?:\n|$))/;

/** What is repeated is no longer than this, so that each cut leaves less to read. */
const MAX_CARRIED_CHARS = 900;

/**
 * Return where to cut *text*: before the last item of a list, else after the last line, else after the last word, that
 * is within *limit*.
 * @param {string} text
 * @param {number} limit
 */
export function cutOf(text, limit) {
  if (/^(?:[-*+]|\d{1,9}[.)]) /.test(text)) {
    const item = [...text.slice(0, limit).matchAll(/\n(?=(?:[-*+]|\d{1,9}[.)]) )/g)].at(-1)?.index ?? 0;
    if (item > limit / 4 && openFence(text.slice(0, item)) === null) return item + 1;
  }
  const line = text.lastIndexOf('\n', limit - 1) + 1;
  if (line > limit / 4) return line;
  const word = text.lastIndexOf(' ', limit - 1) + 1;
  if (word > limit / 4) return word;
  // Never between the two halves of a sign.
  return /[\ud800-\udbff]/.test(text.charAt(limit - 1)) ? limit - 1 : limit;
}

/**
 * Return *rest* as it has to be read after *head* was cut off.
 * @param {string} rest
 * @param {string} head
 * @param {Token | undefined} last What *head* ended with.
 */
export function carriedInto(rest, head, last) {
  const wholeLines = head.endsWith('\n');
  const open = wholeLines ? openFence(head) : null;
  const fence = open !== null && open.length > MAX_CARRIED_CHARS ? null : open;
  if (fence !== null && last?.type === 'list') return withItems(`${fence}\n${rest}`, head, last);
  if (fence !== null && last?.type === 'blockquote') return `${fence}\n${rest}`;
  if (last?.type === 'table' && wholeLines) return withHead(rest, last.raw);
  if (last?.type === 'list' && wholeLines) return withItems(rest, head, last);
  if (last?.type === 'blockquote' && !wholeLines) return `> ${rest.trimStart()}`;
  return last?.type === 'paragraph' ? asText(rest, wholeLines) : rest;
}

/**
 * Return what goes on with a paragraph: it is no code, however far it is indented, and within a line no block begins.
 * @param {string} rest
 * @param {boolean} wholeLines
 */
function asText(rest, wholeLines) {
  const text = rest.replace(/^[ \t]+/, '');
  return wholeLines ? text : text.replace(BEGINS_BLOCK, '$1\\');
}

/**
 * @param {string} rest
 * @param {string} table
 */
function withHead(rest, table) {
  const [names = '', signs = ''] = table.split('\n', 2);
  return rest.trim() === '' || /^[ \t]*\n/.test(rest) || names.length + signs.length > MAX_CARRIED_CHARS ? rest : `${names}\n${signs}\n${rest}`;
}

/**
 * @param {string} rest
 * @param {string} head
 * @param {Token} list
 */
function withItems(rest, head, list) {
  const next = rest.search(/[^\s]/);
  if (next < 0) return rest;
  let indent = next - (rest.lastIndexOf('\n', next) + 1);
  if (indent === 0) return renumbered(rest, list);
  /** @type {string[]} */
  const above = [];
  for (const line of head.split('\n').reverse()) {
    const found = ITEM.exec(line);
    const own = found?.[1]?.length ?? Infinity;
    if (found === null || own >= indent) continue;
    above.unshift(found[0]);
    indent = own;
    if (own === 0) break;
  }
  const carried = above.map((item) => `${item.trimEnd()}\n`).join('');
  return carried.length > MAX_CARRIED_CHARS ? rest : `${carried}${rest}`;
}

/**
 * Go on counting, also in a list whose items are all called "1.".
 * @param {string} rest
 * @param {Token} list
 */
function renumbered(rest, list) {
  if (!('ordered' in list) || !list.ordered) return rest;
  return rest.replace(/^\d{1,9}(?=[.)] )/, () => String((Number(list.start) || 0) + list.items.length));
}

/**
 * Return the line that opened the code in which *text* ends; null if it ends in none.
 * @param {string} text
 */
function openFence(text) {
  /** @type {{line: string, marker: string} | null} */
  let open = null;
  for (const line of text.split('\n')) {
    const [, , marker = '', info = ''] = FENCE.exec(line) ?? [];
    if (marker === '') continue;
    if (open === null) open = { line, marker };
    else if (marker.startsWith(open.marker) && info.trim() === '') open = null;
  }
  return open?.line ?? null;
}
