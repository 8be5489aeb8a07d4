/** Covers page/ask/methods.js: a choice becomes a request, and says what it lacks. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NO_PANEL, choiceOf, inline, requestOf, tooFew, usualModerator } from '../../../../orchestrator/web/page/ask/methods.js';
import { wishOf } from '../../../../orchestrator/web/page/ask/url-params.js';

const METHODS = [
  ['moderator', 'required', 1],
  ['judge', 'required', 2],
  ['rank', 'optional', 3],
  ['vote', 'none', 2],
].map(([method, moderator, least_members]) => ({ method, title: method.toUpperCase(), moderator, least_members }));
const method = (name) => METHODS.find(({ method }) => method === name);
const info = (id) => ({ agent_id: id, title: id.toUpperCase(), backend: 'offline', model: null });

test('a request names the agents, and a configured panel with its own members by its id alone', () => {
  const panels = [{ panel_id: 'council', title: 'Council', method: 'moderator', members: ['a', 'b'], moderator: 'm' }];
  assert.deepEqual(requestOf(NO_PANEL, ['a'], panels), { agents: ['a'] });
  assert.deepEqual(requestOf({ ...NO_PANEL, panel: 'council' }, ['b', 'a'], panels), { panel: 'council' });
  assert.deepEqual(requestOf({ ...NO_PANEL, panel: 'council' }, ['a'], panels), { agents: ['a'], panel: 'council' });
  assert.deepEqual(requestOf({ panel: '', method: 'judge', moderator: 'm' }, ['a', 'b'], panels), { agents: ['a', 'b'], panel: { method: 'judge', moderator: 'm' } });
  assert.deepEqual(inline('debate', ''), { method: 'debate' });
  assert.equal(tooFew(method('rank'), 2), 'RANK needs 3 agents that answer.');
  assert.deepEqual([tooFew(method('rank'), 3), tooFew(undefined, 0)], [null, null]);
  const agents = ['a', 'b', 'm'].map(info);
  assert.equal(usualModerator(agents, panels, ['a', 'b']), 'm');
  assert.equal(usualModerator(agents.slice(0, 2), panels, ['a']), 'b');
});

test('an address names agents, a panel or a method, and a question', () => {
  const agents = ['a', 'b', 'c'].map((agent_id) => ({ agent_id, title: agent_id }));
  const panels = [{ panel_id: 'council', title: 'Council', members: ['a', 'b'], moderator: 'c', method: 'moderator' }];
  const wish = (search) => wishOf(search, agents, panels, METHODS);
  assert.deepEqual(wish('?agents=b,%20zz,a&q=Why%3F'), { agents: ['b', 'a'], panel: null, text: 'Why?', unknown: ['zz'] });
  assert.deepEqual(wish('?panel=council'), { agents: ['a', 'b'], panel: { panel: 'council', method: '', moderator: '' }, text: '', unknown: [] });
  assert.deepEqual(wish('?panel=vote&agents=a,c').panel, { panel: '', method: 'vote', moderator: '' });
  assert.equal(wish('?panel=judge&agents=a,b').panel.moderator, 'c');
  assert.deepEqual(wish('?panel=nothing').unknown, ['nothing']);
  assert.deepEqual(wish(''), { agents: [], panel: null, text: '', unknown: [] });
});

test('a run is asked again with its panel only if the server still has that panel or its method', () => {
  const state = { panel_id: null, method: 'judge', moderator: 'm', of: null };
  assert.deepEqual(choiceOf(state, [], METHODS), { panel: '', method: 'judge', moderator: 'm' });
  assert.deepEqual(choiceOf({ ...state, method: 'gone' }, [], METHODS), NO_PANEL);
  assert.deepEqual(choiceOf({ ...state, of: 'run_1' }, [], METHODS), NO_PANEL);
});
