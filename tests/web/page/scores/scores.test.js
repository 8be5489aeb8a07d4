/** Covers page/scores/scores.js: where the plot puts what. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { scaleOf } from '../../../../orchestrator/web/page/scores/scores.js';

test('the plot holds every interval and marks round ratings', () => {
  for (const [low, high] of [[950, 1050], [319, 1680], [-740, 2740]]) {
    const { at, marks } = scaleOf([{ low: low ?? 0, high: high ?? 0 }]);
    assert.ok(at(low ?? 0) >= 190 && at(high ?? 0) <= 680);
    assert.ok(marks.length >= 3 && marks.length <= 9, `${marks}`);
    assert.ok(marks.every((mark) => at(mark) >= 190 && at(mark) <= 680 && mark % 50 === 0));
  }
  assert.ok(scaleOf([]).marks.includes(1000));
});
