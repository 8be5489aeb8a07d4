/** Covers the page's bundle: it is what the sources give, and stays small. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';

import { bundle, folder, minifyStyle, packed } from './bundle.js';

/** With room for one language's grammar: what a browser fetches in all is measured by tests/browser/test_weight.py. */
const MAX_PAGE_BYTES = 89_000;

/** @type {Map<string, string>} */
let made;
before(async () => {
  made = await bundle();
});

/** @param {RegExp} pattern */
const weigh = (pattern) =>
  [...made].reduce((sum, [name, text]) => sum + (pattern.test(name) ? packed(text) : 0), 0);

test('the bundle is what the sources give: else run `npm run bundle`', () => {
  assert.deepEqual(readdirSync(folder).sort(), [...made.keys()].sort());
  for (const [name, text] of made) {
    // Not assert.equal: its message would be the whole of both.
    assert.ok(readFileSync(join(folder, name), 'utf8') === text, `${name} is not what the sources give`);
  }
});

test('files are named by their sources, so that a changed line renames none', () => {
  for (const name of made.keys()) assert.match(name, /^[a-z]+(-[a-z]+)*\.(js|css|svg|html)$/, 'rollup numbers what has one name');
  for (const name of ['index.html', 'page.js', 'page.css', 'icon.svg', 'shared.js', 'shared-worker.js']) assert.ok(made.has(name), name);
});

test('the markup names the bundle, and nothing of the sources', () => {
  const addresses = [...(made.get('index.html') ?? '').matchAll(/(?:src|href)="web\/([^"]*)"/g)].map(([, path]) => path ?? '');
  assert.equal(addresses.length, 4);
  for (const path of addresses) assert.ok(path.startsWith('bundle/') && made.has(path.slice('bundle/'.length)), path);
});

test('what every visit fetches stays small, compressed', (t) => {
  const grammars = weigh(/^highlight-/);
  const page = weigh(/^(index|page|shared|shared-worker|icon|answer-highlight)\./);
  const all = weigh(/./);
  t.diagnostic(`page ${page}, opened rarely ${all - page - grammars}, languages ${grammars}, everything ${all} bytes`);
  assert.ok(page < MAX_PAGE_BYTES, `${page} bytes`);
});

test('a minified style keeps what its spaces mean', () => {
  const style = '/* why */\na :hover , b > c {\n  margin: 0 -1px;\n  content: \'▸\';\n}\n@media (max-width: 9px) and (hover) { p { top: calc(1px + 2%) } }\n';
  assert.equal(
    minifyStyle(style),
    "a :hover,b > c{margin:0 -1px;content:'▸'}@media (max-width:9px) and (hover){p{top:calc(1px + 2%)}}\n",
  );
});
