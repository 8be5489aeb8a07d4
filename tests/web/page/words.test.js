/** Covers page/words.js: states and numbers in words. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { duration, figures, money, when } from '../../../orchestrator/web/page/words.js';
import { METRICS, replayed } from '../support/two-agents.js';

test('numbers are measured where they can be, and marked where they are guessed', () => {
  const value = (agent, now, label) => figures(agent, now).find((figure) => figure.label === label).value;
  const live = replayed(850).getAgent('a');
  assert.equal(value(live, 850, 'first'), '100 ms');
  assert.equal(value(live, 850, 'tokens'), '≈3');
  assert.equal(value(live, 850, 'tok/s'), '≈4');
  assert.equal(value(live, 850, 'time'), '0.8 s');
  const done = replayed(920).getAgent('a');
  assert.equal(value(done, 920, 'tokens'), '9');
  assert.equal(value(done, 920, 'tok/s'), '13');
  assert.equal(value(done, 920, 'cost'), '–', 'no price, no cost');
  assert.equal(value({ ...done, metrics: { ...METRICS, cost: 0.00213 } }, 920, 'cost'), '$0.0021');
});

test('times are as short as they can be', () => {
  assert.equal(duration(1_234), '1.2 s');
  assert.equal(duration(125_000), '2:05 min');
  assert.equal(money(1.5), '$1.50');
  assert.equal(when(0, 20_000), 'just now');
  assert.equal(when(0, 600_000), '10 min ago');
});
