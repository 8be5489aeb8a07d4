/** Draws one code block: a bar with language and copy button, and code that is coloured as it grows. */

import { copyText } from '../clipboard.js';
import { turns } from './draw-scheduler.js';

/** Code is drawn in pieces of this many characters, each in a turn and a box of its own: one box of text is laid out
 * anew as a whole for each new line. */
const PIECE_CHARS = 2_500;

/** Up to here a finished block is coloured once as a whole, which also joins what a piece's border cut apart. */
const WHOLE_CHARS = 8_000;

/** @typedef {import('./draw-scheduler.js').Drawing} Drawing */

/** The block that an element shows. @type {WeakMap<Element, CodeBlock>} */
const shown = new WeakMap();

/** Fetched with the first code there is. @type {typeof import('./highlight.js') | null} */
let highlighter = null;

/** @param {string} language Returns whether it can be coloured now, and could not before. */
async function learn(language) {
  // Nothing is fetched for code without a language.
  if (language === '' || highlighter?.knows(language)) return false;
  highlighter = await import('./highlight.js');
  return highlighter.learn(language);
}

/** @implements {Drawing} */
export class CodeBlock {
  #code;
  #language;
  /** What `#pieces` shows. */
  #done = 0;
  #text = '';
  #last = pieceOf('');
  /** Which piece is to be coloured anew next. */
  #anew = Infinity;
  #ended = false;

  /** @param {string} language */
  constructor(language) {
    this.#language = language.toLowerCase();
    this.element = document.createElement('div');
    this.element.className = 'code';
    const bar = document.createElement('div');
    bar.className = 'code-bar';
    const name = document.createElement('span');
    name.textContent = language || 'text';
    const copy = document.createElement('button');
    copy.type = 'button';
    copy.className = 'quiet';
    copy.textContent = 'Copy';
    copy.setAttribute('aria-label', 'Copy code');
    copy.addEventListener('click', () => void this.#copy(copy));
    bar.append(name, copy);
    const pre = document.createElement('pre');
    pre.tabIndex = 0;
    this.#code = document.createElement('code');
    this.#code.append(this.#last);
    pre.append(this.#code);
    this.element.append(bar, pre);
    shown.set(this.element, this);
    // What cannot be fetched is not coloured.
    void learn(this.#language).then((news) => news && this.#redraw(), () => {});
  }

  /**
   * Show *text*, which only ever grows.
   * @param {string} text
   * @param {boolean} ended
   */
  update(text, ended) {
    this.#text = text;
    this.#ended = ended;
    turns.add(this);
  }

  /**
   * Have the block that *element* shows show *other*'s code; false if it is none, or of another language.
   * @param {Element} element
   * @param {Element} other
   */
  static takeOver(element, other) {
    const [block, next] = [shown.get(element), shown.get(other)];
    if (!block || !next || block.#language !== next.#language || !next.#text.startsWith(block.#text)) return false;
    if (block.#text !== next.#text) block.update(next.#text, next.#ended);
    return true;
  }

  /**
   * Draw a piece.
   * @param {number} now
   */
  paint(now) {
    // Of a page that was left nothing more is drawn.
    if (!this.element.isConnected) return null;
    if (this.#ended && this.#text.length <= WHOLE_CHARS) return this.#drawWhole();
    const piece = this.#code.children[this.#anew];
    if (piece !== undefined && piece !== this.#last) {
      piece.replaceChildren(this.#colour(piece.textContent ?? ''));
      this.#anew += 1;
      return now;
    }
    if (this.#text.length - this.#done > PIECE_CHARS) {
      const border = this.#text.lastIndexOf('\n', this.#done + PIECE_CHARS) + 1;
      const end = border > this.#done ? border : this.#done + PIECE_CHARS;
      this.#last.before(pieceOf(this.#colour(this.#text.slice(this.#done, end))));
      this.#done = end;
      return now;
    }
    this.#last.replaceChildren(this.#colour(this.#text.slice(this.#done)));
    return null;
  }

  /** Show the code without colours. */
  fail() {
    this.#language = '';
    this.#redraw();
  }

  /** What is shown stays until its turn. */
  #redraw() {
    this.#anew = 0;
    turns.add(this);
  }

  #drawWhole() {
    this.#code.replaceChildren(pieceOf(this.#colour(this.#text)), this.#last);
    this.#last.replaceChildren();
    this.#done = this.#text.length;
    return null;
  }

  /** @param {string} text */
  #colour(text) {
    return highlighter?.highlight(text, this.#language) ?? text;
  }

  /** @param {HTMLButtonElement} button */
  async #copy(button) {
    await copyText(this.#text);
    button.textContent = 'Copied';
    setTimeout(() => (button.textContent = 'Copy'), 1_500);
  }
}

/** @param {Node | string} content */
function pieceOf(content) {
  const piece = document.createElement('span');
  piece.className = 'piece';
  piece.append(content);
  return piece;
}
