/**
 * Cuts an answer that still grows into blocks that no later text can change, and the rest. Knows Markdown through the
 * lexer it is given, and no DOM.
 *
 * CommonMark decides line by line, and a block that has been closed is never opened again. So of the whole lines
 * that are there, every block but the last is final. A fenced code block is taken line by line. A block that grows
 * longer than one task should draw is cut: what follows goes on as a list, table, quote or paragraph of its own.
 */

import { carriedInto, cutOf } from './cuts.js';

/** @typedef {import('../../vendor/marked.js').Token} Token */
/** @typedef {Record<string, {href: string, title?: string}>} LinkDefinitions */
/**
 * *goesOn*: the tokens' first block goes on with the one before, which was too long for one task.
 * @typedef {{kind: 'tokens', tokens: Token[], goesOn: boolean} | {kind: 'code', language: string, text: string}} Block
 */

/** The text of a fence so far; *text* grows. @typedef {{language: string, text: string}} OpenCode */

/**
 * A block that is longer is cut. What the lexer needs for emphasis grows with the square of a paragraph: 4,000
 * characters of crossed signs take tens of milliseconds, ten times as many take seconds.
 */
export const MAX_BLOCK_CHARS = 4_000;

/** A block of more lines is cut, too: an item of one letter takes as long to lay out as one of eighty. */
export const MAX_BLOCK_LINES = 300;

/** The line's end is sought first: without one, a line of tildes is tried in as many ways as the cube of its length. */
const FENCE = /^(?=[^\n]*\n) {0,3}(`{3,}(?=[^`\n]*\n)|~{3,})[ \t]*([^\s`]*)[^\n]*\n/;

export class Blocks {
  #lex;
  /** What belongs to no finished block; while `#fence` is set, its unfinished last line. */
  #rest = '';
  /** Whether the last sign was a return, which a line feed may follow: both are one line's end. */
  #returned = false;
  /** Whole lines in `#rest` that were looked at already. */
  #seen = 0;
  /** @type {LinkDefinitions} */
  #links = {};
  /** Whether `#rest` goes on with a block that was cut. */
  #goesOn = false;
  /** @type {{marker: string, indent: number, language: string, text: string} | null} */
  #fence = null;

  /** @param {(text: string, links: LinkDefinitions) => Token[]} lex It adds the definitions it meets to *links*. */
  constructor(lex) {
    this.#lex = lex;
  }

  /**
   * Take more text and return the blocks that it finished.
   * @param {string} text
   * @returns {Block[]}
   */
  push(text) {
    this.#rest += this.#cleaned(text);
    /** @type {Block[]} */
    const finished = [];
    while (this.#fence === null ? this.#takeBlocks(finished) : this.#takeCode(finished));
    return finished;
  }

  /**
   * Return what is left, as blocks; call it when no text follows.
   * @returns {Block[]}
   */
  end() {
    const fence = this.#fence;
    const left = fence === null ? this.tail() : [];
    const goesOn = this.#goesOn;
    // An answer often ends with its closing fence, and without a line's end.
    const line = this.#closes(this.#rest) ? '' : this.#unindented(this.#rest);
    this.#fence = null;
    this.#rest = '';
    if (fence !== null) return [{ kind: 'code', language: fence.language, text: fence.text + line }];
    return left.length > 0 ? [{ kind: 'tokens', tokens: left, goesOn }] : [];
  }

  /**
   * The lexer writes each line's end as one sign, so that its pieces do not add up to a text with others.
   * @param {string} text
   */
  #cleaned(text) {
    const rest = this.#returned && text.startsWith('\n') ? text.slice(1) : text;
    if (text !== '') this.#returned = text.endsWith('\r');
    return rest.replace(/\r\n?/g, '\n').replaceAll('\0', '\ufffd');
  }

  /** Whether the unfinished rest goes on with a block that was cut. */
  get goesOn() {
    return this.#goesOn;
  }

  /** The code block that is being written; null if there is none. @returns {OpenCode | null} */
  get open() {
    if (this.#fence === null) return null;
    const { language, text } = this.#fence;
    // What may become the closing fence is not shown yet: what is shown of code only grows.
    const closing = this.#rest.trim() === (this.#fence.marker[0] ?? '').repeat(this.#rest.trim().length);
    return { language, text: closing ? text : text + this.#unindented(this.#rest) };
  }

  /** Return the unfinished rest as it would look if it ended here. */
  tail() {
    return this.#fence === null && this.#rest !== '' ? this.#lex(this.#rest, { ...this.#links }) : [];
  }

  /**
   * @param {Block[]} finished
   * @returns {boolean} Whether there is more to take.
   */
  #takeBlocks(finished) {
    const fence = FENCE.exec(this.#rest);
    if (fence?.[1] !== undefined) {
      const indent = this.#rest.length - this.#rest.trimStart().length;
      this.#fence = { marker: fence[1], indent, language: fence[2] ?? '', text: '' };
      this.#goesOn = false;
      this.#drop(fence[0].length);
      return true;
    }
    const whole = this.#rest.lastIndexOf('\n') + 1;
    const tokens = whole > this.#seen ? this.#final(this.#lex(this.#rest.slice(0, whole), this.#links)) : [];
    this.#seen = whole;
    if (tokens.length === 0) return this.#cut(finished);
    this.#drop(tokens.reduce((sum, token) => sum + token.raw.length, 0));
    this.#finish(finished, tokens);
    return true;
  }

  /**
   * Take the first part of a block that became too long.
   * @param {Block[]} finished
   */
  #cut(finished) {
    const limit = Math.min(MAX_BLOCK_CHARS, endOfLine(this.#rest, MAX_BLOCK_LINES));
    if (this.#rest.length <= limit) return false;
    const end = cutOf(this.#rest, limit);
    const head = this.#rest.slice(0, end);
    const tokens = this.#lex(head, this.#links);
    const last = tokens.findLast((token) => token.type !== 'space');
    this.#finish(finished, tokens);
    this.#drop(end);
    this.#rest = carriedInto(this.#rest, head, last);
    this.#goesOn = true;
    return true;
  }

  /**
   * @param {Block[]} finished
   * @param {Token[]} tokens
   */
  #finish(finished, tokens) {
    finished.push({ kind: 'tokens', tokens, goesOn: this.#goesOn });
    this.#goesOn = false;
  }

  /**
   * Return the tokens that are final: all before the last one that is not empty space, or before a fence, which
   * is taken line by line. None if the lexer's
   * pieces do not add up to the text, so that nothing is ever lost.
   * @param {Token[]} tokens
   */
  #final(tokens) {
    const last = tokens.findLastIndex((token) => token.type !== 'space');
    const fence = tokens.findIndex((token, n) => n > 0 && token.type === 'code' && FENCE.test(token.raw));
    const final = tokens.slice(0, Math.max(fence > 0 ? Math.min(fence, last) : last, 0));
    return this.#rest.startsWith(final.map((token) => token.raw).join('')) ? final : [];
  }

  /**
   * @param {Block[]} finished
   * @returns {boolean}
   */
  #takeCode(finished) {
    const fence = this.#fence;
    const end = this.#rest.indexOf('\n') + 1;
    if (fence === null || end === 0) return false;
    const line = this.#rest.slice(0, end);
    this.#drop(end);
    if (!this.#closes(line)) {
      fence.text += this.#unindented(line);
      return true;
    }
    this.#fence = null;
    finished.push({ kind: 'code', language: fence.language, text: fence.text });
    return true;
  }

  /** Whether the open fence ends with *line*. @param {string} line */
  #closes(line) {
    const marker = this.#fence?.marker ?? '';
    const bare = line.trim();
    return bare.startsWith(marker) && bare === marker.charAt(0).repeat(bare.length) && !/^ {4}/.test(line);
  }

  /** @param {string} line */
  #unindented(line) {
    const indent = this.#fence?.indent ?? 0;
    return indent > 0 ? line.replace(new RegExp(`^ {0,${indent}}`), '') : line;
  }

  /** @param {number} length */
  #drop(length) {
    this.#rest = this.#rest.slice(length);
    this.#seen = 0;
  }
}

/**
 * Return where line *count* of *text* ends; Infinity if it has fewer.
 * @param {string} text
 * @param {number} count
 */
export function endOfLine(text, count) {
  let end = 0;
  for (let n = 0; n < count; n += 1) {
    end = text.indexOf('\n', end) + 1;
    if (end === 0) return Infinity;
  }
  return end;
}
