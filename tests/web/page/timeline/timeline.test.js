/** Covers page/timeline/timeline.js: who spoke when, from events alone. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Timeline, ticks } from '../../../../orchestrator/web/page/timeline/timeline.js';
import { EVENTS } from '../../support/two-agents.js';

test('a timeline tells work, speech with its pauses, first tokens of each attempt, and ends', () => {
  const timeline = new Timeline();
  for (const event of EVENTS) timeline.add(event);
  const [a, b] = [timeline.lanes.get('a'), timeline.lanes.get('b')];
  assert.deepEqual(a.work, [{ from: 10, to: 910 }]);
  assert.deepEqual(a.speech, [{ from: 110, to: 200 }, { from: 800, to: 800 }]);
  assert.deepEqual(a.marks, [{ t: 110, kind: 'first' }, { t: 910, kind: 'done' }]);
  assert.deepEqual(b.work, [{ from: 10, to: 150 }, { from: 250, to: 850 }]);
  assert.deepEqual(b.marks.map(({ kind }) => kind), ['first', 'retry', 'first', 'error']);
  assert.equal(timeline.end, 920);
});

test('work that goes on reaches up to now', () => {
  const timeline = new Timeline();
  for (const event of EVENTS.slice(0, 4)) timeline.add(event);
  assert.deepEqual(timeline.work(timeline.lanes.get('a'), 500), [{ from: 10, to: 500 }]);
});

test('an axis has round times', () => {
  assert.deepEqual(ticks(920), [0, 200, 400, 600, 800]);
  assert.deepEqual(ticks(65_000, 6), [0, 20_000, 40_000, 60_000]);
});
