/** Covers orchestrator/web/page/answer/draw-scheduler.js: who draws when, on a clock of its own. */

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

/** What the browser would do next, in order of time. @type {{at: number, act: () => void}[]} */
let agenda = [];
let clock = 1_000;
/** When frames are; what a task drew is laid out there. @type {number[]} */
let frames = [];
let frameMs = 0;
/** @type {Record<string, () => void>} */
const listeners = {};

const later = (at, act) => {
  const entry = { at, act };
  agenda.push(entry);
  return entry;
};
const callOff = (entry) => (agenda = agenda.filter((each) => each !== entry));
const FRAME = 1_000 / 60;

globalThis.addEventListener = (name, act) => (listeners[name] = act);
globalThis.document = { hidden: false };
globalThis.performance = { now: () => clock };
globalThis.setTimeout = (act, ms = 0) => later(clock + ms, act);
globalThis.clearTimeout = callOff;
globalThis.cancelAnimationFrame = callOff;
globalThis.requestAnimationFrame = (act) => later(Math.ceil((clock + 0.1) / FRAME) * FRAME, () => {
  if (document.hidden) return;
  frames.push(clock);
  act();
  clock += frameMs;
});

const { Turns } = await import('../../../../orchestrator/web/page/answer/draw-scheduler.js');

/** Let the browser work until *stop*. */
function runUntil(stop) {
  for (;;) {
    const next = agenda.reduce((first, each) => (first && first.at <= each.at ? first : each), undefined);
    if (next === undefined || next.at > stop) break;
    callOff(next);
    clock = Math.max(clock, next.at);
    next.act();
  }
  clock = Math.max(clock, stop);
}

/** Something to draw that takes *pieces* turns of *ms* each. */
function drawing(pieces, ms = 1) {
  const drawn = { at: /** @type {number[]} */ ([]), paint: (now) => {
    drawn.at.push(clock);
    clock += ms;
    return drawn.at.length < pieces ? now : null;
  }, fail: () => {} };
  return drawn;
}

beforeEach(() => {
  [agenda, frames, frameMs] = [[], [], 0];
  document.hidden = false;
});

/** The greatest number of times in one stretch without a frame. */
function mostBetweenFrames(times) {
  const stretches = times.map((time) => frames.filter((frame) => frame <= time).length);
  return Math.max(...stretches.map((stretch) => stretches.filter((other) => other === stretch).length));
}

test('what is drawn between two frames is bounded, so no frame has much to lay out', () => {
  const turns = new Turns();
  const [one, two] = [drawing(100), drawing(100)];
  turns.add(one);
  turns.add(two);
  runUntil(clock + 10_000);
  assert.equal(one.at.length + two.at.length, 200);
  assert.ok(mostBetweenFrames([...one.at, ...two.at]) <= 2, 'each has its turn once');
});

test('a page that is hidden has no frames and draws all the same', () => {
  document.hidden = true;
  const turns = new Turns();
  const one = drawing(50);
  turns.add(one);
  runUntil(clock + 10_000);
  assert.equal(one.at.length, 50);
});

test('a page whose frames stop while it waits for one goes on, too', () => {
  const turns = new Turns();
  const one = drawing(3);
  turns.add(one);
  runUntil(clock);
  document.hidden = true;
  runUntil(clock + 1_000);
  assert.equal(one.at.length, 3);
});

test('nothing is drawn between a key and its frame, and while somebody types less is drawn in a turn', () => {
  const turns = new Turns();
  const many = Array.from({ length: 12 }, () => drawing(1_000));
  for (const each of many) turns.add(each);
  const times = () => many.flatMap(({ at }) => at);
  runUntil(clock + 500);
  const most = mostBetweenFrames(times());
  const pressed = [];
  for (let key = 0; key < 20; key += 1) {
    runUntil(clock + 97);
    pressed.push(clock);
    listeners.keydown();
  }
  runUntil(clock + 97);
  const between = pressed.map((key) => [key, frames.find((frame) => frame > key)]);
  assert.ok(times().every((time) => between.every(([key, frame]) => time < key || time >= frame)));
  const typed = times().filter((time) => time > pressed[0]);
  assert.ok(typed.length > 100, 'it goes on meanwhile');
  assert.ok(mostBetweenFrames(typed) < most);
});

for (const [cost, least, most] of [[45, 1, 1], [4, 2, 4]]) {
  test(`while somebody types, frames of ${cost} ms leave time for ${least} to ${most} turns: the next key meets no frame of an answer`, () => {
    frameMs = cost;
    const turns = new Turns();
    const many = Array.from({ length: 12 }, () => drawing(1_000));
    for (const each of many) turns.add(each);
    listeners.keydown();
    for (let key = 0; key < 20; key += 1) {
      runUntil(clock + 110);
      const pressed = clock;
      listeners.keydown();
      runUntil(clock + 105);
      const drawn = many.flatMap(({ at }) => at.filter((time) => time >= pressed));
      const before = drawn.map((time) => frames.findLast((frame) => frame <= time));
      assert.ok(new Set(before).size >= least && new Set(before).size <= most, `${new Set(before).size} turns`);
      assert.ok(Math.max(...drawn) + cost < pressed + 100);
    }
    const before = many.flatMap(({ at }) => at).length;
    runUntil(clock + 1_000);
    assert.ok(many.flatMap(({ at }) => at).length > before + 40, 'once no key comes it goes on');
  });
}

test('what comes while somebody types waits for the frame, too', () => {
  const turns = new Turns();
  listeners.keydown();
  const pressed = clock;
  const one = drawing(1);
  turns.add(one);
  runUntil(clock + 100);
  assert.ok(one.at[0] >= frames[0] && frames[0] > pressed);
});

test('keys faster than frames do not hold up the answers for ever', () => {
  const turns = new Turns();
  const one = drawing(20);
  turns.add(one);
  for (let key = 0; key < 2_000; key += 1) {
    runUntil(clock + 3);
    listeners.keydown();
  }
  assert.equal(one.at.length, 20);
});

test('after frames that took long, a task draws less; after short ones more again', () => {
  const turns = new Turns();
  const one = drawing(Infinity);
  for (const each of [one, ...Array.from({ length: 20 }, () => drawing(Infinity))]) turns.add(each);
  const turnsPerFrame = (ms) => {
    frameMs = ms;
    runUntil(clock + 2_000);
    const [had, framesBefore] = [one.at.length, frames.length];
    runUntil(clock + 2_000);
    return (one.at.length - had) / (frames.length - framesBefore);
  };
  const quick = turnsPerFrame(1);
  assert.ok(turnsPerFrame(60) < quick / 2);
  assert.ok(turnsPerFrame(1) > quick / 1.1);
});

test('before the page is printed everything is drawn', () => {
  const turns = new Turns();
  const [one, two] = [drawing(300), drawing(7)];
  turns.add(one);
  turns.add(two);
  listeners.beforeprint();
  assert.deepEqual([one.at.length, two.at.length], [300, 7]);
});

test('one that throws is drawn in a plainer way, and the others go on', () => {
  const turns = new Turns();
  let plain = false;
  const broken = { paint: () => { if (!plain) throw new Error('no'); return null; }, fail: () => (plain = true) };
  const hopeless = { paint: () => { throw new Error('no'); }, fail: () => { throw new Error('no'); } };
  const one = drawing(3);
  for (const each of [broken, hopeless, one]) turns.add(each);
  runUntil(clock + 1_000);
  assert.deepEqual([plain, one.at.length], [true, 3]);
});
