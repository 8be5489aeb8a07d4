/** Owns which languages are coloured. Gives markup that still has to pass `markdown.js`'s sanitizer. */

import hljs from '../vendor/highlight/core.js';
import bash from '../vendor/highlight/bash.js';
import diff from '../vendor/highlight/diff.js';
import go from '../vendor/highlight/go.js';
import json from '../vendor/highlight/json.js';
import python from '../vendor/highlight/python.js';
import rust from '../vendor/highlight/rust.js';
import sql from '../vendor/highlight/sql.js';
import typescript from '../vendor/highlight/typescript.js';
import xml from '../vendor/highlight/xml.js';
import yaml from '../vendor/highlight/yaml.js';

const LANGUAGES = { bash, diff, go, json, python, rust, sql, typescript, xml, yaml };
for (const [name, grammar] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, grammar);
hljs.registerAliases(['js', 'javascript', 'jsx', 'mjs'], { languageName: 'typescript' });
hljs.registerAliases(['shell', 'console', 'zsh'], { languageName: 'bash' });

/**
 * Colour *code*; null where the language is not known.
 * @param {string} code
 * @param {string} language
 * @returns {string | null} Markup.
 */
export function highlight(code, language) {
  if (!hljs.getLanguage(language)) return null;
  return hljs.highlight(code, { language, ignoreIllegals: true }).value;
}
