/** Covers the page's libraries: what is vendored is what the packages hold, with licences. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';

import { folder, sha256, wanted } from './vendor.js';

const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));

/** @param {string} where */
function* filesIn(where) {
  for (const name of readdirSync(where)) {
    const path = join(where, name);
    if (statSync(path).isDirectory()) yield* filesIn(path);
    else yield path;
  }
}

test('every vendored file is in the manifest, with the hash it says', () => {
  const found = [...filesIn(folder)].map((path) => relative(folder, path));
  const kept = found.filter((file) => file !== 'manifest.json' && !file.endsWith('.d.ts'));
  assert.deepEqual(kept.sort(), manifest.map((row) => row.file).sort());
  for (const { file, sha256: hash } of manifest) assert.equal(sha256(readFileSync(join(folder, file))), hash, file);
});

test('vendored files are the packages, byte for byte but for what the manifest names', () => {
  assert.deepEqual(wanted().map(({ row }) => row), manifest);
});

test('every package comes with its licence', () => {
  const licensed = manifest.filter((row) => row.file.startsWith('licences/')).map((row) => row.package);
  assert.deepEqual(new Set(licensed), new Set(manifest.map((row) => row.package)));
  for (const { licence } of manifest) assert.match(licence, /MIT|Apache-2\.0|BSD-3-Clause/);
});

test('no vendored file names another address to load from', () => {
  for (const path of filesIn(folder)) {
    if (path.endsWith('.js')) assert.doesNotMatch(readFileSync(path, 'utf8'), /\b(?:import|from)\s*\(?\s*["']https?:/, path);
  }
});
