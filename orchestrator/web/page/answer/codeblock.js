/** Draws one code block: a bar with language and copy button, and code that is coloured as it grows. */

import { copyText } from '../clipboard.js';
import { sanitize } from './markdown.js';

/** Code is coloured in pieces of this many characters while it grows, so that a long block costs no more than a short one. */
const PIECE_CHARS = 2_500;

/** Up to here a finished block is coloured once as a whole, which also joins what a piece's border cut apart. */
const WHOLE_CHARS = 30_000;

/** Fetched with the first code there is. @type {typeof import('./highlight.js') | null} */
let highlighter = null;

/** @param {string} language Returns whether it can be coloured now, and could not before. */
async function learn(language) {
  // Nothing is fetched for code without a language.
  if (language === '' || highlighter?.knows(language)) return false;
  highlighter = await import('./highlight.js');
  return highlighter.learn(language);
}

export class CodeBlock {
  #code;
  #language;
  /** What `#pieces` shows. */
  #done = 0;
  #text = '';
  #last;
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
    this.#last = document.createElement('span');
    this.#code.append(this.#last);
    pre.append(this.#code);
    this.element.append(bar, pre);
    // A task for each block: several at once would be a long one. What cannot be fetched is not coloured.
    void learn(this.#language).then((news) => news && setTimeout(() => this.#redraw()), () => {});
  }

  /**
   * Show *text*, which only ever grows.
   * @param {string} text
   * @param {boolean} ended
   */
  update(text, ended) {
    this.#text = text;
    this.#ended = ended;
    this.#draw();
  }

  #draw() {
    if (this.#ended && this.#text.length <= WHOLE_CHARS) return this.#redrawWhole();
    while (this.#text.length - this.#done > PIECE_CHARS) {
      const border = this.#text.lastIndexOf('\n', this.#done + PIECE_CHARS) + 1;
      const end = border > this.#done ? border : this.#done + PIECE_CHARS;
      this.#last.before(this.#colour(this.#text.slice(this.#done, end)));
      this.#done = end;
    }
    this.#last.replaceChildren(this.#colour(this.#text.slice(this.#done)));
  }

  #redraw() {
    this.#done = 0;
    this.#code.replaceChildren(this.#last);
    this.#draw();
  }

  #redrawWhole() {
    this.#code.replaceChildren(this.#colour(this.#text));
    this.#code.append(this.#last);
    this.#last.replaceChildren();
    this.#done = this.#text.length;
  }

  /** @param {string} text */
  #colour(text) {
    const markup = highlighter?.highlight(text, this.#language) ?? null;
    return markup === null ? document.createTextNode(text) : sanitize(markup);
  }

  /** @param {HTMLButtonElement} button */
  async #copy(button) {
    await copyText(this.#text);
    button.textContent = 'Copied';
    setTimeout(() => (button.textContent = 'Copy'), 1_500);
  }
}
