/** Covers page/history/export.js: a run as Markdown, JSON and JSONL. Panels: ../panel/panel.test.js. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { toJson, toJsonLines, toMarkdown } from '../../../../orchestrator/web/page/history/export.js';
import { ABOUT, EVENTS, replayed } from '../../support/two-agents.js';

test('Markdown puts the answers below their agents, and code is left alone', () => {
  const state = replayed(920).getSnapshot();
  const text = toMarkdown(state, ABOUT);
  assert.match(text, /^# Why\?\n\nRun `run_1`, 1970-01-01T00:00:00\.000Z, partial\.\n/);
  assert.match(text, /## Anna \(m\): done, 0\.9 s\n\n### Hi\nthere!/);
  assert.match(text, /## Bert: failed, 0\.9 s\n\nkept\n\n> \*\*refusal\*\* No\. \(err_1\)/);
});

test('JSON holds the run, JSONL its events with ids and names', () => {
  const state = replayed(920).getSnapshot();
  const whole = JSON.parse(toJson(state, ABOUT));
  assert.equal(whole.conversation_id, 'talk_1');
  assert.equal(whole.agents.a.text, '# Hi\nthere!');
  const lines = toJsonLines(EVENTS).trimEnd().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(lines[3], { id: 'e-4', event: 'a.token', data: { type: 'token', t: 110, text: '# Hi\n' } });
  assert.equal(lines.length, EVENTS.length);
});
