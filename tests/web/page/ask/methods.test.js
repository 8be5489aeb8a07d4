/** Covers page/ask/methods.js: a choice becomes a request, and says what it lacks. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NO_PANEL, inline, requestOf, tooFew, usualModerator, wishOf } from '../../../../orchestrator/web/page/ask/methods.js';

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

test('an address names agents, a panel or a method, and a question', () => {
  const agents = ['a', 'b', 'c'].map((agent_id) => ({ agent_id, title: agent_id }));
  const panels = [{ panel_id: 'council', title: 'Council', members: ['a', 'b'], moderator: 'c', method: 'moderator' }];
  const wish = (search) => wishOf(search, agents, panels);
  assert.deepEqual(wish('?agents=b,%20zz,a&q=Why%3F'), { agents: ['b', 'a'], panel: null, text: 'Why?', unknown: ['zz'] });
  assert.deepEqual(wish('?panel=council'), { agents: ['a', 'b'], panel: { panel: 'council', method: '', moderator: '' }, text: '', unknown: [] });
  assert.deepEqual(wish('?panel=vote&agents=a,c').panel, { panel: '', method: 'vote', moderator: '' });
  assert.equal(wish('?panel=judge&agents=a,b').panel.moderator, 'c');
  assert.deepEqual(wish('?panel=nothing').unknown, ['nothing']);
  assert.deepEqual(wish(''), { agents: [], panel: null, text: '', unknown: [] });
});
