/** What the client's tests share: a server and clients that are closed again, waiting for something to be so. */

import { createClient } from '../../../orchestrator/web/client/client.js';
import { ProtocolServer } from './protocol-server.js';

/** Run *body* with a server and a maker of clients for it; close all afterwards. */
export function withServer(body) {
  return async (t) => {
    let timer;
    const limit = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('the test took longer than 20 s')), 20_000);
    });
    const server = await new ProtocolServer().listen();
    const clients = [];
    // Node has connections enough: where the machine is slow, no stream steps aside for a request, and none is
    // looked for elsewhere, unless that is tested.
    const connect = ({ timing, ...options } = {}) => {
      const client = createClient({ baseUrl: server.url, timing: { room: 60_000, held: 60_000, ...timing }, ...options });
      clients.push(client);
      return client;
    };
    try {
      await Promise.race([body({ server, connect, t }), limit]);
    } finally {
      clearTimeout(timer);
      for (const client of clients) client.close();
      await server.close();
    }
  };
}

/** Wait until *check* gives something true, at most 10 s. */
export async function until(check, what = String(check)) {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (performance.now() > deadline) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Collect what an iteration gives, as `name` or `name:text`. */
export async function collect(run) {
  const seen = [];
  for await (const event of run) seen.push(event);
  return seen;
}

export function names(events) {
  return events.map((event) => event.name);
}

/** A seeded generator of numbers below *n* (xorshift32), so that a failure can be repeated. */
export function seeded(seed) {
  let state = seed >>> 0 || 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % n;
  };
}
