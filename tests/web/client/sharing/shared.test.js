/**
 * Tabs that share a worker's connection. Node has no SharedWorker, so here the worker's hub runs beside the tabs,
 * each over a real MessageChannel; tests/browser has the rest.
 */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';

import { SharedHub } from '../../../../orchestrator/web/client/sharing/shared-hub.js';
import { collect, until, withServer } from '../../support/harness.js';

let hub;
let answers = true;
const ports = [];

/** What a browser gives a tab: a port to the one worker. */
class TestSharedWorker extends EventTarget {
  constructor(url, options) {
    super();
    assert.match(url.pathname, /\/web\/client\/sharing\/shared-worker\.js$/);
    assert.equal(options.type, 'module');
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    ports.push(port1, port2);
    if (answers) hub.connect(port2);
  }
}

const page = new EventTarget();

before(() => {
  Object.assign(globalThis, {
    SharedWorker: TestSharedWorker,
    location: new URL('http://127.0.0.1/'),
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
  });
});

after(() => {
  for (const name of ['SharedWorker', 'location', 'addEventListener', 'removeEventListener']) delete globalThis[name];
});

/** As `withServer`, with a new worker. */
function withTabs(body) {
  return withServer(async (parts) => {
    hub = new SharedHub();
    answers = true;
    try {
      await body(parts);
    } finally {
      for (const port of ports.splice(0)) port.close();
    }
  });
}

test('seven tabs have one connection, and each its own runs', withTabs(async ({ server, connect }) => {
  const tabs = Array.from({ length: 7 }, () => connect({ token: 't' }));
  const runs = await Promise.all(tabs.map((tab) => tab.start({ message: 'hi', agents: ['a'] })));
  const events = runs.map(collect);
  await until(() => runs.every((run) => run.connection === 'open'));
  assert.equal(server.streams.length, 1);
  for (const [n, run] of runs.entries()) server.answer(run.id, 'a', `tab ${n}`);
  for (const run of runs) server.end(run.id);
  for (const [n, run] of runs.entries()) {
    assert.equal((await run.result()).agents.a.text, `tab ${n}`);
    assert.deepEqual((await events[n]).map(({ id }) => id), server.ids(run.id));
  }
  const streams = server.requests.filter(({ url }) => url.includes('/events'));
  assert.equal(streams.length, 1);
  assert.equal(streams[0].headers.authorization, 'Bearer t');
  await until(() => server.streams.length === 0);
}));

test('a tab that comes later follows a run of another tab on the same connection', withTabs(async ({ server, connect }) => {
  const run = await connect().start({ message: 'hi', agents: ['a'] });
  await until(() => run.connection === 'open');
  server.say(run.id, 'a', 'started', { attempt: 1 });
  server.say(run.id, 'a', 'reasoning', { text: 'hm' });
  const other = connect().attach(run.id);
  const events = collect(other);
  await until(() => other.agents.a?.reasoning === 'hm');
  await until(() => server.streams.length === 1);
  server.cut();
  server.answer(run.id, 'a', 'x', 2);
  server.end(run.id);
  assert.deepEqual((await events).map(({ id }) => id), server.ids(run.id));
  assert.deepEqual((await run.result()).agents, (await other.result()).agents);
}));

test('a tab that closes leaves the others alone, and the last one the connection', withTabs(async ({ server, connect }) => {
  const [one, two] = [connect(), connect()];
  const [first, second] = [await one.start({ message: '1', agents: ['a'] }), await two.start({ message: '2', agents: ['a'] })];
  await until(() => first.connection === 'open' && second.connection === 'open');
  one.close();
  server.answer(second.id, 'a', 'x');
  await until(() => second.agents.a.text === 'x');
  assert.equal(server.streams.length, 1);
  two.close();
  await until(() => server.streams.length === 0);
}));

test('a page that is left says goodbye, and one that comes back goes on', withTabs(async ({ server, connect }) => {
  const run = await connect().start({ message: 'hi', agents: ['a'] });
  await until(() => run.connection === 'open');
  page.dispatchEvent(new Event('pagehide'));
  await until(() => server.streams.length === 0);
  server.say(run.id, 'a', 'token', { text: 'meanwhile' });
  page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
  await until(() => run.agents.a.text === 'meanwhile');
  server.end(run.id);
  assert.equal((await run.result()).agents.a.text, 'meanwhile');
}));

test('tabs with another token have another connection', withTabs(async ({ server, connect }) => {
  const runs = [await connect({ token: 'x' }).start({ message: '1' }), await connect({ token: 'y' }).start({ message: '2' })];
  await until(() => runs.every((run) => run.connection === 'open'));
  assert.deepEqual(server.requests.filter(({ url }) => url.includes('/events')).map(({ headers }) => headers.authorization).sort(), ['Bearer x', 'Bearer y']);
}));

test('lost and refused connections are told to every tab', withTabs(async ({ server, connect }) => {
  const runs = [await connect().start({ message: '1' }), await connect().start({ message: '2' })];
  await until(() => runs.every((run) => run.connection === 'open'));
  server.retryMs = 200;
  server.intercept = (_, response) => Boolean(response.writeHead(503).end());
  server.cut();
  await until(() => runs.every((run) => run.connection === 'retrying' && run.detail?.code === 'lost'));
  server.intercept = (_, response) => Boolean(response.writeHead(403).end());
  for (const run of runs) await assert.rejects(run.result(), { status: 403 });
}));

test('a worker that does not answer within 3 s is done without', withTabs(async ({ server, connect }) => {
  answers = false;
  const run = await connect().start({ message: 'hi', agents: ['a'] });
  server.answer(run.id, 'a', 'x');
  server.end(run.id);
  assert.equal((await run.result()).agents.a.text, 'x');
}));

test('a worker that cannot be loaded is done without at once', withTabs(async ({ server, connect }) => {
  answers = false;
  const known = globalThis.SharedWorker, later = globalThis.setTimeout;
  let worker;
  globalThis.SharedWorker = class extends known {
    constructor(...options) {
      super(...options);
      worker = this;
    }
  };
  // Whoever only waits until the worker's time to answer is up waits for ever here.
  globalThis.setTimeout = (call, ms, ...more) => later(call, ms === 3_000 ? 1e9 : ms, ...more);
  try {
    const starting = connect().start({ message: 'hi', agents: ['a'] });
    worker.dispatchEvent(new Event('error'));
    const run = await starting;
    server.end(run.id);
    await run.result();
  } finally {
    Object.assign(globalThis, { SharedWorker: known, setTimeout: later });
  }
}));

test('a worker that falls silent in the middle is replaced by the tab’s own connection', withTabs(async ({ server, connect, t }) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: Date.now() });
  const run = await connect().start({ message: 'hi', agents: ['a'] });
  await until(() => run.connection === 'open');
  server.say(run.id, 'a', 'token', { text: 'one' });
  await until(() => run.agents.a.text === 'one');
  const events = collect(run);
  ports[1].close(); // the worker's end
  server.say(run.id, 'a', 'token', { text: ' two' });
  t.mock.timers.tick(60_000);
  await until(() => run.agents.a.text === 'one two');
  const opened = server.requests.filter(({ url }) => url.includes('/events'));
  assert.deepEqual(opened.map(({ headers }) => headers['last-event-id']), [undefined, server.ids(run.id).at(-2)]);
  server.end(run.id);
  assert.deepEqual((await events).map(({ id }) => id), server.ids(run.id));
}));

test('another fetch, or share: false, shares nothing', withTabs(async ({ connect }) => {
  connect({ share: false });
  connect({ fetch: globalThis.fetch });
  assert.equal(ports.length, 0);
}));
