/** Computes a panel's state from its events. What its agents say is `store.js`'s. */

import { PANEL_TYPES } from '../wire/stream.js';

/** @typedef {import('../types.js').PanelState} PanelState */
/** @typedef {import('../types.js').PanelInfo} PanelInfo */
/** @typedef {import('../types.js').PanelResult} PanelResult */
/** @typedef {import('../types.js').AgentState} AgentState */
/** @typedef {import('../types.js').Turn} Turn */
/** @typedef {import('../types.js').RunEvent} RunEvent */

/** @type {readonly never[]} */
const NOBODY = Object.freeze([]);

/** What an agent has outside a panel. */
export const NO_TURN = Object.freeze({
  stage: null,
  round: null,
  layer: null,
  turn: null,
  turns: /** @type {readonly Turn[]} */ (NOBODY),
  inputs: NOBODY,
  missing: NOBODY,
});

/** @type {PanelState} */
const NO_PANEL = {
  panel_id: null,
  title: '',
  method: '',
  members: NOBODY,
  moderator: null,
  fallback: NOBODY,
  of: null,
  given: NOBODY,
  stage: null,
  round: null,
  layer: null,
  speakers: NOBODY,
  missing: NOBODY,
  result: null,
  late: NOBODY,
};

/**
 * Make it of what `run.started` or a snapshot holds.
 * @param {Partial<PanelState>} sent
 * @returns {PanelState}
 */
export function panelOf(sent) {
  const title = sent.title || sent.panel_id || sent.method || '';
  return Object.freeze({ ...NO_PANEL, ...sent, title, result: sent.result ? resultOf(sent.result) : null });
}

/**
 * Take one of its events. A panel that is not known begins with it; a type that is not known changes nothing.
 * @param {PanelState | null} before
 * @param {RunEvent} event
 * @returns {PanelState | null}
 */
export function reducePanel(before, { type, data }) {
  if (!PANEL_TYPES.has(type) || typeof data.panel !== 'string') return before;
  const named = { panel_id: data.panel === data.method ? null : data.panel, title: data.panel, method: data.method };
  // `info` is sent if the panel was called while the run was under way.
  const panel = data.info ? panelOf(data.info) : (before ?? panelOf(named));
  switch (type) {
    case 'stage': {
      const { stage = null, round = null, layer = null, agents = NOBODY, missing = NOBODY } = data;
      return Object.freeze({ ...panel, stage, round, layer, speakers: agents, missing });
    }
    case 'result':
      return Object.freeze({ ...panel, result: resultOf(data) });
    default: {
      const { agent, attempt, status, chars } = data;
      return Object.freeze({ ...panel, late: Object.freeze([...panel.late, { agent, attempt, status, chars }]) });
    }
  }
}

/** @param {Record<string, any>} sent @returns {Readonly<PanelResult>} */
function resultOf({ type: _type, t: _t, run_id: _run, panel: _panel, method: _method, ...result }) {
  const whole = { winner: null, ranking: NOBODY, tally: {}, missing: NOBODY, ...result };
  return Object.freeze(/** @type {PanelResult} */ (/** @type {unknown} */ (whole)));
}

/**
 * Return an agent's place in the panel as a `started` gives it. A new turn makes what was said before an earlier
 * one; a new attempt of the same turn does not.
 * @param {AgentState} agent
 * @param {RunEvent['data']} data
 */
export function beginTurn(agent, data) {
  const { stage, round, layer, turn, inputs, missing } = { ...NO_TURN, ...data };
  // What was said before any panel sat was the first turn.
  const before = agent.turn ?? (['done', 'error', 'cancelled'].includes(agent.status) ? 1 : null);
  const closes = turn !== null && before !== null && turn !== before;
  const turns = closes ? Object.freeze([...agent.turns, turnOf(agent, before)]) : agent.turns;
  return { stage, round, layer, turn, turns, inputs, missing };
}

/**
 * Return what an agent says now as a turn that is over.
 * @param {AgentState} agent
 * @param {number} turn
 * @returns {Turn}
 */
export function turnOf({ stage, round, layer, attempt, status, text }, turn) {
  return Object.freeze({ turn, stage: stage ?? 'panel', round, layer, attempt, status, text });
}

const NUMBERS = { round: null, layer: null };

/**
 * Return an agent's place in the panel as a snapshot gives it.
 * @param {Partial<import('../types.js').AgentSnapshot>} sent
 */
export function placeOf(sent) {
  const { stage, round, layer, turn, turns, inputs, missing } = { ...NO_TURN, ...sent };
  const earlier = turns.map((each) => Object.freeze({ ...NUMBERS, ...each }));
  return { stage, round, layer, turn, turns: Object.freeze(earlier), inputs, missing };
}
