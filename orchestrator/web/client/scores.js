/** Says what `GET /v1/scores` answers: what votes and judges' verdicts came to. */

/**
 * @typedef {object} ScoredAgent
 * @property {string} agent_id
 * @property {string} title
 * @property {number} compared
 * @property {number} wins
 * @property {number} losses
 * @property {number} ties
 * @property {number} both_bad
 * @property {number | null} rating Bradley-Terry on Elo's scale; *low* and *high* are its 95 % interval.
 * @property {number | null} low
 * @property {number | null} high
 * @property {number | null} duration_ms
 * @property {number | null} output_tokens
 * @property {number | null} cost
 * @property {{of: string, changes: Record<string, unknown>}} [variant]
 */

/** @typedef {{question: string, compared: number, wins: Record<string, number>, ties: number, both_bad: number, latest: number}} ScoredQuestion */
/** @typedef {{compared: number, agents: ScoredAgent[], questions: ScoredQuestion[]}} Scores */

export {};
