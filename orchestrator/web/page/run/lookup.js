/** Looks up what belongs to a run: the run, the one whose answers its panel was given, what was asked before it. */

import { ClientError } from '../../client/client.js';
import { Backoff, TIMING, reason, sleep } from '../../client/wire/http.js';
import { answerOf } from '../panel/roles.js';

/** @typedef {import('../../client/client.js').Client} Client */
/** @typedef {import('../../client/types.js').RunSnapshot} RunSnapshot */
/** @typedef {import('../page-state.js').Turn} Turn */

/** How far back the earlier questions of a conversation are looked for. */
const MAX_EARLIER = 200;

/**
 * Ask until the server answers: a run outlives a server that is started again.
 * @param {Client} client
 * @param {string} runId
 * @param {AbortSignal} signal
 * @param {(text: string) => void} say
 * @returns {Promise<RunSnapshot>}
 */
export async function findRun(client, runId, signal, say) {
  const backoff = new Backoff(TIMING);
  for (;;) {
    try {
      return await client.snapshot(runId);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ClientError && error.status !== null && !error.temporary) throw error;
      say(`${reason(error)}. Trying again.`);
      await sleep(backoff.next(), signal);
    }
  }
}

/**
 * Find the run over whose answers a panel sits in this one; null if these are its own.
 * @param {RunSnapshot} snapshot
 * @param {(runId: string) => Promise<RunSnapshot>} find
 */
export async function findGiven({ panel }, find) {
  if (!panel?.of) return null;
  const [{ joiner }, snapshot] = await Promise.all([
    import('../panel/joined.js'),
    find(panel.of).catch((error) => {
      if (error instanceof ClientError && (error.status === 404 || error.status === 410)) return null;
      throw error;
    }),
  ]);
  return { join: joiner(), snapshot };
}

/**
 * Find what was asked before in the same conversation, the oldest first.
 * @param {Client} client
 * @param {RunSnapshot} snapshot
 * @returns {Promise<Turn[]>}
 */
export async function findEarlier(client, { run_id, conversation_id, created_at }) {
  if (conversation_id === null) return [];
  const listed = await client.runs({ limit: MAX_EARLIER, before: run_id, conversation_id }).catch(() => []);
  const before = listed.filter((run) => run.conversation_id === conversation_id && run.created_at <= created_at);
  const mine = await Promise.all(before.map((run) => client.snapshot(run.run_id).catch(() => null)));
  return mine.filter((run) => run !== null).reverse().map(({ run_id, message, agents }) => ({ run_id, message, agents: answersOf(agents) }));
}

/** @param {Readonly<Record<string, import('../../client/types.js').AgentState | import('../../client/types.js').AgentSnapshot>>} agents */
export function answersOf(agents) {
  return Object.fromEntries(Object.entries(agents).map(([agentId, agent]) => [agentId, answerOf(agent)]));
}
