/** The client with another fetch than a browser's, in a runtime that lacks what React Native lacks. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withServer } from '../support/harness.js';

/** What a fetch of somebody else's may give for a body: node-fetch, for one, something to iterate. */
const BODIES = {
  'bytes to iterate': (body) => ({ [Symbol.asyncIterator]: () => body[Symbol.asyncIterator]() }),
  'a generator of buffers': async function* (body) {
    for await (const bytes of body) yield Buffer.from(bytes);
  },
  'text to iterate': (body) => ({ [Symbol.asyncIterator]: () => body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]() }),
  'a stream': (body) => body,
};

const LACKING = [[AbortSignal, 'timeout'], [AbortSignal, 'any'], [AbortSignal.prototype, 'throwIfAborted'], [globalThis, 'crypto']];

for (const [kind, bodyOf] of Object.entries(BODIES)) {
  test(`a run comes through a fetch whose body is ${kind}`, withServer(async ({ server, connect, t }) => {
    const had = LACKING.map(([holder, name]) => Object.getOwnPropertyDescriptor(holder, name));
    for (const [holder, name] of LACKING) delete holder[name];
    t.after(() => LACKING.forEach(([holder, name], n) => Object.defineProperty(holder, name, had[n])));
    const foreign = async (url, init) => {
      const answer = await fetch(url, init);
      const { ok, status, headers, body } = answer;
      return { ok, status, headers, body: body && bodyOf(body), text: () => answer.text() };
    };
    const run = await connect({ fetch: foreign }).start({ message: 'hi', agents: ['a'] });
    server.answer(run.id, 'a', 'one two');
    server.end(run.id);
    const { status, agents } = await run.result();
    assert.deepEqual([status, agents.a.text], ['completed', 'one two']);
    assert.equal(run.failure, null);
  }));
}
