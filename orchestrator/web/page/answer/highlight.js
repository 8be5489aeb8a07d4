/** Colours code in the languages that it knows. */

import hljs from '../../vendor/highlight/core.js';

/** Each is fetched with the first code that is written in it: no answer holds them all. */
const GRAMMARS = {
  bash: () => import('../../vendor/highlight/bash.js'),
  diff: () => import('../../vendor/highlight/diff.js'),
  go: () => import('../../vendor/highlight/go.js'),
  json: () => import('../../vendor/highlight/json.js'),
  python: () => import('../../vendor/highlight/python.js'),
  rust: () => import('../../vendor/highlight/rust.js'),
  sql: () => import('../../vendor/highlight/sql.js'),
  typescript: () => import('../../vendor/highlight/typescript.js'),
  xml: () => import('../../vendor/highlight/xml.js'),
  yaml: () => import('../../vendor/highlight/yaml.js'),
};

/** @typedef {keyof typeof GRAMMARS} Name */

/** Other names of a language, and languages that its grammar does for. @type {Record<Name, string>} */
const ALIASES = {
  bash: 'console sh shell zsh',
  diff: 'patch',
  go: 'golang',
  json: 'json5 jsonc jsonl',
  python: 'py pycon',
  rust: 'rs',
  sql: 'postgresql sqlite',
  typescript: 'cjs javascript js jsx mjs mts ts tsx',
  xml: 'html svg xhtml',
  yaml: 'yml',
};

/** @type {Map<string, Name>} */
const NAMES = new Map();
for (const [name, others] of /** @type {[Name, string][]} */ (Object.entries(ALIASES))) {
  for (const alias of [name, ...others.split(' ')]) NAMES.set(alias, name);
}

/**
 * Fetch what colours *language*. Returns whether there is such a thing.
 * @param {string} language
 * @returns {Promise<boolean>}
 */
export async function learn(language) {
  const name = NAMES.get(language);
  if (name === undefined) return false;
  // A page's scripts are coloured too.
  await Promise.all([register(name), ...(name === 'xml' ? [register('typescript')] : [])]);
  return true;
}

/** @param {Name} name */
async function register(name) {
  if (hljs.getLanguage(name)) return;
  hljs.registerLanguage(name, (await GRAMMARS[name]()).default);
  hljs.registerAliases(ALIASES[name].split(' '), { languageName: name });
}

/** @param {string} language Whether `highlight` can colour it now. */
export function knows(language) {
  return hljs.getLanguage(language) !== undefined;
}

/**
 * Colour *code*; null if the language is not known, or not yet.
 * @param {string} code
 * @param {string} language
 * @returns {DocumentFragment | null}
 */
export function highlight(code, language) {
  if (!knows(language)) return null;
  // Of the result's tree elements are made at once: markup would have to be written, parsed and sanitized.
  const found = /** @type {any} */ (hljs.highlight(code, { language, ignoreIllegals: true }));
  const fragment = document.createDocumentFragment();
  fill(fragment, found._emitter.root.children);
  return fragment;
}

/** @typedef {{scope?: string, children: (Scope | string)[]}} Scope */

/**
 * @param {Node} parent
 * @param {(Scope | string)[]} children
 */
function fill(parent, children) {
  for (const child of children) {
    if (typeof child === 'string') {
      parent.appendChild(document.createTextNode(child));
    } else {
      const part = child.scope ? document.createElement('span') : parent;
      if (child.scope) {
        /** @type {HTMLElement} */ (part).className = classOf(child.scope);
        parent.appendChild(part);
      }
      fill(part, child.children);
    }
  }
}

/** `title.function` is `hljs-title function_`, as the library's own markup has it. @param {string} scope */
function classOf(scope) {
  if (scope.startsWith('language:')) return scope.replace('language:', 'language-');
  const [first = '', ...others] = scope.split('.');
  return [`hljs-${first}`, ...others.map((part, n) => part + '_'.repeat(n + 1))].join(' ');
}
