/** What events and snapshots make of a run's state. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { acknowledge, emptyRun, expect, reduce, replace } from '../../../../orchestrator/web/client/state/store.js';

const ERROR = { code: 'upstream_unavailable', message: 'no', error_id: 'e1', retryable: true };

function event(agentId, type, data = {}, t = 1) {
  return { id: null, name: `${agentId ?? 'run'}.${type}`, agent_id: agentId, type, t, run_id: null, data: { type, ...data } };
}

function fold(...events) {
  return events.reduce(reduce, emptyRun('run_1'));
}

const STARTED = event(null, 'started', {
  run_id: 'run_1',
  channel: 'c',
  agents: [
    { agent_id: 'a', title: 'Anna', backend: 'offline', model: 'm' },
    { agent_id: 'b', title: 'Bert', backend: 'letta', model: null },
  ],
});

test('run.started lists the agents in order, with names and models', () => {
  const state = fold(STARTED);
  assert.deepEqual(state.agentIds, ['a', 'b']);
  assert.equal(state.channel, 'c');
  const { title, model, status, attempt } = state.agents.a;
  assert.deepEqual({ title, model, status, attempt }, { title: 'Anna', model: 'm', status: 'queued', attempt: 0 });
});

test('tokens join to the text, reasoning apart; times are kept', () => {
  const state = fold(
    STARTED,
    event('a', 'started', { attempt: 1 }, 3),
    event('a', 'reasoning', { text: 'hm' }, 4),
    event('a', 'token', { text: 'one' }, 5),
    event('a', 'token', { text: ' two', speaker: 'c' }, 6),
  );
  const { text, reasoning, speaker, started_t, first_token_t, status } = state.agents.a;
  assert.deepEqual([text, reasoning, speaker, started_t, first_token_t, status], ['one two', 'hm', 'c', 3, 5, 'running']);
  assert.equal(state.agents.b.text, '');
});

test('a failed attempt keeps its text until the next attempt voids it', () => {
  const failed = fold(event('a', 'started', { attempt: 1 }), event('a', 'token', { text: 'half' }), event('a', 'error', { ...ERROR, attempt: 1 }));
  assert.deepEqual([failed.agents.a.status, failed.agents.a.text, failed.agents.a.error], ['error', 'half', ERROR]);
  const again = reduce(failed, event('a', 'retry', { attempt: 2, delay_s: 1, code: 'timeout_idle' }));
  assert.deepEqual([again.agents.a.status, again.agents.a.text, again.agents.a.error, again.agents.a.attempt], ['queued', '', null, 2]);
  assert.equal(again.agents.a.note, 'again after timeout_idle');
  const started = reduce(failed, event('a', 'started', { attempt: 2 }));
  assert.deepEqual([started.agents.a.status, started.agents.a.text, started.agents.a.attempt], ['running', '', 2]);
});

test('done brings the whole text, usage and metrics', () => {
  const state = fold(event('a', 'token', { text: 'ha' }), event('a', 'done', { text: 'half', usage: { input_tokens: 1, output_tokens: 2 }, finish_reason: 'length', metrics: { retries: 0 }, attempt: 1 }, 9));
  const { status, text, usage, finish_reason, metrics, ended_t } = state.agents.a;
  assert.deepEqual([status, text, usage.output_tokens, finish_reason, metrics.retries, ended_t], ['done', 'half', 2, 'length', 0, 9]);
});

test('tools run, nest and end; approvals wait until answered', () => {
  const state = fold(
    event('a', 'tool_call', { call_id: 'c1', name: 'clock', arguments: '{}' }),
    event('a', 'tool_call', { call_id: 'c2', name: 'sum', arguments: '[1]' }),
    event('a', 'approval_request', { call_id: 'c2', name: 'sum', arguments: '[1]' }),
    event('a', 'token', { text: 'inner', parent: 'c1' }),
    event('a', 'reasoning', { text: 'thought', parent: 'c1' }),
  );
  assert.deepEqual(state.agents.a.tools.map(({ name, output, text }) => [name, output, text]), [['clock', null, 'inner'], ['sum', null, '']]);
  assert.equal(state.agents.a.text + state.agents.a.reasoning, '');
  assert.equal(state.agents.a.approvals.length, 1);
  const after = reduce(state, event('a', 'tool_result', { call_id: 'c2', output: '1', is_error: true }));
  assert.deepEqual(after.agents.a.tools.map(({ output, is_error }) => [output, is_error]), [[null, false], ['1', true]]);
  assert.equal(after.agents.a.approvals.length, 0);
});

test('status, handoff and cancel say what goes on', () => {
  const state = fold(event('a', 'status', { status: 'tool', detail: 'looks' }), event('a', 'handoff', { to: 'b' }));
  assert.deepEqual([state.agents.a.note, state.agents.a.speaker], ['looks', 'b']);
  const cancelled = reduce(state, event('a', 'cancelled', { reason: 'requested', metrics: null, attempt: 1 }));
  assert.deepEqual([cancelled.agents.a.status, cancelled.agents.a.note], ['cancelled', 'requested']);
});

test('a cancel that was acknowledged before the start goes on being awaited', () => {
  const told = { agents: { a: { status: 'cancelling', attempt: 1 }, b: { status: 'running', attempt: 1 } } };
  const state = acknowledge(expect(emptyRun('run_1'), ['a', 'b']), told);
  assert.deepEqual([state.agents.a.status, state.agents.b.status], ['cancelling', 'queued']);
  assert.equal(reduce(state, event('a', 'started', { attempt: 1 })).agents.a.status, 'cancelling');
  const ended = reduce(state, event('a', 'cancelled', { reason: '', attempt: 1 }));
  assert.equal(acknowledge(ended, told).agents.a.status, 'cancelled');
});

test('run.done tells how it ended; agents it corrects are corrected', () => {
  const state = fold(STARTED, event('a', 'done', { text: 'x', attempt: 1 }), event(null, 'done', { status: 'partial', agents: { a: { status: 'done', attempt: 1 }, b: { status: 'error', attempt: 2 } }, metrics: { retries: 1 } }));
  assert.deepEqual([state.status, state.agents.a.status, state.agents.b.status, state.agents.b.attempt, state.metrics.retries], ['partial', 'done', 'error', 2, 1]);
});

test('a snapshot replaces what was known, and keeps names', () => {
  const before = fold(STARTED, event('a', 'token', { text: 'old' }), event('a', 'reasoning', { text: 'old' }));
  const state = replace(before, { run_id: 'run_1', channel: 'c', conversation_id: 'k', message: 'm', status: 'running', agents: { a: { status: 'running', attempt: 2, text: 'new', error: null, metrics: null, usage: null } } });
  const { title, text, reasoning, attempt } = state.agents.a;
  assert.deepEqual({ title, text, reasoning, attempt }, { title: 'Anna', text: 'new', reasoning: '', attempt: 2 });
  assert.deepEqual(state.agentIds, ['a']);
});

test('an agent that joins is listed last', () => {
  const state = fold(STARTED, event(null, 'agent_added', { agent: { agent_id: 'z', title: 'Zoe', backend: 'offline', model: null } }));
  assert.deepEqual([state.agentIds, state.agents.z.title], [['a', 'b', 'z'], 'Zoe']);
});

test('an unknown event changes nothing at all', () => {
  const state = fold(STARTED);
  assert.equal(reduce(state, event('a', 'sang', { song: 'x' })), state);
  assert.equal(reduce(state, event(null, 'sang')), state);
  assert.equal(reduce(state, { ...event(null, 'result'), name: 'panel.result' }), state);
});

test('states are frozen, and what did not change is the same object', () => {
  const before = fold(STARTED);
  const after = reduce(before, event('a', 'token', { text: 'x' }));
  assert.equal(after.agents.b, before.agents.b);
  assert.equal(after.agentIds, before.agentIds);
  assert.equal(before.agents.a.text, '');
  for (const value of [after, after.agents, after.agents.a, after.agents.a.tools]) assert.ok(Object.isFrozen(value));
});
