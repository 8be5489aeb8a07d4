/** Covers how the web folder is divided: which room may import from which, and that each file says what it does. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const web = fileURLToPath(new URL('../../orchestrator/web', import.meta.url));

/** Room → the rooms whose code it may import beside its own; the longest prefix counts. */
const MAY_IMPORT = {
  'client/wire': [],
  'client/state': ['client/wire'],
  'client/sharing': ['client/wire'],
  client: ['client/wire', 'client/state', 'client/sharing'],
  page: ['client', 'client/wire', 'client/state', 'client/sharing', 'vendor'],
};

/** Shapes alone, without a line of code: every room of the client may name them. */
const TYPES = 'client/types.js';

const MAX_LINES = 400;

const sources = ['client', 'page'].flatMap((folder) =>
  readdirSync(join(web, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .map((name) => join(folder, name)),
);
const text = new Map(sources.map((path) => [path, readFileSync(join(web, path), 'utf8')]));

/** @param {string} path */
function roomOf(path) {
  const found = Object.keys(MAY_IMPORT).filter((room) => path.startsWith(`${room}/`));
  return found.sort((a, b) => b.length - a.length)[0] ?? path.split('/')[0];
}

/**
 * What a file imports of ours, by its path below `web`: code, and in types' comments.
 * @param {string} path
 * @param {RegExp} pattern
 */
function importsOf(path, pattern) {
  const found = (text.get(path) ?? '').matchAll(pattern);
  return [...found].map(([, address]) => address).filter((address) => address?.startsWith('.'))
    .map((address) => relative(web, join(web, dirname(path), address)));
}

const ANY = /(?:from|import\(|import|URL\()\s*'([^']+)'/g;
const AT_ONCE = /^(?:import|export)\b[^;]*?'([^']+)';/gm;

test('each room imports only what is below it', () => {
  const wrong = sources.flatMap((path) => {
    const room = roomOf(path);
    return importsOf(path, ANY)
      .filter((target) => target !== TYPES && roomOf(target) !== room && !MAY_IMPORT[room].includes(roomOf(target)))
      .map((target) => `${path} imports ${target}`);
  });
  assert.deepEqual(wrong, []);
});

test('the rule finds what it forbids', () => {
  const forbidden = (path, line) => {
    text.set(path, line);
    const found = importsOf(path, ANY).filter((target) => !MAY_IMPORT[roomOf(path)].includes(roomOf(target)));
    text.delete(path);
    return found;
  };
  assert.deepEqual(forbidden('client/wire/x.js', "import { reduce } from '../state/store.js';"), ['client/state/store.js']);
  assert.deepEqual(forbidden('client/wire/x.js', "/** @type {import('../run.js').Run} */"), ['client/run.js']);
  assert.deepEqual(forbidden('client/x.js', "const part = await import('../page/app.js');"), ['page/app.js']);
  assert.deepEqual(forbidden('client/state/x.js', "import '../sharing/shared.js';"), ['client/sharing/shared.js']);
});

test('no module waits for itself: imports make no circle', () => {
  /** @type {Map<string, 'open' | 'done'>} */
  const seen = new Map();
  const visit = (path, way) => {
    if (seen.get(path) === 'done') return;
    assert.ok(seen.get(path) !== 'open', [...way, path].join(' → '));
    seen.set(path, 'open');
    for (const target of importsOf(path, AT_ONCE)) if (text.has(target)) visit(target, [...way, path]);
    seen.set(path, 'done');
  };
  for (const path of sources) visit(path, []);
  assert.ok(importsOf('client/run.js', AT_ONCE).includes('client/state/store.js'), 'imports are found');
});

test('a file says first what it does', () => {
  for (const [path, source] of text) {
    const [, first = ''] = /^\/\*\*\s+(?:\* )?(\S+)/.exec(source) ?? [];
    assert.match(first, /^[A-Z`]/, `${path} begins without a sentence`);
    assert.notEqual(first, 'Owns', `${path} says what it owns, not what it does`);
  }
});

test('no file is longer than 400 lines', () => {
  for (const [path, source] of text) assert.ok(source.split('\n').length <= MAX_LINES, path);
});
