/** Joins a panel's own agents with the answers of another run over which it works. */

import { turnOf } from '../../client/state/panel.js';
import { change, emptyRun, expect } from '../../client/state/store.js';

/** @typedef {import('../../client/types.js').RunState} RunState */
/** @typedef {import('../../client/types.js').AgentState} AgentState */

/**
 * Make what joins a run with the one whose answers it was given. If neither has changed, nor has the result; and
 * an agent that has not changed is the same object.
 * @returns {(state: RunState, base: RunState | null) => RunState} *base*: null if that run is gone.
 */
export function joiner() {
  /** @type {{state: RunState, base: RunState | null, joined: RunState} | null} */
  let last = null;
  /** @type {Map<string, {now: AgentState | undefined, before: AgentState, joined: AgentState}>} */
  const known = new Map();
  const agentOf = (/** @type {string} */ id, /** @type {AgentState | undefined} */ now, /** @type {AgentState} */ before) => {
    const found = known.get(id);
    if (found !== undefined && found.now === now && found.before === before) return found.joined;
    const joined = now === undefined ? before : change(now, { turns: [...before.turns, turnOf(before, before.turn ?? 1), ...now.turns] });
    known.set(id, { now, before, joined });
    return joined;
  };
  return (state, base) => {
    if (last !== null && last.state === state && last.base === base) return last.joined;
    last = { state, base, joined: join(state, base, agentOf) };
    return last.joined;
  };
}

/**
 * @param {RunState} state
 * @param {RunState | null} base
 * @param {(id: string, now: AgentState | undefined, before: AgentState) => AgentState} agentOf
 */
function join(state, base, agentOf) {
  const given = state.panel?.given ?? [];
  const ids = given.map(({ agent }) => agent);
  /** @type {Record<string, AgentState>} */
  const agents = { ...state.agents };
  for (const answer of given) {
    const { agent: id } = answer;
    const before = base?.agents[id];
    agents[id] = before ? agentOf(id, state.agents[id], before) : (state.agents[id] ?? unseen(answer, base !== null));
  }
  const agentIds = [...ids, ...state.agentIds.filter((id) => !ids.includes(id))];
  return change(state, { agents, agentIds });
}

/**
 * @param {{agent: string, title: string, attempt: number, chars: number}} given
 * @param {boolean} loading
 * @returns {AgentState}
 */
function unseen({ agent: id, title, attempt, chars }, loading) {
  const empty = /** @type {AgentState} */ (expect(emptyRun(''), [id]).agents[id]);
  if (loading) return change(empty, { title, note: 'Loading' });
  const note = chars > 0 ? `Its answer of ${chars} characters went with a run that is gone.` : 'it gave no answer';
  return change(empty, { title, attempt, status: chars > 0 ? 'done' : 'cancelled', note });
}
