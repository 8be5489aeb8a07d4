/** Covers page/ask/variants.js and changes.js: agents that the user has changed. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { changesOf, freeName } from '../../../../orchestrator/web/page/ask/changes.js';
import { described, knownOf, requestsOf } from '../../../../orchestrator/web/page/ask/variants.js';

const BASE = { agent_id: 'skeptic', title: 'Skeptic', description: 'Doubts.', backend: 'offline', model: 'small', default: true };
const HOT = { agent_id: 'skeptic', as: 'skeptic-2', model: 'large', model_settings: { temperature: 1.2 } };

test('a changed agent is shown with what is changed, and asked under its own name', () => {
  const shown = described(HOT, [BASE]);
  assert.equal(shown.title, 'Skeptic (skeptic-2)');
  assert.equal(shown.model, 'large');
  assert.equal(shown.description, 'model: large · model_settings: {"temperature":1.2}');
  assert.equal(shown.default, false);
});

test('what cannot be asked here is left out, and the last of a name stands', () => {
  const gone = { agent_id: 'gone', as: 'x' };
  const clash = { agent_id: 'skeptic', as: 'skeptic' };
  const cold = { ...HOT, model_settings: { temperature: 0 } };
  assert.deepEqual(knownOf([BASE], [HOT, gone, clash, cold]), [cold]);
});

test('those of a run are asked again as its events tell them', () => {
  const variant = { of: 'skeptic', changes: { seed: 3 } };
  const run = { agents: { skeptic: { agent_id: 'skeptic' }, b: { agent_id: 'b', variant } } };
  assert.deepEqual(requestsOf(/** @type {any} */ (run)), [{ seed: 3, agent_id: 'skeptic', as: 'b' }]);
});

test('a filled form says what is changed, nested as a file has it', () => {
  /** @type {import('../../../../orchestrator/web/client/types.js').VariableKey[]} */
  const keys = [
    { key: 'instructions', type: 'text', choices: [] },
    { key: 'model_settings.temperature', type: 'number', choices: [] },
    { key: 'model_settings.max_tokens', type: 'integer', choices: [] },
    { key: 'model_settings.reasoning', type: 'json', choices: [] },
    { key: 'model_settings.parallel_tool_calls', type: 'boolean', choices: [] },
  ];
  /** @type {Record<string, string>} */
  const said = { instructions: ' Be brief. ', 'model_settings.temperature': '0', 'model_settings.parallel_tool_calls': 'false' };
  const read = (/** @type {string} */ key) => said[key] ?? '';
  assert.deepEqual(changesOf(keys, read), { instructions: 'Be brief.', model_settings: { temperature: 0, parallel_tool_calls: false } });
  assert.deepEqual(changesOf(keys, () => ''), {});
  assert.throws(() => changesOf(keys, (key) => (key.endsWith('reasoning') ? '{effort' : '')), /Reasoning: this is no JSON/);
});

test('a copy gets the first free name', () => {
  assert.equal(freeName('skeptic', ['skeptic', 'skeptic-2']), 'skeptic-3');
  assert.ok(freeName('x'.repeat(64), []).length <= 64);
});
