/** Covers page/ask/methods.js: a choice becomes a request, and says what it lacks. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NO_PANEL, inline, requestOf, tooFew, usualModerator } from '../../../../orchestrator/web/page/ask/methods.js';

const info = (id) => ({ agent_id: id, title: id.toUpperCase(), backend: 'offline', model: null });

test('a request names the agents, and a configured panel with its own members by its id alone', () => {
  const panels = [{ panel_id: 'council', title: 'Council', method: 'moderator', members: ['a', 'b'], moderator: 'm' }];
  assert.deepEqual(requestOf(NO_PANEL, ['a'], panels), { agents: ['a'] });
  assert.deepEqual(requestOf({ ...NO_PANEL, panel: 'council' }, ['b', 'a'], panels), { panel: 'council' });
  assert.deepEqual(requestOf({ ...NO_PANEL, panel: 'council' }, ['a'], panels), { agents: ['a'], panel: 'council' });
  assert.deepEqual(requestOf({ panel: '', method: 'judge', moderator: 'm' }, ['a', 'b'], panels), { agents: ['a', 'b'], panel: { method: 'judge', moderator: 'm' } });
  assert.deepEqual(inline('vote', 'm'), { method: 'vote' }, 'nobody moderates a vote');
  assert.deepEqual(inline('debate', ''), { method: 'debate' });
  assert.equal(tooFew('rank', 2), 'Ranking needs 3 agents that answer.');
  assert.deepEqual([tooFew('rank', 3), tooFew('', 0)], [null, null]);
  const agents = ['a', 'b', 'm'].map(info);
  assert.equal(usualModerator(agents, panels, ['a', 'b']), 'm');
  assert.equal(usualModerator(agents.slice(0, 2), panels, ['a']), 'b');
});
