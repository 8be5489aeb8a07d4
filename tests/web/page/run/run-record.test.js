/** Covers page/run/run-record.js: what is news, what is hidden, when the clock stands still. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RunRecord } from '../../../../orchestrator/web/page/run/run-record.js';
import { ABOUT, EVENTS } from '../../support/two-agents.js';

/** As much of the client's run as a RunRecord listens to. */
class SaidRun {
  id = 'run_1';
  status = 'running';
  connection = 'open';
  on(_, callback) {
    this.say = callback;
    return () => {};
  }
}

test('what happened before the page came is no news, what came before somebody listened is', () => {
  const run = new SaidRun();
  const record = new RunRecord(run, ABOUT, 'e-5');
  for (const event of EVENTS.slice(0, 8)) run.say(event);
  const heard = [];
  record.onNews((event) => heard.push(event.name));
  run.say(EVENTS[10]);
  assert.deepEqual(heard, ['b.retry', 'b.started', 'b.error']);
  assert.equal(record.events.length, 9);
});

test('a blind run hides names until it is told who is who', () => {
  const run = new SaidRun();
  const record = new RunRecord(run, ABOUT, null);
  assert.equal(record.namesHidden, false);
  run.say({ ...EVENTS[0], data: { ...EVENTS[0].data, blind: true } });
  assert.equal(record.namesHidden, true);
  const anna = { agent_id: 'a', configured: 'anna', title: 'Anna', model: 'm', backend: 'offline', metrics: null, usage: null, error: null };
  record.reveal([anna]);
  assert.equal(record.namesHidden, false);
  assert.deepEqual(record.revealed, { a: anna });
});

test('the clock of a run stands still once nothing more can come', () => {
  const run = new SaidRun();
  const record = new RunRecord(run, ABOUT, null);
  for (const event of EVENTS.slice(0, 4)) run.say(event);
  assert.ok(record.now() >= 110);
  run.connection = 'closed';
  assert.equal(record.now(), 110);
});
