/** Owns how a run leaves the page: Markdown, JSON, the event log as JSONL. */

import { AGENT_STATES, RUN_STATES, duration } from './words.js';

/** @typedef {import('../types.js').RunState} RunState */
/** @typedef {import('../types.js').RunEvent} RunEvent */
/** @typedef {import('./watch.js').About} About */

/**
 * @param {RunState} state
 * @param {About} about
 */
export function toMarkdown(state, about) {
  const parts = [`# ${about.message.trim()}`];
  parts.push(`Run \`${state.id}\`, ${new Date(about.created_at).toISOString()}, ${RUN_STATES[state.status][1]}.`);
  for (const agentId of state.agentIds) {
    const agent = state.agents[agentId];
    if (agent === undefined) continue;
    const time = agent.metrics ? `, ${duration(agent.metrics.duration_ms)}` : '';
    const model = agent.model ? ` (${agent.model})` : '';
    parts.push(`## ${agent.title}${model}: ${AGENT_STATES[agent.status][1]}${time}`);
    // An answer's own headings go below this one.
    if (agent.text !== '') parts.push(deeper(agent.text.trim()));
    if (agent.error) parts.push(`> **${agent.error.code}** ${agent.error.message} (${agent.error.error_id})`);
  }
  return `${parts.join('\n\n')}\n`;
}

/** @param {string} text */
function deeper(text) {
  let fenced = false;
  return text
    .split('\n')
    .map((line) => {
      if (/^ {0,3}(```|~~~)/.test(line)) fenced = !fenced;
      return fenced ? line : line.replace(/^(#{1,6})(?= )/, (signs) => '#'.repeat(Math.min(signs.length + 2, 6)));
    })
    .join('\n');
}

/**
 * @param {RunState} state
 * @param {About} about
 */
export function toJson(state, about) {
  const { id: run_id, channel, status, metrics, agents } = state;
  const { message, conversation_id, created_at } = about;
  return `${JSON.stringify({ run_id, channel, conversation_id, message, status, created_at, metrics, agents }, null, 2)}\n`;
}

/** One event a line, with its id and name. @param {readonly RunEvent[]} events */
export function toJsonLines(events) {
  return events.map(({ id, name, data }) => `${JSON.stringify({ id, event: name, data })}\n`).join('');
}

/**
 * Hand *text* to the browser as a file.
 * @param {string} name
 * @param {string} type
 * @param {string} text
 */
export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
