/** Covers the page's parts that draw nothing: comparing, timeline, replay, export, words. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { diffWords } from '../../../orchestrator/web/page/run/diff.js';
import { toJson, toJsonLines, toMarkdown } from '../../../orchestrator/web/page/history/export.js';
import { Replay } from '../../../orchestrator/web/page/timeline/replay.js';
import { Timeline, ticks } from '../../../orchestrator/web/page/timeline/timeline.js';
import { RunRecord } from '../../../orchestrator/web/page/run/run-record.js';
import { duration, figures, money, when } from '../../../orchestrator/web/page/words.js';
import { seeded } from '../support/harness.js';

const METRICS = { queue_ms: 0, ttft_ms: 100, duration_ms: 900, output_chars: 11, tokens_per_s: 12.5, retries: 0 };

/** A run of two agents, one of which fails and is tried again. */
const EVENTS = [
  ['run', 'started', 0, { agents: [{ agent_id: 'a', title: 'Anna', backend: 'offline', model: 'm' }, { agent_id: 'b', title: 'Bert', backend: 'offline', model: null }] }],
  ['a', 'started', 10, { attempt: 1 }],
  ['b', 'started', 10, { attempt: 1 }],
  ['a', 'token', 110, { text: '# Hi\n' }],
  ['b', 'token', 120, { text: 'lost' }],
  ['b', 'retry', 150, { attempt: 2, delay_s: 0.1, code: 'upstream_unavailable' }],
  ['a', 'token', 200, { text: 'there' }],
  ['b', 'started', 250, { attempt: 2 }],
  ['b', 'token', 300, { text: 'kept' }],
  ['a', 'token', 800, { text: '!' }],
  ['b', 'error', 850, { code: 'refusal', message: 'No.', error_id: 'err_1', retryable: false, metrics: METRICS, attempt: 2 }],
  ['a', 'done', 910, { text: '# Hi\nthere!', usage: { input_tokens: 1, output_tokens: 9 }, finish_reason: 'stop', metrics: METRICS, attempt: 1 }],
  ['run', 'done', 920, { status: 'partial', agents: { a: { status: 'done', attempt: 1 }, b: { status: 'error', attempt: 2 } }, metrics: null }],
].map(([who, type, t, data], n) => ({
  id: `e-${n + 1}`,
  name: `${who}.${type}`,
  agent_id: who === 'run' ? null : who,
  type,
  t,
  run_id: null,
  data: { type, t, ...data },
}));

const ABOUT = { message: 'Why?', conversation_id: 'talk_1', created_at: 0 };

function replayed(t) {
  const replay = new Replay(EVENTS, { id: 'run_1', message: 'Why?' });
  replay.seek(t);
  return replay;
}

test('a difference gives both texts back, and is small where they are alike', () => {
  const random = seeded(7);
  const words = () => Array.from({ length: random(40) }, () => 'abcdef'[random(6)]).join([' ', '\n', ', '][random(3)]);
  for (let round = 0; round < 500; round += 1) {
    const [before, after] = [words(), words()];
    const parts = diffWords(before, after);
    const without = (kind) => parts.filter((part) => part.kind !== kind).map(({ text }) => text).join('');
    assert.equal(without('removed'), after);
    assert.equal(without('added'), before);
  }
  assert.deepEqual(diffWords('the old cat sat', 'the new dog sat'), [
    { kind: 'same', text: 'the ' },
    { kind: 'removed', text: 'old cat' },
    { kind: 'added', text: 'new dog' },
    { kind: 'same', text: ' sat' },
  ]);
  assert.deepEqual(diffWords('same', 'same'), [{ kind: 'same', text: 'same' }]);
  assert.deepEqual(diffWords('', ''), []);
});

test('texts with nothing in common are compared quickly', () => {
  const text = (mark) => Array.from({ length: 20_000 }, (_, n) => `${mark}${n}`).join(' ');
  const start = performance.now();
  const parts = diffWords(text('a'), text('b'));
  assert.ok(performance.now() - start < 2_000);
  assert.deepEqual(parts.map(({ kind }) => kind), ['removed', 'added']);
});

test('a timeline tells work, speech with its pauses, first tokens of each attempt, and ends', () => {
  const timeline = new Timeline();
  for (const event of EVENTS) timeline.add(event);
  const [a, b] = [timeline.lanes.get('a'), timeline.lanes.get('b')];
  assert.deepEqual(a.work, [{ from: 10, to: 910 }]);
  assert.deepEqual(a.speech, [{ from: 110, to: 200 }, { from: 800, to: 800 }]);
  assert.deepEqual(a.marks, [{ t: 110, kind: 'first' }, { t: 910, kind: 'done' }]);
  assert.deepEqual(b.work, [{ from: 10, to: 150 }, { from: 250, to: 850 }]);
  assert.deepEqual(b.marks.map(({ kind }) => kind), ['first', 'retry', 'first', 'error']);
  assert.equal(timeline.end, 920);
});

test('work that goes on reaches up to now', () => {
  const timeline = new Timeline();
  for (const event of EVENTS.slice(0, 4)) timeline.add(event);
  assert.deepEqual(timeline.work(timeline.lanes.get('a'), 500), [{ from: 10, to: 500 }]);
});

test('an axis has round times', () => {
  assert.deepEqual(ticks(920), [0, 200, 400, 600, 800]);
  assert.deepEqual(ticks(65_000, 6), [0, 20_000, 40_000, 60_000]);
});

test('a replay is at any time what the run was then', () => {
  assert.equal(replayed(0).getAgent('a').status, 'queued');
  assert.equal(replayed(130).getAgent('b').text, 'lost');
  assert.equal(replayed(160).getAgent('b').text, '', 'a retry voids what was said');
  const replay = replayed(920);
  assert.equal(replay.getSnapshot().status, 'partial');
  assert.equal(replay.getAgent('a').text, '# Hi\nthere!');
  replay.seek(130);
  assert.equal(replay.getAgent('a').text, '# Hi\n', 'and back');
});

test('a replay plays at its own timing, times its speed', async () => {
  const replay = new Replay(EVENTS, { id: 'run_1', message: 'Why?' });
  replay.setSpeed(5);
  const start = performance.now();
  await new Promise((resolve) => {
    replay.subscribe(() => replay.getSnapshot().status === 'partial' && !replay.getView().playing && resolve());
    replay.play();
  });
  assert.ok(performance.now() - start >= 920 / 5 - 1);
});

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

test('numbers are measured where they can be, and marked where they are guessed', () => {
  const value = (agent, now, label) => figures(agent, now).find((figure) => figure.label === label).value;
  const live = replayed(850).getAgent('a');
  assert.equal(value(live, 850, 'first'), '100 ms');
  assert.equal(value(live, 850, 'tokens'), '≈3');
  assert.equal(value(live, 850, 'tok/s'), '≈4');
  assert.equal(value(live, 850, 'time'), '0.8 s');
  const done = replayed(920).getAgent('a');
  assert.equal(value(done, 920, 'tokens'), '9');
  assert.equal(value(done, 920, 'tok/s'), '13');
  assert.equal(value(done, 920, 'cost'), '–', 'no price, no cost');
  assert.equal(value({ ...done, metrics: { ...METRICS, cost: 0.00213 } }, 920, 'cost'), '$0.0021');
});

test('times are as short as they can be', () => {
  assert.equal(duration(1_234), '1.2 s');
  assert.equal(duration(125_000), '2:05 min');
  assert.equal(money(1.5), '$1.50');
  assert.equal(when(0, 20_000), 'just now');
  assert.equal(when(0, 600_000), '10 min ago');
});

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

test('a replay begins with who takes part, however late that was told', () => {
  const late = EVENTS.map((event) => ({ ...event, t: event.t + 3 }));
  const replay = new Replay(late, { id: 'run_1', message: 'Why?' });
  assert.ok(replay.getSnapshot().agentIds.length > 0);
  replay.seek(replay.length);
  replay.seek(0);
  assert.ok(replay.getSnapshot().agentIds.length > 0);
});
