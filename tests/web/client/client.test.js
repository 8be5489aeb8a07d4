/** The client against a real HTTP server that does what each test tells it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClientError } from '../../../orchestrator/web/client/client.js';
import { Backoff, refusal } from '../../../orchestrator/web/client/wire/http.js';
import { collect, names, until, withServer } from '../support/harness.js';
import { METRICS } from '../support/protocol-server.js';

const ERROR = { code: 'upstream_unavailable', message: 'It is down.', error_id: 'e1', retryable: true, metrics: METRICS };
const byUrl = (server, part) => server.requests.filter(({ url }) => url.includes(part));

/** A run of one agent whose answer is on its way, followed by a client. */
async function started(server, connect, options = {}) {
  const client = connect(options);
  const run = await client.start({ message: 'hi', agents: ['a'] });
  await until(() => run.connection === 'open');
  server.say(run.id, 'a', 'started', { attempt: 1 });
  return { client, run };
}

// ── starting and following ───────────────────────────────────────────────────────────────────────

test('a run is started by POST with a key and followed by GET to its end', withServer(async ({ server, connect }) => {
  const run = await connect({ token: 'secret' }).start({ message: 'hi', agents: ['a', 'b'], conversation_id: 'k' });
  const events = collect(run);
  server.answer(run.id, 'a', 'one two');
  server.answer(run.id, 'b', 'three');
  server.end(run.id);
  const result = await run.result();
  assert.deepEqual([result.status, result.agents.a.text, result.agents.b.text], ['completed', 'one two', 'three']);
  assert.equal(result.agents.a.title, 'A');
  assert.deepEqual(names(await events), ['run.started', 'a.started', 'a.token', 'a.token', 'a.done', 'b.started', 'b.token', 'b.done', 'run.done']);
  const post = server.requests.find(({ method }) => method === 'POST');
  assert.deepEqual([post.body.message, post.body.agents, post.body.conversation_id], ['hi', ['a', 'b'], 'k']);
  assert.match(post.headers['idempotency-key'], /^start_[0-9a-f]{32}$/);
  for (const { headers } of server.requests) assert.equal(headers.authorization, 'Bearer secret');
  for (const { url } of server.requests) assert.ok(!url.includes('secret'));
  assert.equal(run.connection, 'closed');
  await until(() => server.streams.length === 0);
}));

test('a start whose answer was lost is repeated under the same key: one run', withServer(async ({ server, connect }) => {
  let lost = 0;
  server.intercept = ({ method }, response) => {
    if (method !== 'POST' || lost > 0) return false;
    lost += 1;
    server.start(['a']); // any run will do: the answer never arrives
    response.destroy();
    return true;
  };
  await connect().start({ message: 'hi', agents: ['a'] });
  const keys = server.requests.filter(({ method }) => method === 'POST').map(({ headers }) => headers['idempotency-key']);
  assert.equal(keys.length, 2);
  assert.equal(keys[0], keys[1]);
}));

test('a refused start rejects with the problem, and leaves no connection', withServer(async ({ server, connect }) => {
  server.intercept = ({ method }, response) => {
    if (method !== 'POST') return false;
    const errors = [{ at: 'agents[0]', detail: 'there is no agent' }];
    response.writeHead(422, { 'Content-Type': 'application/problem+json' }).end(JSON.stringify({ title: 'Invalid', status: 422, detail: 'A field is wrong.', errors }));
    return true;
  };
  const error = await connect().start({ message: 'hi', agents: ['x'] }).catch((caught) => caught);
  assert.ok(error instanceof ClientError);
  assert.deepEqual([error.status, error.problem.errors[0].at], [422, 'agents[0]']);
  assert.match(error.message, /A field is wrong.*agents\[0\]: there is no agent/);
  server.intercept = ({ method }, response) => {
    if (method !== 'POST') return false;
    const problem = { status: 422, detail: 'A field is wrong. agents[0]: gone.', errors: [{ at: 'agents[0]', detail: 'gone' }] };
    response.writeHead(422, { 'Content-Type': 'application/problem+json' }).end(JSON.stringify(problem));
    return true;
  };
  const again = await connect().start({ message: 'hi', agents: ['x'] }).catch((caught) => caught);
  assert.equal(again.message, '422: A field is wrong. agents[0]: gone.', 'nothing is said twice');
  await until(() => server.streams.length === 0);
}));

test('a server that is not there is a ClientError without a status', withServer(async ({ server, connect }) => {
  const client = connect();
  await server.close();
  const error = await client.agents().catch((caught) => caught);
  assert.deepEqual([error.name, error.status], ['ClientError', null]);
}));

test('an agent’s failure does not reject the result', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect);
  server.say(run.id, 'a', 'token', { text: 'half' });
  server.say(run.id, 'a', 'error', { ...ERROR, attempt: 1 });
  server.end(run.id, 'failed');
  const { status, agents } = await run.result();
  assert.deepEqual([status, agents.a.status, agents.a.text, agents.a.error.code], ['failed', 'error', 'half', 'upstream_unavailable']);
}));

test('an automatic retry voids the failed attempt’s text', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect);
  server.say(run.id, 'a', 'token', { text: 'wrong' });
  server.say(run.id, 'a', 'error', { ...ERROR, attempt: 1 });
  server.say(run.id, 'a', 'retry', { attempt: 2, delay_s: 0, code: 'upstream_unavailable' });
  server.answer(run.id, 'a', 'right', 2);
  server.end(run.id);
  const { agents } = await run.result();
  assert.deepEqual([agents.a.text, agents.a.attempt, agents.a.error], ['right', 2, null]);
}));

test('unknown events and strange data are passed over', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect);
  for (const { response } of server.streams) response.write('event: a.future\ndata: {"agent_id":"a","type":"future"}\n\ndata: no json\n\ndata: [1]\n\ndata: {"type":5}\n\n');
  server.say(run.id, 'a', 'sang', { song: 1 });
  server.answer(run.id, 'a', 'x');
  server.end(run.id);
  assert.equal((await run.result()).agents.a.text, 'x');
}));

// ── being told ───────────────────────────────────────────────────────────────────────────────────

test('listeners hear by type, by full name and all; leaving ends it', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect);
  const heard = { token: [], full: [], all: [], done: [], run: [] };
  run.on('token', ({ data, agent_id }) => heard.token.push([agent_id, data.text]));
  const leave = run.on('a.token', ({ data }) => {
    heard.full.push(data.text);
    leave();
  });
  run.on('*', ({ name }) => heard.all.push(name));
  run.on('done', ({ name }) => heard.done.push(name));
  run.on('run.done', ({ data }) => heard.run.push(data.status));
  server.answer(run.id, 'a', 'one two');
  server.end(run.id);
  await run.result();
  assert.deepEqual(heard.token, [['a', 'one'], ['a', ' two']]);
  assert.deepEqual(heard.full, ['one']);
  assert.deepEqual(heard.done, ['a.done']);
  assert.deepEqual(heard.run, ['completed']);
  assert.deepEqual(heard.all.slice(-4), ['a.token', 'a.token', 'a.done', 'run.done']);
}));

test('updates by tokens wait for the throttle, a lifecycle change does not', withServer(async ({ server, connect }) => {
  const client = connect();
  const run = await client.start({ message: 'hi', agents: ['a'], throttle: 60_000 });
  let told = 0;
  run.subscribe(() => (told += 1));
  await until(() => run.connection === 'open' && told > 0);
  server.say(run.id, 'a', 'started', { attempt: 1 });
  await until(() => run.getAgent('a')?.status === 'running');
  const before = run.getSnapshot();
  const count = told;
  for (let n = 0; n < 50; n += 1) server.say(run.id, 'a', 'token', { text: 'x' });
  await until(() => run.agents.a.text.length === 50);
  assert.equal(told, count);
  assert.equal(run.getSnapshot(), before);
  assert.equal(run.getAgent('a').text, '');
  server.say(run.id, 'a', 'status', { status: 'thinking' });
  await until(() => told === count + 1);
  assert.equal(run.getAgent('a').text.length, 50);
}));

test('a throttled update comes by itself', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect);
  await until(() => run.getAgent('a')?.status === 'running');
  let told = 0;
  run.subscribe(() => (told += 1));
  server.say(run.id, 'a', 'token', { text: 'x' });
  await until(() => run.getAgent('a').text === 'x');
  assert.equal(told, 1);
}));

test('a listener that throws stops neither the others nor the run', withServer(async ({ server, connect, t }) => {
  const caught = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => caught.push(error.message));
  t.after(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
  const { run } = await started(server, connect);
  run.on('token', () => {
    throw new Error('mine');
  });
  const heard = [];
  run.on('token', ({ data }) => heard.push(data.text));
  server.answer(run.id, 'a', 'one two');
  server.end(run.id);
  assert.equal((await run.result()).status, 'completed');
  await until(() => caught.length === 2);
  assert.deepEqual([caught, heard], [['mine', 'mine'], ['one', ' two']]);
}));

// ── iterating ────────────────────────────────────────────────────────────────────────────────────

test('an iteration that begins late, even after the end, tells all events once', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect);
  server.say(run.id, 'a', 'token', { text: 'one' });
  await until(() => run.agents.a.text === 'one');
  const middle = collect(run);
  server.answer(run.id, 'a', 'two');
  server.end(run.id);
  await run.result();
  const expected = server.ids(run.id);
  assert.deepEqual((await middle).map(({ id }) => id), expected);
  assert.deepEqual((await collect(run)).map(({ id }) => id), expected);
}));

test('a slow iteration falls behind in bounded memory and still tells each event once', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect, {});
  const seen = [];
  for await (const event of run) {
    seen.push(event.id);
    if (seen.length !== 2) continue;
    for (let n = 0; n < 9_000; n += 1) server.say(run.id, 'a', 'token', { text: 'x' });
    server.end(run.id);
    await run.result();
  }
  assert.deepEqual(seen, server.ids(run.id));
  assert.ok(byUrl(server, `/runs/${run.id}/events`).length > 0);
}));

test('leaving an iteration leaves the run alone', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect);
  for await (const event of run) if (event.name === 'a.started') break;
  server.answer(run.id, 'a', 'x');
  server.end(run.id);
  assert.equal((await run.result()).agents.a.text, 'x');
  assert.equal(byUrl(server, 'cancel').length, 0);
}));

test('detach ends iterations and results, closes the connection and cancels nothing', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect);
  const events = collect(run);
  await until(() => run.agents.a.status === 'running');
  run.detach();
  assert.deepEqual(names(await events), ['run.started', 'a.started']);
  assert.equal((await run.result()).status, 'running');
  await until(() => server.streams.length === 0);
  assert.equal(server.requests.filter(({ method }) => method !== 'GET').length, 1);
}));

// ── lost connections ─────────────────────────────────────────────────────────────────────────────

for (const channel of [undefined, null]) {
  const how = channel === null ? 'its own connection' : 'a channel';
  test(`cut again and again on ${how}, each event comes once`, withServer(async ({ server, connect }) => {
    server.pieceBytes = 7;
    const { run } = await started(server, connect, { channel });
    const events = collect(run);
    for (let n = 0; n < 12; n += 1) {
      server.say(run.id, 'a', 'token', { text: `${n} ` });
      server.say(run.id, 'a', 'reasoning', { text: `${n} ` });
      if (n % 3 === 0) await until(() => run.agents.a.reasoning.endsWith(`${n} `));
      server.cut();
      if (n % 2 === 0) await until(() => server.streams.length > 0);
    }
    server.say(run.id, 'a', 'done', { text: run.agents.a.text, attempt: 1 });
    server.end(run.id);
    const { agents } = await run.result();
    const numbers = '0 1 2 3 4 5 6 7 8 9 10 11 ';
    assert.deepEqual((await events).map(({ id }) => id), server.ids(run.id));
    assert.equal(agents.a.reasoning, numbers);
    const texts = (await events).filter(({ type }) => type === 'token').map(({ data }) => data.text);
    assert.equal(texts.join(''), numbers);
    assert.equal(server.requests.filter(({ method }) => method === 'POST').length, 1);
    assert.ok(server.requests.filter(({ headers }) => headers['last-event-id']).length > 3);
  }));
}

test('a server that sends events twice is heard once', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect, { channel: null });
  server.intercept = ({ headers }) => {
    delete headers['last-event-id']; // this server ignores the cursor and tells all again
    return false;
  };
  server.say(run.id, 'a', 'token', { text: 'one' });
  await until(() => run.agents.a.text === 'one');
  server.cut();
  server.say(run.id, 'a', 'token', { text: ' two' });
  await until(() => run.agents.a.text === 'one two');
}));

test('503 and 429 are waited out, as Retry-After says', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect);
  const times = [];
  server.intercept = ({ url }, response) => {
    if (!url.includes('/events') || times.push(Date.now()) > 2) return false;
    const headers = times.length === 1 ? {} : { 'Retry-After': '1' };
    response.writeHead(times.length === 1 ? 503 : 429, headers).end('<html>');
    return true;
  };
  server.cut();
  await until(() => run.connection === 'retrying');
  assert.equal(run.getSnapshot().detail.code, 'lost');
  await until(() => run.connection === 'open');
  assert.ok(times[2] - times[1] >= 990, `${times[2] - times[1]} ms`);
}));

test('no Retry-After makes a client hammer, or wait for more than an hour', async () => {
  for (const [header, least, most] of [
    ['2147484', 3_600_000, 3_600_000],
    ['999999999999999', 3_600_000, 3_600_000],
    [new Date(Date.now() + 100_000_000_000).toUTCString(), 3_600_000, 3_600_000],
    [new Date(Date.now() + 60_000).toUTCString(), 50_000, 60_000],
    ['7', 7_000, 7_000],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 0, 0],
    ['Wednesday, 21-Oct-15 07:28:00 GMT', 0, 0],
    ['Wed Oct 21 07:28:00 2015', 0, 0],
    ...['soon', '-1', '1.5', '3000.5', 'Infinity', '1e3', '0x10', '7, 8', 'never 2099', ''].map((odd) => /** @type {const} */ ([odd, null, null])),
  ]) {
    const { retryAfter } = await refusal(new Response('', { status: 429, headers: { 'Retry-After': header } }));
    if (least === null) assert.equal(retryAfter, null);
    else assert.ok(retryAfter >= least && retryAfter <= most, `${header}: ${retryAfter}`);
  }
  const backoff = new Backoff({ retry: 2 ** 40, maxRetry: 1 });
  assert.equal(backoff.next(), 3_600_000, 'a stream’s retry: is bounded, too');
});

test('a fetch that gives no body fails at once, and says what to pass', withServer(async ({ server, connect }) => {
  let asked = 0;
  const bodiless = async (url, init) => {
    const response = await fetch(url, init);
    if (!String(url).includes('/events')) return response;
    asked += 1;
    const { ok, status, headers } = response;
    void response.body?.cancel();
    return { ok, status, headers, text: async () => '' };
  };
  const client = connect({ fetch: bodiless });
  const run = await client.start({ message: 'hi' });
  await until(() => run.failure !== null);
  assert.match(run.failure.message, /createClient\(\{ fetch \}\)/);
  assert.ok(asked <= 2, `asked ${asked} times`);
  assert.ok(server);
}));

test('the pause before coming back is the server’s, with jitter, and grows', withServer(async ({ server, connect }) => {
  server.retryMs = 80;
  const { run } = await started(server, connect);
  const times = [];
  server.intercept = ({ url }, response) => {
    if (!url.includes('/events') || times.push(performance.now()) > 3) return false;
    response.destroy();
    return true;
  };
  const cut = performance.now();
  server.cut();
  await until(() => times.length === 4);
  const waits = times.map((time, n) => time - (times[n - 1] ?? cut));
  [80, 160, 320].forEach((least, n) => assert.ok(waits[n] >= least - 2, `${waits[n]} ms is less than ${least}`));
  await until(() => run.connection === 'open');
}));

test('a stream that falls silent is opened again', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect, { timing: { silence: 150 } });
  await until(() => byUrl(server, '/events').length >= 2);
  server.answer(run.id, 'a', 'x');
  server.end(run.id);
  assert.equal((await run.result()).agents.a.text, 'x');
}));

test('comments keep a silent stream alive', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect, { timing: { silence: 1_000 } });
  const beat = setInterval(() => server.streams.forEach(({ response }) => response.write(': heartbeat\n\n')), 50);
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  clearInterval(beat);
  assert.equal(byUrl(server, '/events').length, 1);
  assert.equal(run.connection, 'open');
}));

test('a stream that is refused for good ends the run with its failure', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect);
  const failed = new Promise((resolve) => run.on('failure', resolve));
  server.intercept = (_, response) => {
    response.writeHead(401).end();
    return true;
  };
  server.cut();
  assert.equal((await failed).status, 401);
  await assert.rejects(run.result(), { status: 401 });
  assert.deepEqual([run.connection, run.getSnapshot().detail.code], ['closed', 'failed']);
  await assert.rejects(collect(run), { status: 401 });
}));

test('an answer that is no stream is a failure, not a loop', withServer(async ({ server, connect }) => {
  server.intercept = ({ url }, response) => {
    if (!url.includes('/events')) return false;
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>');
    return true;
  };
  const run = await connect().start({ message: 'hi', agents: ['a'] });
  await assert.rejects(run.result(), /text\/html, not with a stream/);
}));

// ── gaps and ends ────────────────────────────────────────────────────────────────────────────────

for (const channel of [undefined, null]) {
  const how = channel === null ? 'its own connection' : 'a channel';
  test(`after a gap on ${how} the snapshot replaces the state and the stream goes on`, withServer(async ({ server, connect }) => {
    const { run } = await started(server, connect, { channel });
    const gaps = [];
    run.on('run.gap', ({ id, data }) => gaps.push([id, data.reason]));
    server.say(run.id, 'a', 'reasoning', { text: 'hm' });
    server.say(run.id, 'a', 'token', { text: 'one' });
    await until(() => run.agents.a.text === 'one');
    server.intercept = () => (server.streams.length === 0 ? new Promise((resolve) => setTimeout(() => resolve(false), 50)) : false);
    server.cut();
    server.say(run.id, 'a', 'token', { text: ' two' });
    server.say(run.id, 'a', 'token', { text: ' three' });
    server.trim(server.run(run.id).channel, 5);
    await until(() => run.agents.a.text === 'one two three');
    assert.deepEqual(gaps, [[null, 'trimmed']]);
    assert.deepEqual([run.agents.a.reasoning, run.getSnapshot().gap.reason], ['', 'trimmed']);
    server.say(run.id, 'a', 'token', { text: ' four' });
    await until(() => run.agents.a.text === 'one two three four');
    server.end(run.id);
    assert.equal((await run.result()).status, 'completed');
  }));

  test(`a log of another epoch on ${how} gives a gap and goes on`, withServer(async ({ server, connect }) => {
    const { run } = await started(server, connect, { channel });
    server.say(run.id, 'a', 'token', { text: 'one' });
    await until(() => run.agents.a.text === 'one');
    server.restart();
    await until(() => run.getSnapshot().gap?.reason === 'epoch');
    server.say(run.id, 'a', 'token', { text: ' two' });
    await until(() => run.agents.a.text === 'one two');
    server.end(run.id);
    await run.result();
  }));

  test(`a run that the server forgot on ${how} is a failure, not an endless wait`, withServer(async ({ server, connect }) => {
    const { run } = await started(server, connect, { channel });
    server.forget(run.id);
    server.restart();
    await assert.rejects(run.result(), { status: 410 });
  }));
}

test('a run that ended meanwhile and was trimmed away ends by its snapshot', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect, { channel: null });
  server.cut();
  server.answer(run.id, 'a', 'x');
  server.end(run.id);
  server.restart();
  const { status, agents } = await run.result();
  assert.deepEqual([status, agents.a.text], ['completed', 'x']);
}));

test('204 says finished: the state comes from the snapshot', withServer(async ({ server, connect }) => {
  const { id } = server.start(['a']);
  server.answer(id, 'a', 'whole');
  server.end(id);
  const run = connect().attach(id, { after: server.ids(id).at(-1) });
  const events = collect(run);
  const { status, agents, connection } = await run.result();
  assert.deepEqual([status, agents.a.text, connection], ['completed', 'whole', 'closed']);
  assert.deepEqual(await events, []);
  assert.equal(byUrl(server, '/events').length, 1);
}));

// ── attaching ────────────────────────────────────────────────────────────────────────────────────

test('attach replays an ended run from its first event', withServer(async ({ server, connect }) => {
  const { id } = server.start(['a', 'b']);
  server.say(id, 'a', 'reasoning', { text: 'hm' });
  server.answer(id, 'a', 'one');
  server.end(id);
  const run = connect().attach(id);
  const events = await collect(run);
  assert.deepEqual(events.map((event) => event.id), server.ids(id));
  assert.deepEqual([run.status, run.agents.a.title, run.agents.a.text], ['completed', 'A', 'one']);
}));

test('attach catches up with a live run and then shares the channel’s connection', withServer(async ({ server, connect }) => {
  const client = connect();
  const first = await client.start({ message: 'hi', agents: ['a'] });
  await until(() => first.connection === 'open');
  const { channel } = server.run(first.id);
  const { id } = server.start(['a'], { channel });
  server.say(id, 'a', 'started', { attempt: 1 });
  server.say(id, 'a', 'reasoning', { text: 'hm' });
  server.say(id, 'a', 'token', { text: 'one' });
  const run = client.attach(id);
  const events = collect(run);
  await until(() => run.agents.a?.text === 'one');
  await until(() => server.streams.length === 1);
  server.say(id, 'a', 'token', { text: ' two' });
  await until(() => run.agents.a.text === 'one two');
  assert.deepEqual([run.agents.a.reasoning, server.streams.length], ['hm', 1]);
  server.end(id);
  assert.deepEqual((await events).map((event) => event.id), server.ids(id));
  assert.equal(first.status, 'running');
  assert.equal(server.streams.length, 1);
}));

test('attach misses nothing while the run goes on talking', withServer(async ({ server, connect }) => {
  const channel = 'shared';
  for (let round = 0; round < 10; round += 1) {
    const { id } = server.start(['a'], { channel });
    server.say(id, 'a', 'started', { attempt: 1 });
    let count = 0;
    const talk = setInterval(() => server.say(id, 'a', 'token', { text: `${count++} ` }), 1);
    const client = connect();
    const [one, two] = [client.attach(id), client.attach(id)];
    const events = Promise.all([collect(one), collect(two)]);
    await until(() => one.agents.a?.text.length > 60 && two.agents.a?.text.length > 60);
    clearInterval(talk);
    server.end(id);
    for (const told of await events) assert.deepEqual(told.map((event) => event.id), server.ids(id));
  }
}));

test('attach knows what was asked, and in which conversation, before the first event', withServer(async ({ server, connect }) => {
  const { id } = server.start(['a'], { message: 'And now?', conversation_id: 'talk_1' });
  for (const after of [undefined, server.ids(id)[0]]) {
    const run = connect().attach(id, { after });
    const told = [];
    run.on('run.started', () => told.push(run.getSnapshot().message));
    await until(() => run.getSnapshot().message !== '');
    const { message, conversation_id, channel } = run.getSnapshot();
    assert.deepEqual([message, conversation_id, channel], ['And now?', 'talk_1', id]);
    await until(() => run.connection === 'open');
    assert.deepEqual(told, after === undefined ? ['And now?'] : []);
  }
  server.say(id, 'a', 'started', { attempt: 1 });
  server.end(id);
  const { message, conversation_id } = await connect().attach(id).result();
  assert.deepEqual([message, conversation_id], ['And now?', 'talk_1']);
}));

test('attach after an id tells what came later, and its texts are whole', withServer(async ({ server, connect }) => {
  const { id } = server.start(['a']);
  server.say(id, 'a', 'started', { attempt: 1 });
  for (const text of ['one', ' two', ' three']) server.say(id, 'a', 'token', { text });
  const run = connect().attach(id, { after: server.ids(id)[2] });
  const events = collect(run);
  await until(() => run.agents.a?.text === 'one two three');
  server.say(id, 'a', 'token', { text: ' four' });
  await until(() => run.agents.a.text === 'one two three four');
  server.end(id, 'cancelled');
  assert.deepEqual((await events).map((event) => event.id), server.ids(id).slice(3));
  assert.equal((await run.result()).status, 'cancelled');
}));

test('attach after an id of an ended run ends', withServer(async ({ server, connect }) => {
  const { id } = server.start(['a']);
  server.answer(id, 'a', 'one two');
  server.end(id);
  const { status, agents } = await connect().attach(id, { after: server.ids(id)[2] }).result();
  assert.deepEqual([status, agents.a.text], ['completed', 'one two']);
}));

test('attaching to a run that is not there shows as its failure', withServer(async ({ connect }) => {
  const run = connect().attach('run_none');
  await assert.rejects(run.result(), { status: 404 });
  await assert.rejects(collect(run), { status: 404 });
}));

test('attach waits for a server that is restarting', withServer(async ({ server, connect }) => {
  const { id } = server.start(['a']);
  server.end(id);
  let refused = 0;
  server.intercept = (_, response) => refused++ < 3 && Boolean(response.writeHead(503).end());
  const run = connect({ timing: { retry: 5 } }).attach(id);
  await until(() => run.connection === 'retrying');
  assert.equal((await run.result()).status, 'completed');
}));

// ── steering ─────────────────────────────────────────────────────────────────────────────────────

test('cancel is shown as cancelling at once, cancelled comes as an event', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect);
  await until(() => run.agents.a.status === 'running');
  await run.cancel('a');
  assert.equal(run.getAgent('a').status, 'cancelling');
  server.say(run.id, 'a', 'cancelled', { reason: 'requested', metrics: METRICS, attempt: 1 });
  await until(() => run.getAgent('a').status === 'cancelled');
  await run.cancel();
  assert.deepEqual(server.requests.filter(({ method }) => method === 'POST').slice(1).map(({ url }) => url), [
    `/v1/runs/${run.id}/agents/a/cancel`,
    `/v1/runs/${run.id}/cancel`,
  ]);
}));

test('add, retry and approve ask the server; ids are quoted', withServer(async ({ server, connect }) => {
  const { run } = await started(server, connect);
  await run.add('late');
  await until(() => run.getAgent('late') !== undefined);
  assert.deepEqual(run.getSnapshot().agentIds, ['a', 'late']);
  await run.retry('a');
  await run.approve('a', 'call/1 ?', false);
  const [add, retry, approve] = server.requests.filter(({ method }) => method === 'POST').slice(1);
  assert.deepEqual([add.url, add.body], [`/v1/runs/${run.id}/agents`, { agent_id: 'late' }]);
  assert.equal(retry.url, `/v1/runs/${run.id}/agents/a/retry`);
  assert.deepEqual([approve.url, approve.body], [`/v1/runs/${run.id}/agents/a/approvals/call%2F1%20%3F`, { approve: false }]);
}));

test('votes and scores ask the server as its protocol has them', withServer(async ({ server, connect }) => {
  const { client, run } = await started(server, connect);
  assert.deepEqual(await client.scores({ by: 'vote', q: 'tea & more' }), { compared: 0, agents: [], questions: [] });
  assert.ok(server.requests.some(({ url }) => url === '/v1/scores?by=vote&q=tea+%26+more'));
  assert.deepEqual((await run.vote('a')).vote, 'a');
  await run.vote(null, 'both_bad');
  await run.vote(null);
  await run.takeVoteBack();
  const asked = byUrl(server, '/vote').map(({ method, body }) => [method, body?.agent_id ?? body?.verdict]);
  assert.deepEqual(asked, [['POST', 'a'], ['POST', 'both_bad'], ['POST', 'tie'], ['DELETE', undefined]]);
}));

test('agents, runs, snapshot and delete', withServer(async ({ server, connect }) => {
  const { client, run } = await started(server, connect);
  assert.equal((await client.agents())[0].agent_id, 'skeptic');
  assert.equal((await client.runs({ limit: 5, before: 'run_9' }))[0].run_id, run.id);
  assert.ok(server.requests.some(({ url }) => url === '/v1/runs?limit=5&before=run_9'));
  assert.equal((await client.snapshot(run.id)).agents.a.status, 'running');
  await client.delete(run.id);
  assert.equal(run.connection, 'closed');
  await assert.rejects(client.snapshot(run.id), { status: 410 });
}));
