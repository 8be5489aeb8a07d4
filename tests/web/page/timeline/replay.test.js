/** Covers page/timeline/replay.js: a run that has ended, as it was at any time. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Replay } from '../../../../orchestrator/web/page/timeline/replay.js';
import { EVENTS, replayed } from '../../support/two-agents.js';

test('a replay is at any time what the run was then', () => {
  assert.equal(replayed(0).getAgent('a').status, 'queued');
  assert.equal(replayed(130).getAgent('b').text, 'lost');
  assert.equal(replayed(160).getAgent('b').text, '', 'a retry voids what was said');
  const replay = replayed(920);
  assert.equal(replay.getSnapshot().status, 'partial');
  assert.equal(replay.getAgent('a').text, '# Hi\nthere!');
  replay.seek(130);
  assert.equal(replay.getAgent('a').text, '# Hi\n', 'and back');
});

test('a replay plays at its own timing, times its speed', async () => {
  const replay = new Replay(EVENTS, { id: 'run_1', message: 'Why?' });
  replay.setSpeed(5);
  const start = performance.now();
  await new Promise((resolve) => {
    replay.subscribe(() => replay.getSnapshot().status === 'partial' && !replay.getView().playing && resolve());
    replay.play();
  });
  assert.ok(performance.now() - start >= 920 / 5 - 1);
});

test('a replay begins with who takes part, however late that was told', () => {
  const late = EVENTS.map((event) => ({ ...event, t: event.t + 3 }));
  const replay = new Replay(late, { id: 'run_1', message: 'Why?' });
  assert.ok(replay.getSnapshot().agentIds.length > 0);
  replay.seek(replay.length);
  replay.seek(0);
  assert.ok(replay.getSnapshot().agentIds.length > 0);
});
