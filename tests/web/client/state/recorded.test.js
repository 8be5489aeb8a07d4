/** The JavaScript fold has, at the end of each recorded stream, the state that all clients share. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { emptyRun, reduce } from '../../../../orchestrator/web/client/state/store.js';

const folder = new URL('../../../recorded/', import.meta.url);

/** @param {any} agent */
function stateOf(agent) {
  const { status, attempt, text, reasoning, tools, usage, finish_reason, content } = agent;
  const approvals = agent.approvals.map((/** @type {any} */ { call_id }) => call_id);
  const turns = agent.turns.map((/** @type {any} */ turn) => turn.text);
  return { status, attempt, text, reasoning, tools, approvals, error: agent.error?.code ?? null, usage, finish_reason, turns, content };
}

for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
  test(`recorded stream ${name}`, () => {
    const recorded = JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
    let state = emptyRun('run_1');
    for (const { id, event, data } of recorded.events) {
      const { agent_id = null, type, t } = data;
      state = reduce(state, { id, name: event, agent_id, type, t, run_id: null, data });
    }
    const agents = Object.fromEntries(Object.entries(state.agents).map(([id, agent]) => [id, stateOf(agent)]));
    assert.deepEqual(JSON.parse(JSON.stringify({ status: state.status, agents })), recorded.state);
  });
}
