/**
 * Draws one answer while it grows: finished blocks are added and never touched again, only the unfinished one is drawn
 * anew. All painters take turns, so that no task is long.
 */

import { Blocks } from './blocks.js';
import { CodeBlock } from './codeblock.js';
import { Outline, lex, render } from './markdown.js';

/** How much text one turn takes; a line's end is sought so that blocks come whole. */
const SLICE_CHARS = 4_000;

/** Of the time, the share that drawing one unfinished block may take: a quarter. */
const REST_FACTOR = 3;

export class Painter {
  #box;
  #tail = document.createElement('div');
  #blocks = new Blocks(lex);
  #outline = new Outline();
  /** @type {CodeBlock | null} */
  #code = null;
  #text = '';
  #painted = 0;
  #ended = false;
  #closed = false;
  #notBefore = 0;

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
    const end = left > SLICE_CHARS ? this.#sliceEnd() : this.#text.length;
    for (const block of this.#blocks.push(this.#text.slice(this.#painted, end))) this.#finish(block);
    this.#painted = end;
    if (end < this.#text.length) return now;
    if (this.#ended) this.#close();
    else this.#drawTail();
    this.#notBefore = now + (performance.now() - now) * REST_FACTOR;
    return null;
  }

  #sliceEnd() {
    const line = this.#text.lastIndexOf('\n', this.#painted + SLICE_CHARS) + 1;
    return line > this.#painted ? line : this.#painted + SLICE_CHARS;
  }

  /** @param {import('./blocks.js').Block} block */
  #finish(block) {
    if (block.kind === 'tokens') return this.#tail.before(render(block.tokens, this.#outline, finishedCode));
    const code = this.#code ?? new CodeBlock(block.language);
    this.#tail.before(code.element);
    code.update(withoutLastBreak(block.text), true);
    this.#code = null;
  }

  #drawTail() {
    const { open } = this.#blocks;
    if (open === null) {
      // The outline goes on from the last finished block, however often this one is drawn.
      this.#tail.replaceChildren(render(this.#blocks.tail(), new Outline(this.#outline.last), finishedCode));
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
    for (const block of this.#blocks.end()) this.#finish(block);
    this.#tail.replaceChildren();
    this.#closed = true;
  }

  #reset() {
    this.#blocks = new Blocks(lex);
    this.#outline = new Outline();
    this.#code = null;
    this.#painted = 0;
    this.#closed = false;
    this.#notBefore = 0;
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

/** How long one task may draw before the browser has its turn. */
const TASK_MS = 12;

/** Who wants to draw, in the order of asking. */
class Turns {
  /** @type {Map<Painter, number>} */
  #waiting = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Painter} painter */
  add(painter) {
    this.#waiting.set(painter, 0);
    this.#timer ??= setTimeout(() => this.#run());
  }

  /** @param {Painter} painter */
  delete(painter) {
    this.#waiting.delete(painter);
  }

  #run() {
    const start = performance.now();
    let next = Infinity;
    for (const [painter, due] of [...this.#waiting]) {
      const now = performance.now();
      if (now - start > TASK_MS) {
        next = now;
        break;
      }
      if (due > now) {
        next = Math.min(next, due);
        continue;
      }
      this.#waiting.delete(painter);
      const again = painter.paint(now);
      // At the end of the queue, so that a long answer lets the others through.
      if (again !== null) this.#waiting.set(painter, again);
      if (again !== null) next = Math.min(next, again);
    }
    const delay = next - performance.now();
    this.#timer = this.#waiting.size > 0 ? setTimeout(() => this.#run(), Math.max(delay, 0)) : undefined;
  }
}

const turns = new Turns();
