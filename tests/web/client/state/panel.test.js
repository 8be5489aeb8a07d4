/** Covers panels in the client: what their events and snapshots make of a run, and panels over answers that are there. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { emptyRun, reduce, replace } from '../../../../orchestrator/web/client/state/store.js';
import { toEvent } from '../../../../orchestrator/web/client/wire/stream.js';
import { collect, names, until, withServer } from '../../support/harness.js';

const COUNCIL = { panel_id: 'council', title: 'Council', method: 'moderator', members: ['a', 'b'], moderator: 'm', fallback: ['n'] };
const INPUTS = [{ agent: 'a', attempt: 1, chars: 5 }, { agent: 'b', attempt: 2, chars: 3, of_chars: 9 }];
const MISSING = [{ agent: 'b', status: 'error' }];

const event = (who, type, data = {}) => {
  const agent_id = who === 'run' || who === 'panel' ? null : who;
  return { id: null, name: `${who}.${type}`, agent_id, type, t: 1, run_id: null, data: { type, t: 1, ...data } };
};
const fold = (...events) => events.reduce(reduce, emptyRun('run_1'));
const says = (who, attempt, place, text) => [
  event(who, 'started', { attempt, ...place }),
  event(who, 'token', { text: text.slice(0, 2), ...place }),
  event(who, 'done', { text, attempt, usage: null, metrics: null }),
];
const STARTED = event('run', 'started', { agents: [{ agent_id: 'a' }, { agent_id: 'b' }], panel: COUNCIL });
const ofCouncil = (type, data) => event('panel', type, { panel: 'council', method: 'moderator', ...data });

test('run.started tells the panel, its stages how far it is, its result what came of it', () => {
  const begun = fold(STARTED);
  assert.deepEqual([begun.panel.title, begun.panel.members, begun.panel.moderator, begun.panel.fallback], ['Council', ['a', 'b'], 'm', ['n']]);
  assert.deepEqual([begun.panel.stage, begun.panel.result, begun.panel.late, begun.panel.of], [null, null, [], null]);
  const stage = reduce(begun, ofCouncil('stage', { stage: 'final', agents: ['m'], missing: MISSING }));
  assert.deepEqual([stage.panel.stage, stage.panel.speakers, stage.panel.missing], ['final', ['m'], MISSING]);
  const late = reduce(stage, ofCouncil('late', { agent: 'b', attempt: 1, status: 'done', chars: 7 }));
  assert.deepEqual(late.panel.late, [{ agent: 'b', attempt: 1, status: 'done', chars: 7 }]);
  const ended = reduce(late, ofCouncil('result', { status: 'decided', winner: null, ranking: [], tally: {}, missing: [], by: 'm', attempt: 1 }));
  assert.deepEqual(ended.panel.result, { status: 'decided', winner: null, ranking: [], tally: {}, missing: [], by: 'm', attempt: 1 });
  assert.ok(Object.isFrozen(ended.panel) && Object.isFrozen(ended.panel.result));
  assert.equal(fold(event('run', 'started', { agents: [] })).panel, null);
});

test('rounds and layers are numbered', () => {
  const debate = { ...COUNCIL, panel_id: null, method: 'debate' };
  const stage = event('panel', 'stage', { panel: 'debate', method: 'debate', stage: 'round', round: 2, agents: ['a'] });
  const state = fold(event('run', 'started', { panel: debate }), stage, ...says('a', 1, { stage: 'round', round: 2, turn: 2 }, 'yes'));
  assert.deepEqual([state.panel.stage, state.panel.round, state.panel.layer], ['round', 2, null]);
  assert.deepEqual([state.agents.a.stage, state.agents.a.round, state.agents.a.layer], ['round', 2, null]);
});

test('a panel that is called during the run tells of itself with its first stage', () => {
  const first = event('panel', 'stage', { panel: 'judge', method: 'judge', stage: 'final', agents: ['m'], info: { ...COUNCIL, panel_id: null, title: 'judge', method: 'judge' } });
  const state = fold(event('run', 'started', { agents: [{ agent_id: 'a' }] }), first);
  assert.deepEqual([state.panel.method, state.panel.members, state.panel.stage], ['judge', ['a', 'b'], 'final']);
  // The next one of the same run begins without the first one's result.
  const second = reduce(reduce(state, event('panel', 'result', { panel: 'judge', method: 'judge', status: 'tie' })), ofCouncil('stage', { stage: 'final', agents: ['m'], info: COUNCIL }));
  assert.deepEqual([second.panel.panel_id, second.panel.result], ['council', null]);
});

test('a new turn keeps what was said before, a new attempt voids it', () => {
  const panel = { stage: 'panel', turn: 1 };
  const once = fold(STARTED, ...says('a', 1, panel, 'void'), event('a', 'started', { attempt: 2, ...panel }));
  assert.deepEqual([once.agents.a.text, once.agents.a.turns, once.agents.a.turn], ['', [], 1]);
  const place = { stage: 'review', turn: 2, inputs: INPUTS, missing: MISSING };
  const twice = [...says('a', 2, panel, 'answer').slice(1), ...says('a', 3, place, 'review')].reduce(reduce, once);
  const { stage, turn, attempt, text, turns, inputs, missing } = twice.agents.a;
  assert.deepEqual([stage, turn, attempt, text, inputs, missing], ['review', 2, 3, 'review', INPUTS, MISSING]);
  assert.deepEqual(turns, [{ turn: 1, stage: 'panel', round: null, layer: null, attempt: 2, status: 'done', text: 'answer' }]);
  const retried = reduce(twice, event('a', 'retry', { attempt: 4, delay_s: 0, code: 'x' }));
  assert.deepEqual([retried.agents.a.turns, retried.agents.a.inputs, retried.agents.a.text], [turns, INPUTS, '']);
});

test('what was said before any panel sat was the first turn', () => {
  const before = says('a', 1, {}, 'plain');
  const { turns, text } = fold(STARTED, ...before, ...says('a', 2, { stage: 'review', turn: 2 }, 'then')).agents.a;
  assert.deepEqual([turns.map((each) => [each.turn, each.stage, each.text]), text], [[[1, 'panel', 'plain']], 'then']);
  // Without a turn on either, as ever: an attempt that is begun again is void.
  assert.deepEqual(fold(STARTED, ...before, ...says('a', 2, {}, 'again')).agents.a.turns, []);
});

test('a snapshot replaces all that is known of a panel', () => {
  const known = fold(STARTED, ofCouncil('late', { agent: 'b', attempt: 1, status: 'done', chars: 7 }), ...says('a', 1, { stage: 'panel', turn: 1 }, 'old'));
  const agent = { status: 'running', attempt: 3, text: 'new', error: null, metrics: null, usage: null };
  const turns = [{ turn: 1, stage: 'round', round: 1, attempt: 1, status: 'done', text: 'one' }];
  const told = { run_id: 'run_1', channel: 'c', conversation_id: null, message: 'm', status: 'running', agents: { a: { ...agent, stage: 'round', round: 2, turn: 2, turns, inputs: INPUTS }, b: agent } };
  const state = replace(known, { ...told, panel: { ...COUNCIL, stage: 'round', round: 2, result: { status: 'tie', winner: null }, late: [] } });
  assert.deepEqual([state.panel.stage, state.panel.round, state.panel.result.status, state.panel.late], ['round', 2, 'tie', []]);
  assert.deepEqual([state.agents.a.stage, state.agents.a.round, state.agents.a.turn, state.agents.a.inputs], ['round', 2, 2, INPUTS]);
  assert.deepEqual(state.agents.a.turns, [{ ...turns[0], layer: null }]);
  assert.deepEqual([state.agents.b.stage, state.agents.b.turn, state.agents.b.turns], [null, null, []]);
  assert.equal(replace(state, told).panel, null);
});

test('events without a name are the panel’s where their data says so', () => {
  const named = (data) => toEvent({ event: 'message', data: JSON.stringify(data), id: 'e-1' }).name;
  assert.equal(named({ type: 'stage', panel: 'council', method: 'moderator' }), 'panel.stage');
  assert.equal(named({ type: 'result', panel: 'judge', run_id: 'run_1' }), 'panel.result');
  assert.equal(named({ type: 'started', panel: COUNCIL }), 'run.started');
  assert.equal(named({ type: 'result', agent_id: 'a' }), 'a.result');
  assert.equal(named({ type: 'done' }), 'run.done');
});

test('an unknown event of a panel changes nothing, and one of an unknown panel begins it', () => {
  const state = fold(STARTED);
  assert.equal(reduce(state, ofCouncil('sang')), state);
  assert.equal(reduce(state, event('panel', 'stage', { stage: 'final' })), state, 'not without its name');
  const { panel } = fold(event('panel', 'stage', { panel: 'rank', method: 'rank', stage: 'review', agents: ['a'] }));
  assert.deepEqual([panel.panel_id, panel.method, panel.stage], [null, 'rank', 'review']);
});

/** A moderator's whole run, after its start. */
function moderate(server, id) {
  const told = { panel: 'council', method: 'moderator' };
  server.tell(id, 'stage', { ...told, stage: 'panel', agents: ['a', 'b'] });
  server.answer(id, 'a', 'alpha one', 1, { stage: 'panel', turn: 1 });
  server.answer(id, 'b', 'beta', 1, { stage: 'panel', turn: 1 });
  server.tell(id, 'stage', { ...told, stage: 'final', agents: ['a'] });
  server.answer(id, 'a', 'both agree', 2, { stage: 'final', turn: 2, inputs: INPUTS });
  server.tell(id, 'result', { ...told, status: 'decided', winner: null, ranking: [], tally: {}, missing: [], by: 'a', attempt: 2 });
}

for (const channel of [undefined, null]) {
  test(`a panel is started and followed ${channel === null ? 'by its own stream' : 'in a channel'}`, withServer(async ({ server, connect }) => {
    const client = connect(channel === null ? { channel } : {});
    assert.equal((await client.panels())[0].panel_id, 'council');
    const run = await client.start({ message: 'hi', agents: ['a', 'b'], panel: 'council' });
    const results = [];
    run.on('panel.result', ({ data }) => results.push(data.status));
    const events = collect(run);
    moderate(server, run.id);
    server.end(run.id);
    const { panel, agents } = await run.result();
    assert.equal(server.requests.find(({ method }) => method === 'POST').body.panel, 'council');
    assert.deepEqual([panel.panel_id, panel.stage, panel.result.by, results], ['council', 'final', 'a', ['decided']]);
    assert.deepEqual([agents.a.text, agents.a.turns.map(({ text }) => text)], ['both agree', ['alpha one']]);
    assert.deepEqual(names(await events).filter((name) => name.startsWith('panel.')), ['panel.stage', 'panel.stage', 'panel.result']);
  }));
}

test('who comes in the middle knows the panel as it stands, once', withServer(async ({ server, connect }) => {
  const { id } = server.start(['a', 'b'], { panel: 'council' });
  moderate(server, id);
  server.tell(id, 'late', { panel: 'council', agent: 'b', attempt: 1, status: 'done', chars: 4 });
  for (const [n, after] of [null, ...server.ids(id)].entries()) {
    const run = connect({ channel: null }).attach(id, { after });
    await until(() => run.panel?.result && run.agents.a?.turns.length === 1 && run.lastEventId === server.ids(id).at(-1), `after ${n}`);
    assert.deepEqual([run.panel.stage, run.panel.late.length, run.agents.a.text], ['final', 1, 'both agree'], `after ${n}`);
    run.detach();
  }
}));

test('a panel over an open run sits in it: the same object', withServer(async ({ server, connect }) => {
  const run = await connect().start({ message: 'hi', agents: ['a', 'b'] });
  server.answer(run.id, 'a', 'alpha');
  assert.equal(await run.callPanel({ method: 'judge', moderator: 'b' }), run);
  const asked = server.requests.findLast(({ method }) => method === 'POST');
  assert.deepEqual([asked.url, asked.body], [`/v1/runs/${run.id}/panel`, { panel: { method: 'judge', moderator: 'b' } }]);
}));

test('a panel over an ended run is a new run, which is followed', withServer(async ({ server, connect }) => {
  const run = await connect().start({ message: 'hi', agents: ['a'] });
  server.answer(run.id, 'a', 'alpha');
  server.end(run.id);
  await run.result();
  const next = await run.callPanel({ method: 'moderator', moderator: 'm' });
  assert.notEqual(next.id, run.id);
  assert.equal(next.getSnapshot().message, 'hi');
  server.end(next.id);
  assert.equal((await next.result()).panel.of, run.id);
}));
