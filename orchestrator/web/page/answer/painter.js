/**
 * Draws one answer while it grows: finished blocks are added and never touched again, only the unfinished one is drawn
 * anew. Words that cannot be drawn as Markdown are shown as they came.
 */

import { Blocks, MAX_BLOCK_LINES, endOfLine } from './blocks.js';
import { CodeBlock } from './codeblock.js';
import { Outline, lex, render } from './markdown.js';
import { morph } from './morph.js';
import { alignRows, joinRows } from './rows.js';
import { turns } from './draw-scheduler.js';

/** How much text one turn takes; a line's end is sought so that blocks come whole. */
const SLICE_CHARS = 4_000;

/** Of the time, the share that drawing one unfinished block may take: a quarter. */
const REST_FACTOR = 3;

/** Of a longer answer the browser lays out only what is near to the window (`prose.css`). */
const LONG_CHARS = 20_000;

/** What a line takes of that beside its characters: an item of one letter has a box of its own, too. */
const LINE_CHARS = 20;

/** @typedef {import('./draw-scheduler.js').Drawing} Drawing */

/** @implements {Drawing} */
export class Painter {
  #box;
  #tail = document.createElement('div');
  #blocks = new Blocks(lex);
  #outline = new Outline();
  /** @type {CodeBlock | null} */
  #code = null;
  #text = '';
  #painted = 0;
  #weight = 0;
  #ended = false;
  #closed = false;
  #notBefore = 0;
  /** Whether the words are shown as they came. */
  #plain = false;

  /** @param {HTMLElement} box Ours alone. */
  constructor(box) {
    this.#box = box;
    this.#tail.className = 'tail';
    box.replaceChildren(this.#tail);
  }

  /**
   * Show *text*. If it goes on from what is shown, only what is new is read.
   * @param {string} text
   * @param {boolean} ended Whether no more will come.
   */
  update(text, ended) {
    if (text === this.#text && ended === this.#ended) return;
    if (this.#closed || !text.startsWith(this.#text)) this.#reset();
    this.#text = text;
    this.#ended = ended;
    turns.add(this);
  }

  /** Stop drawing. */
  close() {
    turns.delete(this);
  }

  /**
   * Draw a slice.
   * @param {number} now
   * @returns {number | null} When to come back; null: everything is drawn.
   */
  paint(now) {
    const left = this.#text.length - this.#painted;
    if (left <= SLICE_CHARS && now < this.#notBefore && !this.#ended) return this.#notBefore;
    const end = this.#sliceEnd();
    const slice = this.#text.slice(this.#painted, end);
    if (this.#plain) this.#addPlain(slice);
    else for (const block of this.#blocks.push(slice)) this.#finish(block);
    this.#painted = end;
    this.#weight += slice.length + LINE_CHARS * (slice.split('\n').length - 1);
    if (this.#weight > LONG_CHARS) this.#box.dataset['long'] = '';
    if (end < this.#text.length) return now;
    if (this.#ended) this.#close();
    else if (!this.#plain) this.#drawTail();
    this.#notBefore = now + (performance.now() - now) * REST_FACTOR;
    return null;
  }

  /** Show the words as they came, from their beginning. */
  fail() {
    this.#reset();
    this.#plain = true;
    const note = document.createElement('p');
    note.className = 'hint';
    note.textContent = 'This answer could not be drawn, so it is shown as it came.';
    this.#tail.before(note);
  }

  #sliceEnd() {
    const next = this.#text.slice(this.#painted, this.#painted + SLICE_CHARS);
    const lines = endOfLine(next, MAX_BLOCK_LINES);
    if (lines < next.length) return this.#painted + lines;
    if (this.#painted + next.length === this.#text.length) return this.#text.length;
    return this.#painted + (next.lastIndexOf('\n') + 1 || next.length);
  }

  /** @param {string} text */
  #addPlain(text) {
    const part = document.createElement('div');
    part.className = 'plain';
    part.textContent = text;
    this.#tail.before(part);
  }

  /** @param {import('./blocks.js').Block} block */
  #finish(block) {
    if (block.kind === 'tokens') {
      const drawn = render(block.tokens, this.#outline, finishedCode);
      if (block.goesOn && joinRows(this.#tail.previousElementSibling, drawn)) this.#tail.replaceChildren();
      else if (block.goesOn) drawn.firstElementChild?.classList.add('goes-on');
      this.#tail.before(drawn);
      return;
    }
    const code = this.#code ?? new CodeBlock(block.language);
    this.#tail.before(code.element);
    code.update(withoutLastBreak(block.text), true);
    this.#code = null;
  }

  #drawTail() {
    const { open, goesOn } = this.#blocks;
    if (open === null) {
      // The outline goes on from the last finished block, however often this one is drawn.
      const drawn = render(this.#blocks.tail(), new Outline(this.#outline.last), finishedCode);
      if (goesOn) drawn.firstElementChild?.classList.add('goes-on');
      if (goesOn) alignRows(this.#tail.previousElementSibling, drawn);
      morph(this.#tail, drawn);
      return;
    }
    if (this.#code === null) {
      this.#code = new CodeBlock(open.language);
      this.#tail.replaceChildren();
      this.#tail.before(this.#code.element);
    }
    this.#code.update(open.text, false);
  }

  #close() {
    if (!this.#plain) for (const block of this.#blocks.end()) this.#finish(block);
    this.#tail.replaceChildren();
    this.#closed = true;
  }

  #reset() {
    this.#blocks = new Blocks(lex);
    this.#outline = new Outline();
    this.#code = null;
    this.#painted = 0;
    this.#weight = 0;
    this.#closed = false;
    this.#notBefore = 0;
    this.#plain = false;
    delete this.#box.dataset['long'];
    this.#box.replaceChildren(this.#tail);
    this.#tail.replaceChildren();
  }
}

/**
 * @param {string} language
 * @param {string} text
 */
function finishedCode(language, text) {
  const block = new CodeBlock(language);
  block.update(withoutLastBreak(text), true);
  return block.element;
}

/** @param {string} text */
function withoutLastBreak(text) {
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}
