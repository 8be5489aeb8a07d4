/**
 * Turns an agent's words into elements, the one way there is: marked's tokens, our renderer, DOMPurify. Raw HTML is
 * shown as text, images as links: a page that fetched them would tell a stranger that it was read.
 */

import { Marked } from '../../vendor/marked.js';
import DOMPurify from '../../vendor/purify.js';

/** @typedef {import('../../vendor/marked.js').Token} Token */
/** @typedef {import('./blocks.js').LinkDefinitions} LinkDefinitions */

const ALLOWED = {
  ALLOWED_TAGS: [
    'a', 'blockquote', 'br', 'code', 'del', 'em', 'h3', 'h4', 'h5', 'h6', 'hr', 'li', 'ol', 'p', 'pre', 'span',
    'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul',
  ],
  ALLOWED_ATTR: ['align', 'class', 'href', 'start', 'title'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: /** @type {true} */ (true),
};

/** @param {string} text */
function escape(text) {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** An outline below the column's own heading (h2), without a step left out. */
export class Outline {
  constructor(last = 2) {
    this.last = last;
  }

  /** @param {number} depth */
  level(depth) {
    this.last = Math.min(depth + 2, this.last + 1, 6);
    return this.last;
  }
}

let outline = new Outline();

/**
 * Bold, italic and struck words that begin or end with a bracket, a stop or another sign: beside Eastern letters, which
 * stand without spaces, CommonMark takes the stars for none there.
 */
const EASTERN = new RegExp(
  [
    /^(\*\*\*)(?![\s*])((?:[^*\n\\]|\\.){1,2000}?)(?<!\s)\*\*\*(?!\*)/,
    /^(\*\*)(?![\s*])((?:[^*\n\\]|\\.|\*(?!\*)){1,2000}?)(?<![\s*])\*\*(?!\*)/,
    /^(\*)(?![\s*])((?:[^*\n\\]|\\.|\*\*(?!\*)){1,2000}?)(?<![\s*])\*(?!\*)/,
    /^(~~)(?![\s~])((?:[^~\n\\]|\\.){1,2000}?)(?<!\s)~~(?!~)/,
  ]
    .map(({ source }) => source)
    .join('|'),
);
const EASTERN_SIGN = /^[\u3000-\u303f\uff00-\uff65“‘]|[\u3000-\u303f\uff00-\uff65”’]$/;
const EASTERN_LETTER = /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}ー]/u;
const SIGN_FIRST = /^[\p{P}\p{S}]/u;
const SIGN_LAST = /[\p{P}\p{S}]$/u;

/**
 * Whether CommonMark would not see that *inner* is marked.
 * @param {string} before
 * @param {string} inner
 * @param {string} after
 */
function isEastern(before, inner, after) {
  if (EASTERN_SIGN.test(inner)) return true;
  return (SIGN_FIRST.test(inner) && EASTERN_LETTER.test(before)) || (SIGN_LAST.test(inner) && EASTERN_LETTER.test(after));
}

/**
 * A formula in TeX, whose backslashes and stars are its own. Between single dollars it is one only if neither touches a
 * space and no digit follows, as Pandoc has it: else sums of money would be.
 */
const FORMULA =
  /^(?:\\\([^]+?\\\)|\\\[[^]+?\\\]|\\begin\{([a-z]+\*?)\}[^]+?\\end\{\1\}|\$\$[^$]+?\$\$|\$(?![\s$])(?:[^$\\\n]|\\.){1,300}(?<![\s\\])\$(?![\d$]))/;

/** The same by itself, over lines that would begin lists or headings. One that is not closed yet goes to the next empty line. */
const FORMULA_BLOCK =
  /^ {0,3}(?:(\$\$)(?:(?!\n[ \t]*\n|\$\$)[^])*|(\\\[)(?:(?!\n[ \t]*\n|\\\])[^])*|\\begin\{([a-z]+\*?)\}(?:(?!\n[ \t]*\n|\\end\{\3\})[^])*)(\$\$|\\\]|\\end\{\3\}|$(?![^]))/;

const TAGS = { '*': ['em'], '**': ['strong'], '***': ['strong', 'em'], '~~': ['del'] };

/** @type {import('../../vendor/marked.js').TokenizerAndRendererExtension[]} */
const EXTENSIONS = [
  {
    name: 'eastern',
    level: 'inline',
    start: (text) => /[*~]/.exec(text)?.index,
    tokenizer(text, tokens) {
      const [raw = '', ...found] = EASTERN.exec(text) ?? [];
      const [signs = '', inner = ''] = found.filter((each) => each !== undefined);
      const before = /** @type {Token[]} */ (tokens).at(-1)?.raw.at(-1) ?? '';
      if (raw === '' || !isEastern(before, inner, text.charAt(raw.length))) return undefined;
      return { type: 'eastern', raw, signs, tokens: this.lexer.inlineTokens(inner) };
    },
    renderer({ signs, tokens = [] }) {
      return /** @type {Record<string, string[]>} */ (TAGS)[signs]?.reduce((inner, tag) => `<${tag}>${inner}</${tag}>`, this.parser.parseInline(tokens)) ?? '';
    },
  },
  {
    name: 'formulaBlock',
    level: 'block',
    start: (text) => /\n {0,3}(?:\$\$|\\\[|\\begin\{)/.exec(text)?.index,
    tokenizer(text) {
      const [raw = '', , , , end = ''] = FORMULA_BLOCK.exec(text) ?? [];
      // What follows on the same line makes it a part of a paragraph.
      const rest = text.slice(raw.length);
      if (raw === '' || /^[ \t]*\S/.test(rest)) return undefined;
      return { type: 'formulaBlock', raw, closed: end !== '' };
    },
    renderer: ({ raw, closed }) => `<p>${closed ? `<span class="formula">${escape(raw.trim())}</span>` : escape(raw)}</p>\n`,
  },
  {
    name: 'formula',
    level: 'inline',
    start: (text) => /\\(?:[([]|begin\{)|\$/.exec(text)?.index,
    tokenizer(text) {
      const raw = FORMULA.exec(text)?.[0];
      return raw === undefined ? undefined : { type: 'formula', raw };
    },
    renderer: ({ raw }) => `<span class="formula">${escape(raw)}</span>`,
  },
];

/** Plain functions: marked takes a renderer's own properties, and a class has its methods elsewhere. */
const marked = new Marked({
  gfm: true,
  extensions: EXTENSIONS,
  renderer: {
    html: ({ text }) => escape(text),
    heading({ tokens, depth }) {
      const level = outline.level(depth);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`;
    },
    image: ({ href, text }) => `<a href="${escape(href)}" title="An image, not loaded">🖼 ${escape(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
  },
});

/** Deeper quotes and lists are shown as text: the lexer calls itself for each level, and a browser's layout does. */
const MAX_BLOCK_DEPTH = 16;
const MAX_INLINE_DEPTH = 12;

/** A piece with more signs that might be emphasis, links or code is shown as text: each of them looks at all others. */
const MAX_SIGNS = 800;

/** Cuts text into tokens that are nested no deeper than can be drawn. */
class BoundedLexer extends marked.Lexer {
  #blocks = 0;
  #inlines = 0;

  /**
   * @override
   * @param {string} text
   * @param {any} [tokens]
   * @param {boolean} [clipped]
   * @returns {any}
   */
  blockTokens(text, tokens = [], clipped = false) {
    if (this.#blocks >= MAX_BLOCK_DEPTH) return plain(text, tokens);
    this.#blocks += 1;
    try {
      return super.blockTokens(text, tokens, clipped);
    } finally {
      this.#blocks -= 1;
    }
  }

  /**
   * @override
   * @param {string} text
   * @param {Token[]} [tokens]
   */
  inlineTokens(text, tokens = []) {
    if (this.#inlines >= MAX_INLINE_DEPTH || (this.#inlines === 0 && signs(text) > MAX_SIGNS)) return plain(text, tokens);
    this.#inlines += 1;
    try {
      return super.inlineTokens(text, tokens);
    } finally {
      this.#inlines -= 1;
    }
  }
}

/**
 * @param {string} text
 * @param {Token[]} tokens
 */
function plain(text, tokens) {
  if (text !== '') tokens.push({ type: 'text', raw: text, text, escaped: false });
  return tokens;
}

/** @param {string} text */
const signs = (text) => text.match(/[*_~`[]/g)?.length ?? 0;

/**
 * Cut *text* into tokens; definitions of links are added to *links*.
 * @param {string} text
 * @param {LinkDefinitions} links
 * @returns {Token[]}
 */
export function lex(text, links) {
  const lexer = new BoundedLexer(marked.defaults);
  lexer.tokens.links = links;
  const tokens = lexer.lex(text);
  for (const token of tokens) if (token.type === 'table') keepCells(/** @type {any} */ (token), lexer);
  return tokens;
}

/**
 * Add to a row's last cell what stands beyond its table's head, which Markdown leaves out: `$|x|$` has such signs.
 * @param {{raw: string, rows: {text: string, tokens: Token[]}[][]}} table
 * @param {BoundedLexer} lexer
 */
function keepCells({ raw, rows }, lexer) {
  const lines = raw.split('\n').slice(2);
  for (const [n, cells] of rows.entries()) {
    const more = (lines[n] ?? '').trim().replace(/^\||(?<!\\)\|$/g, '').split(/(?<!\\)\|/).slice(cells.length);
    const last = cells.at(-1);
    if (last && more.length > 0) last.tokens = lexer.inlineTokens((last.text += ` |${more.join('|')}`));
  }
}

/**
 * Make elements of *tokens*. *within* goes on from block to block.
 * @param {Token[]} tokens
 * @param {Outline} within
 * @param {(language: string, text: string) => Element} finishedCode Shows code inside of lists and quotes.
 */
export function render(tokens, within, finishedCode) {
  outline = within;
  const fragment = sanitize(/** @type {string} */ (marked.parser(tokens)));
  for (const link of fragment.querySelectorAll('a[href]')) {
    link.setAttribute('target', '_blank');
    link.setAttribute('rel', 'noopener noreferrer nofollow');
  }
  for (const code of fragment.querySelectorAll('pre > code')) {
    const language = /^language-(\S+)$/.exec(code.className)?.[1] ?? '';
    code.parentElement?.replaceWith(finishedCode(language, code.textContent ?? ''));
  }
  for (const item of fragment.querySelectorAll('li')) {
    if (/^\s*[☑☐]/.test(item.textContent ?? '')) item.classList.add('task');
  }
  drawFormulas(fragment);
  for (const table of fragment.querySelectorAll('table')) table.replaceWith(scroller(table));
  // Arabic and Hebrew begin at the right, whatever the column's other blocks do.
  for (const block of fragment.children) block.setAttribute('dir', 'auto');
  return fragment;
}

/** Fetched with the first formula; until then they are shown as they were written. @type {typeof import('./formula.js') | null} */
let formulas = null;

/** @param {DocumentFragment} fragment */
function drawFormulas(fragment) {
  if (fragment.querySelector('.formula') === null) return;
  if (formulas !== null) return formulas.drawFormulas(fragment);
  import('./formula.js').then((fetched) => (formulas = fetched).drawFormulas(document), () => {});
}

/**
 * The only place where markup becomes elements.
 * @param {string} markup
 * @returns {DocumentFragment}
 */
export function sanitize(markup) {
  return DOMPurify.sanitize(markup, ALLOWED);
}

/** @param {Element} table */
function scroller(table) {
  const box = document.createElement('div');
  box.className = 'table';
  box.tabIndex = 0;
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', 'Table');
  box.append(table.cloneNode(true));
  return box;
}
