/** What the parser makes of the spec's examples, of every way to cut them, and of generated streams. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventTooLarge, MAX_RETRY_MS, SseParser } from '../../../../orchestrator/web/client/wire/parser.js';
import { seeded } from '../../support/harness.js';

const encode = (text) => new TextEncoder().encode(text);
const message = (data, id = null, event = 'message') => ({ event, data, id });
const strip = (events) => events.map(({ event, data, id }) => ({ event, data, id }));

/** [what it shows, the stream, its events, the last event id, retry] */
const CASES = [
  ['several data lines are joined', 'data: YHOO\ndata: +2\ndata: 10\n\n', [message('YHOO\n+2\n10')], '', null],
  ['comments are no events', ': test stream\n\ndata: first\n\n', [message('first')], '', null],
  ['an id without a value resets the cursor', 'data: a\nid: 1\n\ndata: b\nid\n\n', [message('a', '1'), message('b', '')], '', null],
  ['data without a value is an empty event', 'data\n\ndata\ndata\n\ndata:', [message(''), message('\n')], '', null],
  ['one space after the colon goes', 'data:test\n\ndata: test\n\ndata:  test\n\n', [message('test'), message('test'), message(' test')], '', null],
  ['an unfinished event is dropped', 'data: a\n\ndata: b\n', [message('a')], '', null],
  ['the event line names it', 'event: skeptic.token\ndata: x\n\n', [message('x', null, 'skeptic.token')], '', null],
  ['a name without data is forgotten', 'event: a\n\ndata: x\n\n', [message('x')], '', null],
  ['an empty name is message', 'event:\ndata: x\n\n', [message('x')], '', null],
  ['an id without data counts', 'id: 7\n\ndata: x\n\n', [message('x')], '7', null],
  ['an id with NUL is ignored', 'id: 1\n\nid: 2\0\ndata: x\n\n', [message('x')], '1', null],
  ['an id may hold anything else', 'id: é 1:2\ndata: x\n\n', [message('x', 'é 1:2')], 'é 1:2', null],
  ['retry takes digits', 'retry: 1500\n\n', [], '', 1500],
  ['retry takes digits only', 'retry: 10\nretry: 1.5\nretry: -1\nretry: 1e3\nretry: x\nretry:\nretry: ٣\n\n', [], '', 10],
  ['retry is bounded', `retry: ${'9'.repeat(400)}\n\n`, [], '', MAX_RETRY_MS],
  ['unknown fields are ignored', 'foo: bar\nDATA: no\n data: no\ndata: x\n\n', [message('x')], '', null],
  ['a BOM at the start goes', '\uFEFFdata: x\n\n', [message('x')], '', null],
  ['only one BOM goes', '\uFEFF\uFEFFdata: x\n\n', [], '', null],
  ['a BOM later is content', 'data: \uFEFFx\n\n', [message('\uFEFFx')], '', null],
  ['CR ends a line', 'data: a\rdata: b\r\r', [message('a\nb')], '', null],
  ['CRLF ends one line', 'data: a\r\ndata: b\r\n\r\n', [message('a\nb')], '', null],
  ['LF CR are two ends', 'data: a\n\rdata: b\n\n', [message('a'), message('b')], '', null],
  ['mixed line ends', 'data: a\r\n\ndata: b\r\r\ndata: c\n\r\n', [message('a'), message('b'), message('c')], '', null],
  ['other separators are content', 'data: a\u2028b\u0085c\vd\n\n', [message('a\u2028b\u0085c\vd')], '', null],
  ['characters of four bytes', 'id: 😀\ndata: 😀é€\n\n', [message('😀é€', '😀')], '😀', null],
  ['a line of colons', '::\n:\ndata::x\n\n', [message(':x')], '', null],
];

for (const [what, stream, events, lastEventId, retryMs] of CASES) {
  test(`${what}, in one piece`, () => {
    const parser = new SseParser();
    assert.deepEqual(strip(parser.feed(encode(stream))), events);
    assert.equal(parser.lastEventId, lastEventId);
    assert.equal(parser.retryMs, retryMs);
  });

  test(`${what}, cut at every byte`, () => {
    const bytes = encode(stream);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const parser = new SseParser();
      const found = [...parser.feed(bytes.subarray(0, cut)), ...parser.feed(bytes.subarray(cut))];
      assert.deepEqual(strip(found), events, `cut at ${cut}`);
      assert.equal(parser.retryMs, retryMs);
    }
    const parser = new SseParser();
    const single = Array.from(bytes, (_, n) => parser.feed(bytes.subarray(n, n + 1))).flat();
    assert.deepEqual(strip(single), events, 'byte by byte');
    assert.equal(parser.lastEventId, lastEventId);
  });

  test(`${what}, as strings`, () => {
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const parser = new SseParser();
      assert.deepEqual(strip([...parser.feed(stream.slice(0, cut)), ...parser.feed(stream.slice(cut))]), events);
    }
  });
}

test('bytes that are no UTF-8 become U+FFFD and stop nothing', () => {
  const bytes = Uint8Array.from([...encode('data: a'), 0xff, 0xc3, ...encode('\n\ndata: b\n\n')]);
  assert.deepEqual(strip(new SseParser().feed(bytes)), [message('a\uFFFD\uFFFD'), message('b')]);
});

test('the id is inherited as lastEventId, not as the event’s own', () => {
  const [a, b] = new SseParser({ lastEventId: '9' }).feed('data: a\n\nid: 10\ndata: b\n\n');
  assert.deepEqual([a.lastEventId, a.id, b.lastEventId, b.id], ['9', null, '10', '10']);
});

test('an event beyond the bound is an error, whether in one line, many lines, or pieces', () => {
  for (const stream of ['data: '.padEnd(200, 'x'), 'data: 12345\n'.repeat(20)]) {
    assert.throws(() => new SseParser({ maxEventChars: 100 }).feed(stream), EventTooLarge);
    const parser = new SseParser({ maxEventChars: 100 });
    assert.throws(() => Array.from(stream, (char) => parser.feed(char)), EventTooLarge);
  }
  const small = new SseParser({ maxEventChars: 100 });
  assert.equal(small.feed(`data: ${'x'.repeat(80)}\n\n`.repeat(50)).length, 50);
});

test('generated streams give what was written, however they are cut', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const pick = seeded(seed * 2654435761);
    const { bytes, events } = generate(pick);
    const parser = new SseParser();
    const found = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + pick(9);
      found.push(...parser.feed(bytes.subarray(at, at + size)));
      at += size;
    }
    assert.deepEqual(strip(found), events, `seed ${seed}`);
  }
});

test('any bytes at all are read alike in one piece and in many, and never throw', () => {
  const alphabet = encode('\r\n\n\r: \0daitevrnyx19\uFEFF😀');
  for (let seed = 1; seed <= 500; seed += 1) {
    const pick = seeded(seed * 40503);
    const bytes = Uint8Array.from({ length: pick(80) }, () => alphabet[pick(alphabet.length)]);
    const [whole, split] = [new SseParser(), new SseParser()];
    const expected = whole.feed(bytes);
    const found = Array.from(bytes, (_, n) => split.feed(bytes.subarray(n, n + 1))).flat();
    assert.deepEqual(found, expected, `seed ${seed}`);
    assert.deepEqual([split.lastEventId, split.retryMs], [whole.lastEventId, whole.retryMs]);
  }
});

test('a long line that arrives in small pieces is read in linear time', { timeout: 120_000 }, () => {
  const parser = new SseParser();
  parser.feed('data: ');
  for (let n = 0; n < 100_000; n += 1) parser.feed('xxxxxxxxxx'); // were all read anew for each piece: 50 GB
  const [event] = parser.feed('\n\n');
  assert.equal(event.data.length, 1_000_000);
});

/** Write a stream of random events, line ends and noise, and say what it holds. */
function generate(pick) {
  const end = () => ['\n', '\r\n', '\r'][pick(3)];
  const word = () => Array.from({ length: pick(6) }, () => 'aé😀: \u2028'.match(/./gu)[pick(6)]).join('');
  const events = [];
  let text = pick(2) ? '\uFEFF' : '';
  let previous = '';
  const line = (content) => {
    // A CR followed by a line's LF would be one end, not two.
    let tail = end();
    if (previous === '\r' && content === '' && tail === '\n') tail = '\r';
    previous = tail;
    text += content + tail;
  };
  for (let n = pick(8); n > 0; n -= 1) {
    const [event, id] = [pick(2) ? `e${pick(9)}` : null, pick(2) ? String(pick(99)) : null];
    const data = Array.from({ length: 1 + pick(3) }, word);
    if (event !== null) line(`event: ${event}`);
    if (pick(3) === 0) line(`: ${word()}`);
    for (const part of data) line(`data: ${part}`);
    if (id !== null) line(`id:${id}`);
    if (pick(3) === 0) line(`noise: ${word()}`);
    line('');
    events.push({ event: event ?? 'message', data: data.join('\n'), id });
  }
  return { bytes: encode(text), events };
}
