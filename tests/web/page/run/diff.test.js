/** Covers page/run/diff.js: a difference gives both texts back. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { diffWords } from '../../../../orchestrator/web/page/run/diff.js';
import { seeded } from '../../support/harness.js';

test('a difference gives both texts back, and is small where they are alike', () => {
  const random = seeded(7);
  const words = () => Array.from({ length: random(40) }, () => 'abcdef'[random(6)]).join([' ', '\n', ', '][random(3)]);
  for (let round = 0; round < 500; round += 1) {
    const [before, after] = [words(), words()];
    const parts = diffWords(before, after);
    const without = (kind) => parts.filter((part) => part.kind !== kind).map(({ text }) => text).join('');
    assert.equal(without('removed'), after);
    assert.equal(without('added'), before);
  }
  assert.deepEqual(diffWords('the old cat sat', 'the new dog sat'), [
    { kind: 'same', text: 'the ' },
    { kind: 'removed', text: 'old cat' },
    { kind: 'added', text: 'new dog' },
    { kind: 'same', text: ' sat' },
  ]);
  assert.deepEqual(diffWords('same', 'same'), [{ kind: 'same', text: 'same' }]);
  assert.deepEqual(diffWords('', ''), []);
});

test('texts with nothing in common are compared quickly', { timeout: 60_000 }, () => {
  const text = (mark) => Array.from({ length: 20_000 }, (_, n) => `${mark}${n}`).join(' ');
  const parts = diffWords(text('a'), text('b'));
  assert.deepEqual(parts.map(({ kind }) => kind), ['removed', 'added']);
});
