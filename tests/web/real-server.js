/** The client against the real server that ORCHESTRATOR_SERVER names; `tests/test_web.py` starts one and runs this. */

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';

import { createClient } from '../../orchestrator/web/client/client.js';
import { collect, until } from './support/harness.js';

const address = process.env.ORCHESTRATOR_SERVER;
const options = { timeout: 60_000 };
const QUESTION = { message: 'What is 12 * 7, and what time is it?', agents: ['analyst', 'optimist', 'skeptic'] };

/** Hand connections on to the server, so that they can be cut. */
async function proxied() {
  const { hostname, port } = new URL(address);
  const sockets = new Set();
  const server = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    for (const [socket, other] of [[near, far], [far, near]]) {
      sockets.add(socket);
      socket.pipe(other);
      socket.on('error', () => other.destroy());
      socket.on('close', () => (other.destroy(), sockets.delete(socket)));
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => sockets.forEach((socket) => socket.destroy());
  return { url: `http://127.0.0.1:${server.address().port}`, cut, close: () => (cut(), server.close()) };
}

/** What the server's own stream of a run tells, from the first event on. */
async function truth(id) {
  const client = createClient({ baseUrl: address, channel: null });
  return (await collect(client.attach(id))).map((event) => event.id);
}

test('three agents speak at once, and each text is whole', options, async () => {
  const client = createClient({ baseUrl: address });
  const run = await client.start(QUESTION);
  const events = await collect(run);
  const { status, agents, agentIds } = await run.result();
  assert.deepEqual([status, agentIds], ['completed', QUESTION.agents]);
  assert.equal(events.at(0).name, 'run.started');
  assert.equal(events.at(-1).name, 'run.done');
  for (const [id, agent] of Object.entries(agents)) {
    const told = events.filter((event) => event.name === `${id}.token` && !event.data.parent).map(({ data }) => data.text);
    assert.equal(told.join(''), agent.text);
    assert.ok(agent.text.length > 20 && agent.metrics.ttft_ms !== null && agent.title !== id);
    assert.ok(agent.tools.every((tool) => tool.output !== null));
  }
  const speakers = events.filter(({ type }) => type === 'token').map(({ agent_id }) => agent_id);
  assert.ok(speakers.some((speaker, n) => n > 0 && speaker !== speakers[n - 1] && speakers.indexOf(speakers[n - 1], n) > 0));
  assert.deepEqual(events.map(({ id }) => id), await truth(run.id));
});

test('connections that are cut lose and repeat nothing', options, async () => {
  const proxy = await proxied();
  try {
    const client = createClient({ baseUrl: proxy.url, timing: { retry: 20 } });
    const [run, other] = [await client.start(QUESTION), await client.start(QUESTION)];
    const seen = [collect(run), collect(other)];
    for (let n = 0; n < 3 && run.status === 'running'; n += 1) {
      const length = run.agents.analyst.text.length;
      // The run may end first, and its connection with it.
      await until(() => run.status !== 'running' || (run.connection === 'open' && run.agents.analyst.text.length > length));
      proxy.cut();
    }
    assert.deepEqual((await seen[0]).map(({ id }) => id), await truth(run.id));
    assert.deepEqual((await seen[1]).map(({ id }) => id), await truth(other.id));
    assert.deepEqual([run.status, other.status], ['completed', 'completed']);
  } finally {
    proxy.close();
  }
});

test('one agent is cancelled, the others go on; another page sees the same', options, async () => {
  const client = createClient({ baseUrl: address });
  const run = await client.start(QUESTION);
  await until(() => run.agents.skeptic.text.length > 10);
  const watching = createClient({ baseUrl: address }).attach(run.id);
  await run.cancel('skeptic');
  assert.match(run.agents.skeptic.status, /^cancell(ing|ed)$/);
  const [mine, theirs] = await Promise.all([run.result(), watching.result()]);
  assert.deepEqual(Object.values(mine.agents).map(({ status }) => status), ['done', 'done', 'cancelled']);
  assert.deepEqual(theirs.agents, mine.agents);
  assert.equal(mine.status, 'partial');
});

test('an agent joins in the middle, one that was cancelled tries again', options, async () => {
  const client = createClient({ baseUrl: address });
  const run = await client.start({ message: QUESTION.message, agents: ['analyst', 'skeptic'] });
  await until(() => run.agents.skeptic.text.length > 0);
  await run.cancel('skeptic');
  await until(() => run.agents.skeptic.status === 'cancelled');
  await run.retry('skeptic');
  await run.add('optimist');
  const { agents, agentIds } = await run.result();
  assert.deepEqual(agentIds, ['analyst', 'skeptic', 'optimist']);
  assert.deepEqual(Object.values(agents).map(({ status, attempt }) => [status, attempt]), [['done', 1], ['done', 2], ['done', 1]]);
  await assert.rejects(run.retry('skeptic'), { status: 409 });
});

test('a run that is left goes on; one that is deleted is gone', options, async () => {
  const client = createClient({ baseUrl: address });
  const run = await client.start({ message: QUESTION.message, agents: ['analyst'] });
  await until(() => run.agents.analyst.text.length > 0);
  run.detach();
  assert.equal((await client.attach(run.id).result()).agents.analyst.status, 'done');
  assert.ok((await client.runs({ limit: 10 })).some(({ run_id }) => run_id === run.id));
  await client.delete(run.id);
  await assert.rejects(client.snapshot(run.id), { status: 410 });
  await assert.rejects(client.attach(run.id).result(), { status: 410 });
});

test('a cursor of another log gives a gap, then the snapshot', options, async () => {
  const client = createClient({ baseUrl: address });
  const { id, agents } = await (await client.start({ message: QUESTION.message, agents: ['analyst'] })).result();
  const run = client.attach(id, { after: 'zzzz9999-7' });
  assert.deepEqual((await collect(run)).map(({ name }) => name), ['run.gap', 'run.snapshot']);
  const told = await run.result();
  assert.deepEqual([told.gap.reason, told.status, told.agents.analyst.text], ['epoch', 'completed', agents.analyst.text]);
});

test('a wrong start is refused with its fields', options, async () => {
  await assert.rejects(createClient({ baseUrl: address }).start({ message: '', agents: ['nobody'] }), (error) => {
    assert.equal(error.status, 422);
    assert.deepEqual(error.problem.errors.map(({ at }) => at), ['message', 'agents[0]']);
    return true;
  });
});
