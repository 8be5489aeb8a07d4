/** Covers the addresses that people import the client from: they give the same, wherever its modules lie. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const web = fileURLToPath(new URL('../../orchestrator/web', import.meta.url));

/** @param {string} path */
const load = (path) => import(join(web, path));

/** @param {string} path */
const json = (path) => JSON.parse(readFileSync(join(web, path), 'utf8'));

for (const [address, module] of [['client.js', 'client/client.js'], ['parser.js', 'client/wire/parser.js']]) {
  test(`${address} is ${module}`, async () => {
    const [handedOn, original] = await Promise.all([load(address), load(module)]);
    assert.deepEqual({ ...handedOn }, { ...original });
    assert.ok(Object.keys(original).length > 0);
  });
}

test('the package is the same, installed from `client` or from the folder above it', () => {
  const { exports, sideEffects, ...about } = json('client/package.json');
  const { exports: above, sideEffects: effectsAbove, ...aboutAbove } = json('package.json');
  assert.deepEqual(aboutAbove, about);
  const moved = JSON.parse(JSON.stringify(exports).replaceAll('"./', '"./client/').replace(/"\.\/client\/([\w.-]+)":/g, '"./$1":'));
  assert.deepEqual(above, moved);
  assert.deepEqual(Object.keys(exports), ['.', './parser', './react', './shared-worker.js'], 'what programs import');
  for (const path of [...JSON.stringify(above).matchAll(/"(\.\/client\/[^"]+)"/g)].map(([, path]) => path)) {
    assert.ok(existsSync(join(web, path)), path);
  }
  for (const path of effectsAbove) assert.ok(existsSync(join(web, path)), path);
  for (const path of sideEffects) assert.ok(existsSync(join(web, 'client', path)), path);
});

test('what moved is where the table says, with the names that it had', () => {
  for (const [address, { to, names = {} }] of Object.entries(json('moved.json'))) {
    assert.ok(!existsSync(join(web, address)), `${address} is a module again`);
    const source = readFileSync(join(web, to), 'utf8');
    for (const name of Object.values(names)) assert.match(source, new RegExp(`^export (?:class|const|function) ${name}\\b`, 'm'), to);
  }
});
