/** Covers orchestrator/web/page/run/branch-lookup.js: where a run stands among the branches of its conversation. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { placeOf } from '../../../../orchestrator/web/page/run/branch-lookup.js';

/** Runs in the order of asking, each with what it goes on from; as the server lists them, newest first. */
const listed = (runs) => Object.entries(runs).map(([run_id, after]) => (after === null ? { run_id } : { run_id, after })).reverse();

test('without branches the runs before are those that led here', () => {
  assert.deepEqual(placeOf(listed({ a: null, b: null, c: null }), 'b'), { path: ['a', 'b'], branches: {} });
  assert.deepEqual(placeOf(listed({ a: 'start', b: 'a', c: 'b' }), 'c'), { path: ['a', 'b', 'c'], branches: {} });
});

test('of what was asked in one place each way leads to the newest run that goes on from it', () => {
  const runs = listed({ a: null, b: null, c: null, b2: 'a', c2: 'b2', a2: 'start', b3: 'a' });
  assert.deepEqual(placeOf(runs, 'c'), { path: ['a', 'b', 'c'], branches: { a: ['c', 'a2'], b: ['c', 'c2', 'b3'] } });
  assert.deepEqual(placeOf(runs, 'c2'), { path: ['a', 'b2', 'c2'], branches: { a: ['c2', 'a2'], b2: ['c', 'c2', 'b3'] } });
  assert.deepEqual(placeOf(runs, 'a2'), { path: ['a2'], branches: { a2: ['b3', 'a2'] } });
});

test('a run that was deleted leaves those that went on from it beside each other', () => {
  assert.deepEqual(placeOf(listed({ b: 'gone', b2: 'gone', c: 'b' }), 'c'), { path: ['b', 'c'], branches: { b: ['c', 'b2'] } });
});

test('whatever a server lists, the way ends', () => {
  assert.deepEqual(placeOf(listed({ a: 'b', b: 'a' }), 'a').path.at(-1), 'a');
  assert.deepEqual(placeOf([], 'a'), { path: ['a'], branches: {} });
});
