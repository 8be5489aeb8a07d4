/** What a view shows of a run: the framework-free half of the React hook. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Session } from '../../../orchestrator/web/client/session.js';
import { until, withServer } from '../support/harness.js';

const asked = { message: 'hi', agents: ['a'] };

test('it shows a run from its start to its end, and tokens disturb nobody', withServer(async ({ server, connect }) => {
  const session = new Session(connect(), 0);
  const seen = [];
  session.subscribe(() => seen.push(session.getSnapshot().status));
  assert.deepEqual([session.getSnapshot().status, session.getSnapshot().run], ['idle', null]);
  const starting = session.start(asked);
  assert.equal(session.getSnapshot().status, 'starting');
  const run = await starting;
  await until(() => session.getSnapshot().connection === 'open');
  server.say(run.id, 'a', 'started', { attempt: 1 });
  await until(() => run.getAgent('a').status === 'running');
  const [before, count] = [session.getSnapshot(), seen.length];
  for (let n = 0; n < 20; n += 1) server.say(run.id, 'a', 'token', { text: 'x' });
  await until(() => run.getAgent('a').text.length === 20);
  assert.equal(session.getSnapshot(), before);
  assert.equal(seen.length, count);
  assert.deepEqual(session.getSnapshot().agentIds, ['a']);
  server.end(run.id);
  await until(() => session.getSnapshot().status === 'completed');
  assert.deepEqual([...new Set(seen)], ['starting', 'running', 'completed']);
}));

test('its methods need no this, and cancel, retry and add reach the run', withServer(async ({ server, connect }) => {
  const { start, cancel, retry, add, getSnapshot } = new Session(connect());
  const run = await start(asked);
  await cancel('a');
  await retry('a');
  await add('b');
  await cancel();
  await until(() => getSnapshot().agentIds.length === 2);
  assert.deepEqual(server.requests.filter(({ method }) => method === 'POST').map(({ url }) => url.replace(run.id, 'ID')), [
    '/v1/runs', '/v1/runs/ID/agents/a/cancel', '/v1/runs/ID/agents/a/retry', '/v1/runs/ID/agents', '/v1/runs/ID/cancel',
  ]);
}));

test('a refused start and a refused button are told as the error, and the next success clears it', withServer(async ({ server, connect }) => {
  const session = new Session(connect());
  server.intercept = (_, response) => Boolean(response.writeHead(429).end());
  assert.equal(await session.start(asked), null);
  assert.deepEqual([session.getSnapshot().status, session.getSnapshot().error.status], ['idle', 429]);
  server.intercept = () => false;
  await session.start(asked);
  assert.equal(session.getSnapshot().error, null);
  server.intercept = ({ url }, response) => url.endsWith('/retry') && Boolean(response.writeHead(409).end());
  await session.retry('a');
  assert.equal(session.getSnapshot().error.status, 409);
  await session.cancel('a');
  assert.equal(session.getSnapshot().error, null);
}));

test('attach twice, as React’s strict mode does, follows once; leaving cancels nothing', withServer(async ({ server, connect }) => {
  const { id } = server.start(['a']);
  const session = new Session(connect());
  session.attach(id);
  session.detach();
  session.attach(id);
  session.attach(id);
  await until(() => session.getSnapshot().agentIds.length === 1);
  await until(() => server.streams.length === 1);
  session.detach();
  await until(() => server.streams.length === 0);
  assert.deepEqual([session.getSnapshot().status, session.getSnapshot().run], ['idle', null]);
  assert.ok(server.requests.every(({ method }) => method === 'GET'));
}));

test('a start in an effect, as React’s strict mode runs it twice, is one run; a later one is another', withServer(async ({ server, connect }) => {
  const session = new Session(connect());
  const posts = () => server.requests.filter(({ method }) => method === 'POST').length;
  const first = session.start(asked);
  session.detach();
  const second = session.start({ ...asked });
  assert.equal(await first, null, 'the view that started it is gone');
  const run = await second;
  assert.equal(session.getSnapshot().run, run);
  await until(() => session.getSnapshot().connection === 'open');
  assert.equal(posts(), 1);
  const other = await session.start(asked);
  assert.notEqual(other.id, run.id);
  assert.equal(posts(), 2);
  const [one, two] = [session.start({ ...asked, message: 'one' }), session.start({ ...asked, message: 'two' })];
  assert.equal(await one, null);
  assert.equal((await two).getSnapshot().message, 'two');
  assert.equal(posts(), 4);
}));

test('a start that was overtaken is left alone, and the newer run is shown', withServer(async ({ server, connect }) => {
  const session = new Session(connect());
  let release;
  server.onStart = (run) => run.message === 'slow' && new Promise((resolve) => (release = resolve));
  const slow = session.start({ ...asked, message: 'slow' });
  await until(() => release);
  const quick = await session.start({ ...asked, message: 'quick' });
  release();
  assert.equal(await slow, null);
  assert.equal(session.getSnapshot().run, quick);
  assert.ok(!server.requests.some(({ url }) => url.includes('cancel')));
}));

test('a run that cannot be followed shows its failure', withServer(async ({ connect }) => {
  const session = new Session(connect());
  session.attach('run_none');
  await until(() => session.getSnapshot().error?.status === 404);
  assert.equal(session.getSnapshot().connection, 'closed');
}));

test('a start that gets no answer says so meanwhile', withServer(async ({ server, connect }) => {
  const session = new Session(connect({ timing: { blocked: 40 } }));
  server.onStart = () => until(() => session.getSnapshot().detail?.code === 'blocked');
  assert.notEqual(await session.start(asked), null);
}));
