/**
 * Copies the page's libraries out of `node_modules` and writes their manifest: file, package, version, licence and
 * SHA-256. Run `npm run vendor` after changing a version in `package.json`; `vendor.test.js` holds both together.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, 'node_modules');
export const folder = join(here, '../../orchestrator/web/vendor');

const HIGHLIGHT = '@highlightjs/cdn-assets';

/** What `highlight.js` knows. typescript stands for JavaScript too, xml for HTML. */
export const LANGUAGES = ['bash', 'diff', 'go', 'json', 'python', 'rust', 'sql', 'typescript', 'xml', 'yaml'];

/**
 * Our file, the package, its file, and what has to be replaced: browsers know no bare `preact` without an inline
 * import map, which the page's policy forbids.
 */
const FILES = [
  ['preact.js', 'preact', 'dist/preact.mjs'],
  ['preact-hooks.js', 'preact', 'hooks/dist/hooks.mjs', ['from"preact"', 'from"./preact.js"']],
  ['htm.js', 'htm', 'dist/htm.mjs'],
  ['marked.js', 'marked', 'lib/marked.esm.js'],
  ['purify.js', 'dompurify', 'dist/purify.es.mjs'],
  ['temml.js', 'temml', 'dist/temml.mjs'],
  ['highlight/core.js', HIGHLIGHT, 'es/core.min.js'],
  ...LANGUAGES.map((name) => [`highlight/${name}.js`, HIGHLIGHT, `es/languages/${name}.min.js`]),
];

/** Types for `tsc` alone: the packages' own, found in `node_modules` by tsconfig.page.json. */
const TYPES = {
  'preact.d.ts': "export * from 'preact';\n",
  'preact-hooks.d.ts': "export * from 'preact/hooks';\n",
  // htm's own are those of a CommonJS module.
  'htm.d.ts':
    'type Make<T> = (type: any, props: any, ...children: any[]) => T;\n' +
    'declare const htm: { bind<T>(make: Make<T>): (strings: TemplateStringsArray, ...values: any[]) => T | T[] };\n' +
    'export default htm;\n',
  'marked.d.ts': "export * from 'marked';\n",
  'purify.d.ts': "export { default } from 'dompurify';\n",
  'temml.d.ts': 'declare const temml: { render(tex: string, box: Element, options: object): void };\nexport default temml;\n',
  'highlight/core.d.ts': 'declare const hljs: any;\nexport default hljs;\n',
  ...Object.fromEntries(
    LANGUAGES.map((name) => [`highlight/${name}.d.ts`, 'declare const grammar: unknown;\nexport default grammar;\n']),
  ),
};

const LICENCES = [
  ['licences/preact.txt', 'preact', 'LICENSE'],
  ['licences/htm.txt', 'htm', 'LICENSE'],
  ['licences/marked.txt', 'marked', 'LICENSE'],
  ['licences/dompurify.txt', 'dompurify', 'LICENSE'],
  ['licences/temml.txt', 'temml', 'LICENSE'],
  ['licences/highlight.txt', HIGHLIGHT, 'LICENSE'],
];

/** @param {string | Buffer} bytes */
export function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Return every file as it has to be: its name here, its bytes, and its row of the manifest. */
export function wanted() {
  return [...FILES, ...LICENCES].map(([file, name, source, change]) => {
    const about = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'));
    const original = readFileSync(join(modules, name, source));
    const bytes = change ? Buffer.from(replaced(original.toString(), change)) : original;
    const row = { file, package: name, version: about.version, licence: about.license, source, sha256: sha256(bytes) };
    return { file, bytes, row: change ? { ...row, source_sha256: sha256(original), replaced: change } : row };
  });
}

/**
 * @param {string} text
 * @param {[string, string]} change
 */
function replaced(text, [before, after]) {
  if (text.split(before).length !== 2) throw new Error(`expected ${before} once`);
  return text.replace(before, after);
}

function write() {
  rmSync(folder, { recursive: true, force: true });
  const files = wanted();
  for (const { file, bytes } of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), bytes);
  }
  for (const [file, text] of Object.entries(TYPES)) writeFileSync(join(folder, file), text);
  writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify(files.map(({ row }) => row), null, 2)}\n`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) write();
