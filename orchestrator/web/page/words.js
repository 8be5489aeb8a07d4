/** Puts states and numbers into words: glyphs, words, units. */

/** @typedef {import('../client/types.js').AgentState} AgentState */
/** @typedef {import('../client/types.js').RunStatus} RunStatus */

/** @type {Record<import('../client/types.js').AgentStatus, [glyph: string, word: string]>} */
export const AGENT_STATES = {
  queued: ['○', 'queued'],
  running: ['●', 'running'],
  cancelling: ['◌', 'stopping'],
  done: ['✓', 'done'],
  error: ['✗', 'failed'],
  cancelled: ['■', 'stopped'],
};

/** @type {Record<RunStatus, [glyph: string, word: string]>} */
export const RUN_STATES = {
  queued: ['○', 'queued'],
  running: ['●', 'running'],
  completed: ['✓', 'completed'],
  partial: ['◐', 'partial'],
  cancelled: ['■', 'stopped'],
  failed: ['✗', 'failed'],
};

/** About so many characters are one token of English, if nobody has counted. */
const CHARS_PER_TOKEN = 4;

/** @param {number} ms */
export function duration(ms) {
  const seconds = Math.max(ms, 0) / 1000;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const rest = String(whole % 60).padStart(2, '0');
  return whole < 3600 ? `${Math.floor(whole / 60)}:${rest} min` : `${(whole / 3600).toFixed(1)} h`;
}

/** @param {number} ms Often less than a second. */
function moment(ms) {
  return ms < 995 ? `${Math.round(ms)} ms` : duration(ms);
}

/** @param {number} n */
export function count(n) {
  return Math.round(n).toLocaleString('en');
}

/** @param {number} dollars */
export function money(dollars) {
  if (dollars === 0) return '$0';
  return `$${dollars.toFixed(dollars < 0.01 ? 4 : dollars < 1 ? 3 : 2)}`;
}

/**
 * @typedef {object} Figure One number of an agent.
 * @property {string} name What a screen reader says, and the hint.
 * @property {string} label
 * @property {string} value
 */

/**
 * Return an agent's numbers as they stand; `≈` marks what is estimated from characters.
 * @param {AgentState} agent
 * @param {number} now Milliseconds since the run's start.
 * @returns {Figure[]}
 */
export function figures(agent, now) {
  const { metrics, usage, started_t: started, first_token_t: first } = agent;
  const elapsed = metrics?.duration_ms ?? (started === null ? null : (agent.ended_t ?? now) - started);
  const ttft = metrics ? metrics.ttft_ms : first !== null && started !== null ? first - started : null;
  const guessed = agent.text.length / CHARS_PER_TOKEN;
  const speaking = first === null ? 0 : (agent.ended_t ?? now) - first;
  const speed = metrics?.tokens_per_s ?? (speaking > 500 ? guessed / (speaking / 1000) : null);
  return [
    { name: 'Time to first token', label: 'first', value: ttft === null ? '–' : moment(ttft) },
    {
      name: 'Tokens per second',
      label: 'tok/s',
      value: speed === null || guessed === 0 ? '–' : `${metrics?.tokens_per_s == null ? '≈' : ''}${count(speed)}`,
    },
    {
      name: 'Tokens of output',
      label: 'tokens',
      value: usage ? count(usage.output_tokens) : guessed === 0 ? '–' : `≈${count(guessed)}`,
    },
    { name: 'Cost', label: 'cost', value: metrics?.cost == null ? '–' : money(metrics.cost) },
    { name: 'Elapsed', label: 'time', value: elapsed === null ? '–' : duration(elapsed) },
  ];
}

/**
 * Count how far a run is.
 * @param {Pick<import('../client/types.js').RunState, 'agentIds' | 'agents'>} state
 */
export function progress(state) {
  const ended = state.agentIds.filter((id) => hasEnded(state.agents[id])).length;
  return { ended, all: state.agentIds.length };
}

/** @param {AgentState | undefined} agent */
export function hasEnded(agent) {
  return agent?.status === 'done' || agent?.status === 'error' || agent?.status === 'cancelled';
}

/**
 * Say when something was, as shortly as the distance allows.
 * @param {number} ms Since 1970.
 * @param {number} [now]
 */
export function when(ms, now = Date.now()) {
  const minutes = Math.round((now - ms) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  const date = new Date(ms);
  const time = date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return new Date(now).toDateString() === date.toDateString() ? time : `${date.toLocaleDateString()} ${time}`;
}

/** What went wrong. @param {unknown} error */
export function wordsOf(error) {
  return error instanceof Error ? error.message : String(error);
}
