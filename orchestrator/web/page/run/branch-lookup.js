/** Finds a conversation's branches: what was asked before a run, and what else was asked in each place. */

import { answersOf } from './lookup.js';

/** @typedef {import('../../client/types.js').ListedRun} ListedRun */
/** @typedef {import('../page-state.js').Turn} Turn */

/**
 * Where the open run stands in its conversation: the runs that led to it, oldest first, itself included; and for each
 * of them that something else was asked in place of, which runs to open for that, in the order of asking.
 * @typedef {{path: string[], branches: Record<string, string[]>}} Place
 */

/**
 * Find out where *runId* stands among *runs*, those of its conversation, newest first.
 * @param {readonly Pick<ListedRun, 'run_id' | 'after'>[]} runs
 * @param {string} runId
 * @returns {Place}
 */
export function placeOf(runs, runId) {
  const ids = runs.map(({ run_id }) => run_id).reverse();
  /** @type {Map<string, string>} */
  const before = new Map();
  // Who does not say what it goes on from goes on from the one before.
  for (const { run_id, after } of runs) before.set(run_id, after ?? ids[ids.indexOf(run_id) - 1] ?? 'start');
  const pathTo = (/** @type {string} */ id) => {
    const path = [id];
    for (let at = before.get(id); at !== undefined && before.has(at) && !path.includes(at); at = before.get(at)) path.unshift(at);
    return path;
  };
  const path = pathTo(runId);
  /** The newest run that goes on from *id*: there a branch was left. */
  const tip = (/** @type {string} */ id) => ids.findLast((other) => pathTo(other).includes(id)) ?? id;
  /** @type {Place['branches']} */
  const branches = {};
  for (const id of path) {
    const beside = ids.filter((other) => before.get(other) === before.get(id));
    if (beside.length > 1) branches[id] = beside.map((other) => (other === id ? runId : tip(other)));
  }
  return { path, branches };
}

/**
 * Look up what was asked before a run, the oldest first, and what else was asked in each place.
 * @param {import('../../client/client.js').Client} client
 * @param {readonly ListedRun[]} listed The runs of its conversation, newest first.
 * @param {string} runId
 * @returns {Promise<{earlier: Turn[], branches: Place['branches']}>}
 */
export async function lookUp(client, listed, runId) {
  const { path, branches } = placeOf(listed, runId);
  const before = await Promise.all(path.slice(0, -1).map((id) => client.snapshot(id).catch(() => null)));
  const earlier = before.filter((run) => run !== null).map(({ run_id, message, agents }) => ({ run_id, message, agents: answersOf(agents) }));
  return { earlier, branches };
}
