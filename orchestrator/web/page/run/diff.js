/** Compares two texts word by word. Source: E. W. Myers, "An O(ND) Difference Algorithm" (1986). */

/** @typedef {{kind: 'same' | 'added' | 'removed', text: string}} Part */

/** Texts that differ in more words than this are called different, so that comparing them stays quick. */
const MAX_EDITS = 1_200;

/**
 * Say what turns *before* into *after*. The `same` and `added` parts, joined, are *after*.
 * @param {string} before
 * @param {string} after
 * @returns {Part[]}
 */
export function diffWords(before, after) {
  const [a, b] = [cut(before), cut(after)];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1;
  const middle = edits(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  /** @type {Part[]} */
  const same = [{ kind: 'same', text: a.slice(0, head).join('') }];
  return joined([...same, ...middle, { kind: 'same', text: tail > 0 ? a.slice(-tail).join('') : '' }]);
}

/** @param {string} text */
function cut(text) {
  return text.match(/[\p{L}\p{N}_]+|\s+|[^\s\p{L}\p{N}_]/gu) ?? [];
}

/**
 * @param {string[]} a
 * @param {string[]} b
 * @returns {Part[]}
 */
function edits(a, b) {
  const rows = search(a, b);
  if (rows === null) {
    return [
      { kind: 'removed', text: a.join('') },
      { kind: 'added', text: b.join('') },
    ];
  }
  /** @type {Part[]} From the end on. */
  const parts = [];
  let [x, y] = [a.length, b.length];
  for (let d = rows.length - 1; d >= 0; d -= 1) {
    const k = x - y;
    const from = comesDown(rows[d], d, k) ? k + 1 : k - 1;
    const fromX = at(rows[d], d, from);
    for (; x > fromX && y > fromX - from; x -= 1, y -= 1) parts.push({ kind: 'same', text: a[x - 1] ?? '' });
    if (d === 0) break;
    if (x === fromX) parts.push({ kind: 'added', text: b[y - 1] ?? '' });
    else parts.push({ kind: 'removed', text: a[x - 1] ?? '' });
    [x, y] = [fromX, fromX - from];
  }
  return parts.reverse();
}

/**
 * Find the shortest way. Row d holds, for the diagonals -d-1 to d+1, how far d-1 edits lead; null if there
 * are too many.
 * @param {string[]} a
 * @param {string[]} b
 */
function search(a, b) {
  const most = Math.min(a.length + b.length, MAX_EDITS);
  const middle = most + 1;
  const furthest = new Int32Array(2 * most + 3);
  /** @type {Int32Array[]} */
  const rows = [];
  for (let d = 0; d <= most; d += 1) {
    const row = furthest.slice(middle - d - 1, middle + d + 2);
    rows.push(row);
    for (let k = -d; k <= d; k += 2) {
      let x = comesDown(row, d, k) ? at(row, d, k + 1) : at(row, d, k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      furthest[middle + k] = x;
      if (x >= a.length && x - k >= b.length) return rows;
    }
  }
  return null;
}

/**
 * @param {Int32Array | undefined} row
 * @param {number} d
 * @param {number} k
 */
function at(row, d, k) {
  return row?.[k + d + 1] ?? 0;
}

/**
 * Whether diagonal *k* is best reached by adding a word, rather than by leaving one out.
 * @param {Int32Array | undefined} row
 * @param {number} d
 * @param {number} k
 */
function comesDown(row, d, k) {
  return k === -d || (k !== d && at(row, d, k - 1) < at(row, d, k + 1));
}

/**
 * Join neighbours of a kind; removals come before additions.
 * @param {Part[]} parts
 * @returns {Part[]}
 */
function joined(parts) {
  /** @type {Part[]} */
  const found = [];
  const change = { removed: '', added: '' };
  const flush = () => {
    for (const kind of /** @type {const} */ (['removed', 'added'])) {
      if (change[kind] !== '') found.push({ kind, text: change[kind] });
      change[kind] = '';
    }
  };
  for (const [n, { kind, text }] of parts.entries()) {
    const changing = change.removed !== '' || change.added !== '';
    if (kind !== 'same') change[kind] += text;
    else if (changing && text.trim() === '' && (parts[n + 1]?.kind ?? 'same') !== 'same') {
      // Two changed words are one change, not two with a space between them.
      change.removed += text;
      change.added += text;
    } else if (text !== '') {
      flush();
      const last = found.at(-1);
      if (last?.kind === 'same') last.text += text;
      else found.push({ kind, text });
    }
  }
  flush();
  return found;
}
