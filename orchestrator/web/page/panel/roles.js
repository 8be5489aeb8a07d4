/** Tells who does what in a panel: who answers, who has the last word, what of all that is said is an answer. */

/** @typedef {import('../../client/types.js').AgentState} AgentState */
/** @typedef {import('../../client/types.js').RunState} RunState */

const STAGES = { panel: 'Answer', review: 'Review', final: 'Final', round: 'Round', layer: 'Layer' };

/**
 * Name a turn by its stage.
 * @param {{stage: import('../../client/types.js').Stage | null, round: number | null, layer: number | null}} place
 */
export function stageWord({ stage, round, layer }) {
  const word = STAGES[stage ?? 'panel'] ?? String(stage);
  return round ?? layer ? `${word} ${round ?? layer}` : word;
}

/** Whether what is said in *stage* answers the question; reviews and last words are about answers. @param {string | null} stage */
export function isAnswer(stage) {
  return stage !== 'review' && stage !== 'final';
}

/**
 * Return an agent's answer: what it says now, unless that is about answers and there is an earlier one.
 * @param {Pick<AgentState, 'text' | 'status'> & {stage?: string | null | undefined, turns?: readonly import('../../client/types.js').Turn[] | undefined}} agent
 * @returns {{text: string, status: import('../../client/types.js').AgentStatus}}
 */
export function answerOf({ text, status, stage = null, turns = [] }) {
  const answer = isAnswer(stage) ? undefined : turns.findLast((turn) => isAnswer(turn.stage));
  return answer === undefined ? { text, status } : { text: answer.text, status: answer.status };
}

/**
 * Return who has the last word of a panel, or tried to, the newest last; that is what the card above the columns shows.
 * @param {Pick<RunState, 'agents' | 'panel'>} run
 */
export function lastWords({ agents, panel }) {
  if (panel === null || panel.moderator === null) return [];
  const asked = [panel.moderator, ...panel.fallback].filter((id) => agents[id]?.stage === 'final');
  const by = panel.result?.by;
  return by !== undefined && asked.includes(by) ? [...asked.filter((id) => id !== by), by] : asked;
}

/**
 * Return whose answers stand side by side: all but those who only have the last word.
 * @param {RunState} run
 */
export function answering({ agentIds, agents, panel }) {
  if (panel === null) return agentIds;
  const last = [panel.moderator, ...panel.fallback];
  const only = (/** @type {string} */ id) => last.includes(id) || (agents[id]?.stage === 'final' && agents[id]?.turns.every(({ stage }) => stage === 'final'));
  return agentIds.filter((id) => panel.members.includes(id) || !only(id));
}
