/** Puts a panel into words: how far it is, what came of it, who was missing. */

import { hasEnded } from '../words.js';

/** @typedef {import('../../client/types.js').PanelState} PanelState */
/** @typedef {import('../../client/types.js').RunState} RunState */

/**
 * @typedef {object} Traits
 * @property {string} [head] Of the column of its scores.
 * @property {boolean} [lettered] Whether answers stand under letters before its last speaker, who hears them in both orders.
 * @property {boolean} [first] Whether the first answer ends it: there are no scores then, and nobody is missing.
 * @property {boolean} [texts] Whether it counts texts instead of agents.
 */

/** What is shown of a method beside what every panel has: one row for each that differs. @type {Record<string, Traits>} */
const TRAITS = {
  judge: { head: 'Chosen', lettered: true },
  rank: { head: 'Points' },
  vote: { head: 'Votes', texts: true },
  race: { first: true },
  debate: { head: 'Said by', texts: true },
};

/** Return a method's; one of somebody's own has none. @param {string} method @returns {Traits} */
export const traitsOf = (method) => (Object.hasOwn(TRAITS, method) && TRAITS[method]) || {};

/** Why somebody's answer is missing. @type {Record<import('../../client/types.js').AgentStatus, string>} */
export const MISSING_STATES = {
  queued: 'not begun',
  running: 'still answering',
  cancelling: 'stopping',
  done: 'said nothing',
  error: 'failed',
  cancelled: 'stopped',
};

const PROGRESS = { panel: 'Members answer', review: 'Reviews', final: 'Final', round: 'Round', layer: 'Layer' };

/** @param {PanelState} panel */
function stageName({ stage, round, layer }) {
  const number = round ?? layer;
  return `${PROGRESS[stage ?? 'panel'] ?? stage}${number ? ` ${number}` : ''}`;
}

/**
 * Say how far a panel without a result is.
 * @param {PanelState} panel
 * @param {Pick<RunState, 'agents'>} run
 */
export function panelProgress(panel, { agents }) {
  const { speakers } = panel;
  const word = stageName(panel);
  if (speakers.length < 2) return word;
  return `${word}, ${speakers.filter((id) => hasEnded(agents[id])).length} of ${speakers.length}`;
}

/** @type {Record<import('../../client/types.js').PanelResult['status'], [glyph: string, word: string]>} */
const VERDICTS = {
  decided: ['✓', 'Decided'],
  tie: ['=', 'Tie'],
  undecided: ['≠', 'Undecided'],
  failed: ['✗', 'No result'],
  cancelled: ['■', 'Stopped'],
};

/**
 * Say what came of a panel.
 * @param {import('../../client/types.js').PanelResult} result
 * @param {(agentId: string) => string} title
 * @returns {[glyph: string, word: string]}
 */
export function verdict({ status, winner, answer }, title) {
  if (status !== 'decided') return VERDICTS[status] ?? ['•', status];
  if (answer) return ['✓', `Decided: ${answer}`];
  return winner === null ? ['✓', 'Summed up'] : ['★', `Decided: ${title(winner)}`];
}

/**
 * Say what an event means for a panel to whoever does not see it: a line, or none.
 * @param {string} name
 * @param {import('../../client/types.js').RunEvent['data']} data
 * @param {Pick<RunState, 'agents' | 'panel'>} run The run, after that event.
 * @returns {string[]}
 */
export function stageNews(name, data, { agents, panel }) {
  const title = (/** @type {string} */ id) => agents[id]?.title ?? id;
  if (name === 'panel.result' && panel?.result) {
    const [, word] = verdict(panel.result, title);
    return [`Panel ${word[0]?.toLowerCase()}${word.slice(1)}`];
  }
  // Who has the last word begins by a line of its own, below.
  if (name === 'panel.stage' && panel && !['panel', 'final'].includes(data['stage'])) return [stageName(panel)];
  const begins = name.endsWith('.started') && data['stage'] === 'final' && agents[data['agent_id']]?.turns.at(-1)?.stage !== 'final';
  return begins ? [`${title(data['agent_id'])} begins`] : [];
}

/**
 * Return the bars, best first: a vote's answers, else agents.
 * @param {PanelState} panel
 * @param {RunState} run
 * @returns {{key: string, score: number, agent: string | null}[]}
 */
export function scores({ method, result }, run) {
  const { first, texts: countsTexts } = traitsOf(method);
  if (result === null || first) return [];
  const tally = Object.entries(result.tally).sort(([, a], [, b]) => b - a);
  const texts = countsTexts || !tally.every(([key]) => key in run.agents);
  if (texts) return tally.map(([key, score]) => ({ key, score, agent: null }));
  const ranked = result.ranking.length > 0 ? result.ranking : tally.map(([agent, score]) => ({ agent, score }));
  return ranked.map(({ agent, score }) => ({ key: agent, score, agent }));
}
