/** Looks up what belongs to a run: the run, the one whose answers its panel was given, its answers. */

import { ClientError } from '../../client/client.js';
import { Backoff, TIMING, sleep, throwIfAborted } from '../../client/wire/http.js';
import { answerOf } from '../panel/roles.js';
import { wordsOf } from '../words.js';

/** @typedef {import('../../client/client.js').Client} Client */
/** @typedef {import('../../client/types.js').RunSnapshot} RunSnapshot */

/** How far back the questions of a conversation are looked for. */
const MAX_LISTED = 200;

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
      throwIfAborted(signal);
      if (error instanceof ClientError && error.status !== null && !error.temporary) throw error;
      say(`${wordsOf(error)}. Trying again.`);
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
    import('../panel/joined-state.js'),
    find(panel.of).catch((error) => {
      if (error instanceof ClientError && (error.status === 404 || error.status === 410)) return null;
      throw error;
    }),
  ]);
  return { join: joiner(), snapshot };
}

/** @param {Readonly<Record<string, import('../../client/types.js').AgentState | import('../../client/types.js').AgentSnapshot>>} agents */
export function answersOf(agents) {
  return Object.fromEntries(Object.entries(agents).map(([agentId, agent]) => [agentId, answerOf(agent)]));
}

/**
 * @param {import('./run-record.js').RunRecord} record
 * @returns {import('../page-state.js').Turn}
 */
export function turnOf(record) {
  // A panel sat over the answers of a run of the conversation, in a run that is none of it.
  return { run_id: record.given?.base?.id ?? record.id, message: record.about.message, agents: answersOf(record.getSnapshot().agents) };
}

/**
 * Find what was asked before a run in its conversation, and what else was asked in each place.
 * @param {Client} client
 * @param {{run_id: string, conversation_id: string | null}} run
 * @returns {Promise<Pick<import('../page-state.js').PageSnapshot, 'earlier' | 'branches'>>}
 */
export async function findConversation(client, { run_id, conversation_id }) {
  const listed = conversation_id === null ? [] : await client.runs({ limit: MAX_LISTED, conversation_id }).catch(() => []);
  if (listed.length < 2) return { earlier: [], branches: {} };
  return (await import('./branch-lookup.js')).lookUp(client, listed, run_id);
}
