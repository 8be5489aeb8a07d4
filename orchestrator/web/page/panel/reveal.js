/** Gives a blind run's agents their names back, once these are known. */

import { change } from '../../client/state/store.js';

/** @typedef {import('../../client/types.js').RunState} RunState */
/** @typedef {import('../../client/types.js').AgentState} AgentState */

/**
 * Show who is who. What an agent took is sent only once it has ended, so it is asked for again at the run's end.
 * @param {import('../run/run-record.js').RunRecord} record
 * @param {import('../../client/types.js').RevealedAgent[]} agents
 * @param {import('../../client/client.js').Client} client
 * @param {() => void} draw
 */
export function reveal(record, agents, client, draw) {
  const again = record.alive && record.revealed === null;
  record.reveal(agents, naming(agents));
  draw();
  if (!again) return;
  const known = record.run.result().then(() => client.snapshot(record.id));
  // What is shown already stays.
  known.then(({ revealed }) => revealed && reveal(record, revealed.agents, client, draw), () => {});
}

/**
 * Make what puts names and numbers into a run's state. If nothing has changed, it gives the same object.
 * @param {import('../../client/types.js').RevealedAgent[]} agents
 * @returns {(state: RunState) => RunState}
 */
export function naming(agents) {
  const revealed = new Map(agents.map((agent) => [agent.agent_id, agent]));
  const name = remembered((/** @type {AgentState} */ agent) => {
    // What is not revealed yet, since the agent still talks, takes nothing away.
    const known = Object.entries(revealed.get(agent.agent_id) ?? {}).filter(([, value]) => value !== null);
    return change(agent, Object.fromEntries(known));
  });
  return remembered((state) => {
    const named = Object.entries(state.agents).map(([id, agent]) => [id, name(agent)]);
    return change(state, { agents: Object.freeze(Object.fromEntries(named)) });
  });
}

/**
 * @template {object} T
 * @param {(value: T) => T} make
 * @returns {(value: T) => T}
 */
function remembered(make) {
  /** @type {WeakMap<T, T>} */
  const known = new WeakMap();
  return (value) => {
    const made = known.get(value) ?? make(value);
    known.set(value, made);
    return made;
  };
}
