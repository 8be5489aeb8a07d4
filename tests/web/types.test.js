/** The client's types: strict tsc takes the sources, and the declarations that ship are those of the sources. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const shipped = fileURLToPath(new URL('../../orchestrator/web/client/types', import.meta.url));
const tsc = join(here, 'node_modules', '.bin', 'tsc');
const missing = !existsSync(tsc) && !process.env.CI && 'npm ci in tests/web brings tsc';

/** @param {string} folder */
function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) => (entry.isFile() ? [relative(folder, join(entry.parentPath, entry.name))] : [])).sort();
}

/** Run tsc; what it complains about becomes the assertion's text. */
function compile(...options) {
  try {
    execFileSync(tsc, options, { cwd: here, encoding: 'utf8' });
  } catch (error) {
    assert.fail(error.stdout || String(error));
  }
}

test('tsc --strict takes the sources', { skip: missing }, () => compile('-p', 'tsconfig.json'));

test('a TypeScript program can use the declarations', { skip: missing }, () => compile('-p', 'tsconfig.usage.json'));

test('the declarations are those of the sources; `npm run types` renews them', { skip: missing }, () => {
  const made = mkdtempSync(join(tmpdir(), 'types-'));
  try {
    compile('-p', 'tsconfig.types.json', '--outDir', made);
    assert.deepEqual(filesIn(shipped), filesIn(made));
    for (const name of filesIn(made)) {
      assert.equal(readFileSync(join(shipped, name), 'utf8'), readFileSync(join(made, name), 'utf8'), name);
    }
  } finally {
    rmSync(made, { recursive: true });
  }
});

test('the lock names no registry', () => {
  assert.doesNotMatch(readFileSync(join(here, 'package-lock.json'), 'utf8'), /https?:\/\/(?!opencollective|github)/);
});
