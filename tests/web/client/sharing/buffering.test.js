/** Covers sharing/buffering.js: streams whose bytes are held back on the way are noticed, and followed by snapshots. */

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';

import { createClient } from '../../../../orchestrator/web/client/client.js';
import { collect, names, until, withServer } from '../../support/harness.js';

const TIMING = { held: 40, poll: 15 };

/** A proxy that gives an event stream's bytes only in whole blocks of *bytes*, or at the answer's end; *heads*: its head too. */
async function holding(target, bytes = Infinity, heads = false) {
  const held = { bytes };
  const proxy = http.createServer((request, response) => {
    const upstream = http.request(target + request.url, { method: request.method, headers: request.headers }, (answer) => {
      const stream = (answer.headers['content-type'] ?? '').startsWith('text/event-stream');
      let kept = Buffer.alloc(0);
      response.writeHead(answer.statusCode, answer.headers);
      if (!stream || !heads) response.flushHeaders();
      const give = () => {
        if (kept.length > 0) response.write(kept);
        kept = Buffer.alloc(0);
      };
      if (stream) held.flow = give;
      answer.on('data', (chunk) => {
        kept = Buffer.concat([kept, chunk]);
        if (!stream || kept.length >= held.bytes) give();
      });
      answer.on('end', () => (give(), response.end()));
      answer.on('error', () => response.destroy());
    });
    upstream.on('error', () => response.destroy());
    response.on('close', () => upstream.destroy());
    request.pipe(upstream);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    held,
    close: () => (proxy.closeAllConnections(), new Promise((resolve) => proxy.close(resolve))),
  };
}

/** Run *body* with a client behind such a proxy. */
const behind = (options, body) =>
  withServer(async ({ server }) => {
    const proxy = await holding(server.url, options.bytes, options.heads);
    const client = createClient({ baseUrl: proxy.url, timing: { room: 60_000, ...TIMING, ...options.timing }, ...(options.own ? { channel: null } : {}) });
    try {
      await body({ server, proxy, client });
    } finally {
      client.close();
      await proxy.close();
    }
  });

for (const own of [false, true]) {
  const way = own ? 'its own stream' : 'a channel';
  test(`a run on ${way} that is held back is said to be, shown by snapshots, and ends with every event`, behind({ own }, async ({ server, client }) => {
    const run = await client.start({ message: 'hi', agents: ['a', 'b'] });
    const events = collect(run);
    server.say(run.id, 'a', 'started', { attempt: 1 });
    server.say(run.id, 'a', 'token', { text: 'one ' });
    await until(() => run.detail?.code === 'held' && run.agents.a?.text === 'one ');
    assert.match(run.detail.message, /holds the event stream back/);
    server.say(run.id, 'a', 'token', { text: 'two' });
    await until(() => run.agents.a.text === 'one two');
    assert.equal(run.status, 'running');
    server.say(run.id, 'a', 'tool_call', { call_id: 'c', name: 'look', arguments: '{}' });
    server.say(run.id, 'a', 'done', { text: 'one two', usage: null, finish_reason: 'stop', metrics: {}, attempt: 1 });
    server.answer(run.id, 'b', 'three');
    server.end(run.id);
    const result = await run.result();
    assert.deepEqual([result.status, result.agents.a.text, result.agents.b.text], ['completed', 'one two', 'three']);
    assert.equal(result.agents.a.tools[0].name, 'look', 'what no snapshot holds comes with the events');
    assert.deepEqual(names(await events), ['run.started', 'a.started', 'a.token', 'a.token', 'a.tool_call', 'a.done', 'b.started', 'b.token', 'b.done', 'run.done']);
  }));
}

test('where heads are held back too, no connections are said to be used up once snapshots come', behind({ heads: true, timing: { blocked: 15, silence: 90, retry: 1 } }, async ({ server, client }) => {
  const run = await client.start({ message: 'hi', agents: ['a'] });
  server.say(run.id, 'a', 'started', { attempt: 1 });
  server.say(run.id, 'a', 'token', { text: 'one' });
  await until(() => run.detail?.code === 'held');
  const codes = [];
  run.on('connection', ({ detail }) => codes.push(detail?.code ?? null));
  await until(() => codes.filter((code) => code === 'lost').length === 3);
  assert.deepEqual([...new Set(codes)].sort(), ['held', 'lost']);
}));

test('once bytes flow, nothing is held any more, and the text never shrinks', behind({}, async ({ server, proxy, client }) => {
  const run = await client.start({ message: 'hi', agents: ['a'] });
  const lengths = [];
  run.subscribe(() => lengths.push(run.getSnapshot().agents.a?.text.length ?? 0));
  server.say(run.id, 'a', 'started', { attempt: 1 });
  for (let n = 0; n < 40; n += 1) server.say(run.id, 'a', 'token', { text: `word${n} ` });
  await until(() => run.detail?.code === 'held' && run.agents.a?.text.includes('word39'));
  proxy.held.bytes = 0;
  proxy.held.flow();
  await until(() => run.detail === null && run.connection === 'open');
  server.say(run.id, 'a', 'token', { text: 'end' });
  await until(() => run.agents.a.text.endsWith('word39 end'));
  assert.deepEqual(lengths, [...lengths].sort((one, other) => one - other));
}));

test('a run that is followed again behind a proxy that gives blocks is shown in between', behind({ bytes: 600 }, async ({ server, client }) => {
  const { id } = server.start(['a'], { channel: 'talk' });
  const run = client.attach(id);
  server.say(id, 'a', 'started', { attempt: 1 });
  for (let n = 0; n < 30; n += 1) {
    server.say(id, 'a', 'token', { text: `${n} ` });
    if (n % 10 === 9) await until(() => run.agents.a?.text.endsWith(`${n} `));
  }
  server.end(id);
  assert.equal((await run.result()).status, 'completed');
}));

test('what waits for an answer can be answered while events are held back, once', behind({}, async ({ server, proxy, client }) => {
  const run = await client.start({ message: 'hi', agents: ['a'] });
  server.say(run.id, 'a', 'started', { attempt: 1 });
  server.say(run.id, 'a', 'approval_request', { call_id: 'c', name: 'send', arguments: '{}' });
  await until(() => run.detail?.code === 'held' && run.agents.a?.approvals.length === 1);
  assert.deepEqual(run.agents.a.approvals, [{ call_id: 'c', name: 'send', arguments: '{}' }]);
  await run.approve('a', 'c');
  assert.ok(server.requests.some(({ method, url }) => method === 'POST' && url.endsWith('/a/approvals/c')));
  server.say(run.id, 'a', 'approval', { call_id: 'c', approve: true });
  await until(() => run.agents.a.approvals.length === 0);
  proxy.held.bytes = 0;
  proxy.held.flow();
  await until(() => run.detail === null && run.connection === 'open');
  assert.deepEqual(run.agents.a.approvals, []);
}));

test('an agent that thinks is not taken for a stream that is held back', withServer(async ({ server, connect }) => {
  const run = await connect({ timing: TIMING }).start({ message: 'hi', agents: ['a'] });
  server.say(run.id, 'a', 'started', { attempt: 1 });
  await until(() => run.agents.a?.status === 'running');
  const said = [];
  run.on('connection', ({ detail }) => said.push(detail?.code ?? null));
  const looks = () => server.requests.filter(({ method, url }) => method === 'GET' && url.endsWith(run.id)).length;
  await until(() => looks() >= 3);
  assert.ok(!said.includes('held'));
  server.forget(run.id);
  await until(() => run.failure?.status === 410, 'a run that was deleted is noticed by a look, too');
}));
