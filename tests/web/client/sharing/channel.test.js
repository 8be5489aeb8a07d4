/** Many runs on one connection, and what is said when the browser has no connection left. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { collect, until, withServer } from '../../support/harness.js';

const posts = (server) => server.requests.filter(({ method }) => method === 'POST');
const opened = (server) => server.requests.filter(({ url }) => url.includes('/events'));

test('runs of one client share one connection and are told apart', withServer(async ({ server, connect }) => {
  const client = connect();
  const runs = await Promise.all(['a', 'b', 'c', 'd'].map((agent) => client.start({ message: agent, agents: [agent] })));
  const events = runs.map(collect);
  await until(() => server.streams.length === 1);
  assert.equal(new Set(posts(server).map(({ body }) => body.channel)).size, 1);
  for (const [n, run] of runs.entries()) server.answer(run.id, 'abcd'[n], `I am ${'abcd'[n]}`);
  for (const run of runs) server.end(run.id);
  for (const [n, run] of runs.entries()) {
    assert.deepEqual((await events[n]).map(({ id }) => id), server.ids(run.id));
    assert.equal(run.agents['abcd'[n]].text, `I am ${'abcd'[n]}`);
    assert.deepEqual(Object.keys(run.agents), ['abcd'[n]]);
  }
  assert.equal(opened(server).length, 1);
  await until(() => server.streams.length === 0);
}));

test('a run on a busy channel needs no further request to be told from its first event', withServer(async ({ server, connect }) => {
  const client = connect();
  const first = await client.start({ message: 'hi', agents: ['a'] });
  await until(() => first.connection === 'open');
  server.onStart = async (run) => {
    server.answer(run.id, 'a', 'early');
    await until(() => server.streams.length === 1 && server.streams[0].response.writableLength === 0);
    await new Promise((resolve) => setTimeout(resolve, 50)); // time for the client to read it
  };
  const second = await client.start({ message: 'hi', agents: ['a'] });
  const events = collect(second);
  await until(() => second.agents.a.text === 'early');
  server.end(second.id);
  assert.deepEqual((await events).map(({ id }) => id), server.ids(second.id));
  assert.equal(opened(server).length, 1);
}));

test('runs on one channel go on over cut connections', withServer(async ({ server, connect }) => {
  const client = connect();
  const runs = [await client.start({ message: '1', agents: ['a'] }), await client.start({ message: '2', agents: ['a'] })];
  const events = runs.map(collect);
  for (let n = 0; n < 6; n += 1) {
    await until(() => server.streams.length === 1);
    for (const run of runs) server.say(run.id, 'a', 'token', { text: `${n}` });
    if (n % 2) await until(() => runs.every((run) => run.agents.a.text.endsWith(`${n}`)));
    server.cut();
  }
  for (const run of runs) server.end(run.id);
  for (const [n, run] of runs.entries()) {
    assert.equal((await run.result()).agents.a.text, '012345');
    assert.deepEqual((await events[n]).map(({ id }) => id), server.ids(run.id));
  }
}));

test('a channel that is given holds every run, and its history is not read again', withServer(async ({ server, connect }) => {
  const old = server.start(['a'], { channel: 'mine' });
  server.answer(old.id, 'a', 'long ago');
  server.end(old.id);
  const client = connect({ channel: 'mine' });
  const heard = [];
  for (const round of [1, 2]) {
    const run = await client.start({ message: 'hi', agents: ['a'] });
    run.on('*', ({ id }) => heard.push(id));
    const events = collect(run);
    await until(() => run.agents.a.title === 'A', `round ${round}`);
    server.answer(run.id, 'a', 'new');
    server.end(run.id);
    assert.deepEqual((await events).map(({ id }) => id), server.ids(run.id));
    assert.equal(run.getSnapshot().channel, 'mine');
  }
  assert.deepEqual(posts(server).map(({ body }) => body.channel), ['mine', 'mine']);
  const channelCalls = opened(server).filter(({ url }) => url.startsWith('/v1/channels/'));
  assert.ok(channelCalls.length > 0 && channelCalls.every(({ headers }) => headers['last-event-id']));
  assert.ok(heard.length > 0 && heard.every((id) => !server.ids(old.id).includes(id)));
}));

test('channel: null gives each run a connection of its own', withServer(async ({ server, connect }) => {
  const client = connect({ channel: null });
  const runs = [await client.start({ message: '1', agents: ['a'] }), await client.start({ message: '2', agents: ['a'] })];
  await until(() => server.streams.length === 2);
  assert.deepEqual(posts(server).map(({ body }) => body.channel), [undefined, undefined]);
  for (const run of runs) server.end(run.id);
  await Promise.all(runs.map((run) => run.result()));
}));

test('leaving one of two runs on a channel leaves the other its connection', withServer(async ({ server, connect }) => {
  const client = connect();
  const [one, two] = [await client.start({ message: '1', agents: ['a'] }), await client.start({ message: '2', agents: ['a'] })];
  await until(() => one.connection === 'open' && two.connection === 'open');
  one.detach();
  server.answer(two.id, 'a', 'still here');
  await until(() => two.agents.a.text === 'still here');
  server.end(two.id);
  await until(() => server.streams.length === 0);
  assert.deepEqual([one.agents.a.text, opened(server).length], ['', 1]);
}));

for (const channel of [undefined, null]) {
  test(`a stream that gets no answer says so (channel ${channel})`, withServer(async ({ server, connect }) => {
    const waiting = [];
    server.intercept = ({ url }, response) => url.includes('/events') && Boolean(waiting.push(response));
    const client = connect({ channel, timing: { blocked: 60 } });
    const [told, toldClient] = [[], []];
    client.on('blocked', ({ message }) => toldClient.push(message));
    const run = await client.start({ message: 'hi', agents: ['a'] });
    run.on('blocked', ({ message }) => told.push(message));
    await until(() => run.getSnapshot().detail?.code === 'blocked');
    assert.equal(run.connection, 'connecting');
    assert.match(run.getSnapshot().detail.message, /six connections/);
    assert.ok(told.length >= 1); // on a slow machine another try may have waited as long
    assert.ok(toldClient.length >= 1); // and the start, too
    server.intercept = () => false;
    for (const response of waiting) response.destroy();
    await until(() => run.connection === 'open');
    await until(() => run.detail === null);
  }));
}

test('what a link tells between a snapshot and its arrival is not missed', withServer(async ({ server, connect }) => {
  const client = connect();
  const first = await client.start({ message: 'hi', agents: ['a'] });
  await until(() => first.connection === 'open');
  const { id } = server.start(['a'], { channel: server.run(first.id).channel });
  let count = 0;
  server.onSnapshot = async () => {
    if (count++ > 0) return;
    server.say(id, 'a', 'token', { text: 'between' });
    server.say(first.id, 'a', 'token', { text: 'seen' });
    await until(() => first.agents.a.text === 'seen');
    server.frameMs = 20;
  };
  const run = client.attach(id);
  const events = collect(run);
  await until(() => run.agents.a?.text === 'between');
  await until(() => server.streams.length === 1);
  server.frameMs = 0;
  server.end(id);
  assert.deepEqual((await events).map((event) => event.id), server.ids(id));
}));

test('a run that catches up tells how its own stream stands, not the link', withServer(async ({ server, connect }) => {
  const client = connect({ timing: { blocked: 40 } });
  const first = await client.start({ message: 'hi', agents: ['a'] });
  await until(() => first.connection === 'open');
  const { id } = server.start(['a'], { channel: server.run(first.id).channel });
  const waiting = [];
  server.intercept = ({ url }, response) => url.endsWith(`${id}/events`) && Boolean(waiting.push(response));
  const run = client.attach(id);
  const told = [];
  run.on('connection', ({ connection }) => told.push(connection));
  await until(() => run.detail?.code === 'blocked');
  assert.ok(!told.includes('open'));
  assert.deepEqual([run.connection, first.connection, first.detail], ['connecting', 'open', null]);
  server.intercept = () => false;
  for (const response of waiting) response.destroy();
  await until(() => run.connection === 'open' && run.agents.a?.title === 'A');
}));

test('a start that gets no answer says so, and goes on when it comes', withServer(async ({ server, connect }) => {
  const client = connect({ timing: { blocked: 60 } });
  const told = [];
  client.on('blocked', ({ message }) => told.push(message));
  server.intercept = ({ method }) => (method === 'POST' ? until(() => told.length > 0).then(() => false) : false);
  const run = await client.start({ message: 'hi', agents: ['a'] });
  assert.equal(run.status, 'running');
}));

test('an attach whose first request gets no answer says so on the run', withServer(async ({ server, connect }) => {
  const { id } = server.start(['a']);
  const client = connect({ timing: { blocked: 40 } });
  const told = [];
  client.on('blocked', ({ message }) => told.push(message));
  server.onSnapshot = () => until(() => told.length > 0);
  const run = client.attach(id);
  const seen = [];
  run.on('connection', ({ detail }) => seen.push(detail?.code));
  await until(() => seen.includes('blocked'));
  await until(() => run.connection === 'open' && run.detail === null);
}));

test('the limit before this is said is 3 s', async () => {
  const { TIMING } = await import('../../../../orchestrator/web/client/wire/http.js');
  assert.deepEqual([TIMING.blocked, TIMING.silence], [3_000, 45_000]);
});

test('a request that waits takes the stream’s place, and the stream goes on by id', withServer(async ({ server, connect }) => {
  const client = connect({ timing: { room: 50 } });
  const run = await client.start({ message: 'hi', agents: ['a'] });
  const events = collect(run);
  await until(() => run.connection === 'open');
  // As in a browser whose sixth connection is this stream: the request gets through once that is closed.
  server.intercept = ({ url }) => (url.endsWith('/cancel') ? until(() => server.streams.length === 0).then(() => false) : false);
  const details = [];
  run.on('connection', ({ detail }) => details.push(detail?.code));
  const cancelling = run.cancel('a');
  server.say(run.id, 'a', 'token', { text: 'one' });
  await cancelling;
  assert.equal(run.agents.a.status, 'cancelling');
  server.say(run.id, 'a', 'token', { text: ' two' });
  await until(() => run.agents.a.text === 'one two');
  server.end(run.id);
  assert.deepEqual((await events).map(({ id }) => id), server.ids(run.id));
  assert.ok(!details.includes('lost') && !details.includes('blocked'));
}));
