/** Covers the page's parts about panels that draw nothing: who answers, what is joined, told, exported. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { toJson, toMarkdown } from '../../../../orchestrator/web/page/history/export.js';
import { joiner } from '../../../../orchestrator/web/page/panel/joined-state.js';
import { answerOf, answering, lastWords, stageWord } from '../../../../orchestrator/web/page/panel/roles.js';
import { panelProgress, scores, stageNews, verdict } from '../../../../orchestrator/web/page/panel/words.js';
import { Replay } from '../../../../orchestrator/web/page/timeline/replay.js';
import { emptyRun, reduce } from '../../../../orchestrator/web/client/state/store.js';

const info = (id) => ({ agent_id: id, title: id.toUpperCase(), backend: 'offline', model: null });
const event = (who, type, data = {}, t = 1) => {
  const agent_id = who === 'run' || who === 'panel' ? null : who;
  return { id: null, name: `${who}.${type}`, agent_id, type, t, run_id: null, data: { agent_id, type, t, ...data } };
};
const says = (who, turn, stage, text, t = 1) => [
  event(who, 'started', { attempt: turn, turn, ...stage }, t),
  event(who, 'done', { attempt: turn, text, usage: null, metrics: null, ...stage }, t + 1),
];
const fold = (events) => events.reduce(reduce, emptyRun('run_1'));
const title = (id) => id.toUpperCase();

const RANK = { panel_id: null, title: 'rank', method: 'rank', members: ['a', 'b'], moderator: 'm', fallback: [] };
const told = (type, data, t) => event('panel', type, { panel: 'rank', method: 'rank', ...data }, t);
const RESULT = { status: 'decided', winner: 'b', ranking: [{ agent: 'b', score: 2 }, { agent: 'a', score: 0.5 }], tally: { a: 0.5, b: 2 }, missing: [{ agent: 'c', status: 'error' }], by: 'm', attempt: 1 };
const EVENTS = [
  event('run', 'started', { agents: ['a', 'b'].map(info), panel: RANK }, 0),
  told('stage', { stage: 'panel', agents: ['a', 'b'] }, 0),
  ...says('a', 1, { stage: 'panel' }, '# Alpha', 10),
  ...says('b', 1, { stage: 'panel' }, 'Beta', 10),
  told('stage', { stage: 'review', agents: ['a', 'b'] }, 20),
  ...says('a', 2, { stage: 'review' }, 'A > B', 30),
  ...says('b', 2, { stage: 'review' }, 'B > A', 30),
  event('run', 'agent_added', { agent: info('m') }, 40),
  ...says('m', 1, { stage: 'final' }, 'Both.', 41),
  told('result', RESULT, 50),
];

test('who has the last word stands above the columns, who answers in them', () => {
  const run = fold(EVENTS);
  assert.deepEqual([answering(run), lastWords(run)], [['a', 'b'], ['m']]);
  const before = fold(EVENTS.slice(0, 6));
  assert.deepEqual([answering(before), lastWords(before)], [['a', 'b'], []]);
  assert.deepEqual(answering(fold([event('run', 'started', { agents: ['a', 'm'].map(info) })])), ['a', 'm'], 'no panel');
  // A member that has the last word, too, keeps its column.
  const own = fold([event('run', 'started', { agents: [info('a')], panel: { ...RANK, moderator: 'a' } }), ...says('a', 1, { stage: 'panel' }, 'x'), ...says('a', 2, { stage: 'final' }, 'y')]);
  assert.deepEqual([answering(own), lastWords(own)], [['a'], ['a']]);
});

test('of several who tried, the one that had the last word is the newest', () => {
  const panel = { ...RANK, fallback: ['n'] };
  const events = [event('run', 'started', { agents: [info('a')], panel }), ...says('n', 1, { stage: 'final' }, 'y'), ...says('m', 1, { stage: 'final' }, 'x')];
  assert.deepEqual(lastWords(fold(events)), ['m', 'n']);
  assert.deepEqual(lastWords(fold([...events, told('result', { ...RESULT, by: 'm' })])), ['n', 'm']);
});

test('an answer is what was said before it was reviewed', () => {
  const { agents } = fold(EVENTS);
  assert.deepEqual(answerOf(agents.a), { text: '# Alpha', status: 'done' });
  assert.deepEqual(answerOf(agents.m), { text: 'Both.', status: 'done' });
  assert.deepEqual(answerOf({ text: 'x', status: 'error' }), { text: 'x', status: 'error' });
});

test('stages have names, with numbers where there are several', () => {
  assert.equal(stageWord({ stage: 'round', round: 2, layer: null }), 'Round 2');
  assert.equal(stageWord({ stage: null, round: null, layer: null }), 'Answer');
  assert.equal(panelProgress(fold(EVENTS.slice(0, 4)).panel, fold(EVENTS.slice(0, 4))), 'Members answer, 1 of 2');
  const layer = fold([EVENTS[0], told('stage', { stage: 'layer', layer: 2, agents: ['a'] })]);
  assert.equal(panelProgress(layer.panel, layer), 'Layer 2');
});

test('a verdict names the winner, the answer, or why there is none', () => {
  const said = (result) => verdict({ ranking: [], tally: {}, missing: [], winner: null, ...result }, title)[1];
  assert.equal(said({ status: 'decided', winner: 'b' }), 'Decided: B');
  assert.equal(said({ status: 'decided', winner: 'b', answer: '42' }), 'Decided: 42');
  assert.equal(said({ status: 'decided' }), 'Summed up');
  assert.deepEqual(['tie', 'undecided', 'failed', 'cancelled'].map((status) => said({ status })), ['Tie', 'Undecided', 'No result', 'Stopped']);
});

test('scores are agents by points, or answers by votes', () => {
  const run = fold(EVENTS);
  assert.deepEqual(scores(run.panel, run), [{ key: 'b', agent: 'b', score: 2 }, { key: 'a', agent: 'a', score: 0.5 }]);
  const vote = { ...run.panel, method: 'vote', result: { ...RESULT, tally: { 41: 1, a: 2 } } };
  assert.deepEqual(scores(vote, run), [{ key: 'a', agent: null, score: 2 }, { key: '41', agent: null, score: 1 }]);
  assert.deepEqual(scores({ ...vote, method: 'race' }, run), []);
  assert.deepEqual(scores({ ...vote, result: null }, run), []);
});

test('who does not see the page hears of stages, last words and results', () => {
  const news = EVENTS.flatMap((each, n) => stageNews(each.name, each.data, fold(EVENTS.slice(0, n + 1))));
  assert.deepEqual(news, ['Reviews', 'M begins', 'Panel decided: B']);
});

const GIVEN = ['a', 'b'].map((agent) => ({ agent, title: agent.toUpperCase(), attempt: 1, chars: 4 }));
const OVER = { ...RANK, of: 'run_0', given: GIVEN };

test('a panel over another run’s answers shows both', () => {
  const base = fold([event('run', 'started', { agents: ['a', 'b'].map(info) }), ...says('a', null, {}, 'one'), ...says('b', null, {}, 'two')]);
  const state = fold([event('run', 'started', { agents: [info('a')], panel: OVER }), ...says('a', 1, { stage: 'review' }, 'B', 5), event('run', 'agent_added', { agent: info('m') })]);
  const join = joiner();
  const joined = join(state, base);
  assert.deepEqual(joined.agentIds, ['a', 'b', 'm']);
  assert.deepEqual([joined.agents.a.text, joined.agents.a.turns.map(({ text, stage }) => [stage, text])], ['B', [['panel', 'one']]]);
  assert.deepEqual([answerOf(joined.agents.a).text, joined.agents.b], ['one', base.agents.b]);
  assert.equal(join(state, base), joined);
  const next = join(reduce(state, event('m', 'started', { attempt: 1, stage: 'final', turn: 1 })), base);
  assert.notEqual(next, joined);
  assert.equal(next.agents.a, joined.agents.a, 'who did not change is the same');
});

test('where that run is gone, its titles are left', () => {
  const state = fold([event('run', 'started', { agents: [], panel: { ...OVER, given: [...GIVEN, { agent: 'c', title: 'C', attempt: 1, chars: 0 }] } })]);
  const { agents } = joiner()(state, null);
  assert.deepEqual([agents.a.title, agents.a.status, agents.a.text], ['A', 'done', '']);
  assert.match(agents.a.note, /4 characters went with a run that is gone/);
  assert.equal(agents.c.status, 'cancelled');
  assert.equal(joiner()(state, emptyRun('run_0')).agents.a.note, 'Loading', 'until it is there');
});

test('a replay has the panel as it was then, and what it was given', () => {
  const at = (t) => {
    const replay = new Replay(EVENTS, { id: 'run_1', message: 'Why?' });
    replay.seek(t);
    return replay.getSnapshot();
  };
  assert.deepEqual([at(0).panel.stage, at(25).panel.stage, at(45).panel.result, at(50).panel.result.winner], ['panel', 'review', null, 'b']);
  assert.deepEqual(at(25).agents.a.turns, []);
  assert.equal(at(35).agents.a.turns[0].text, '# Alpha');
  const joined = new Replay(EVENTS, { id: 'run_1', message: 'Why?' }, (state) => ({ ...state, message: 'joined' }));
  assert.equal(joined.getSnapshot().message, 'joined');
});

test('exports hold the panel, its last word and every turn', () => {
  const about = { message: 'Why?', conversation_id: null, created_at: 0 };
  const text = toMarkdown(fold([...EVENTS, told('late', { agent: 'c', attempt: 1, status: 'done', chars: 7 })]), about);
  assert.match(text, /## Panel: rank\n\n\*\*Decided: B\*\* \(rank\)\n\n\| \| score \|\n\| --- \| --- \|\n\| B \| 2 \|\n\| A \| 0\.5 \|\n\nWithout c: failed\.\n\nLate: c, 7 characters\.\n\n## M: done\n\nBoth\./);
  assert.match(text, /## A: done\n\n### Answer\n\n#### Alpha\n\n### Review\n\nA > B\n/);
  assert.equal(text.match(/Both\./g).length, 1);
  const whole = JSON.parse(toJson(fold(EVENTS), about));
  assert.deepEqual([whole.panel.result.winner, whole.agents.a.turns.length], ['b', 1]);
});
