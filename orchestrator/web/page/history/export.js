/** Saves a run as a file: Markdown, JSON, the event log as JSONL. */

import { answering, lastWords, stageWord } from '../panel/roles.js';
import { MISSING_STATES, scores, verdict } from '../panel/words.js';
import { AGENT_STATES, RUN_STATES, count, duration } from '../words.js';

/** @typedef {import('../../client/types.js').RunState} RunState */
/** @typedef {import('../../client/types.js').RunEvent} RunEvent */
/** @typedef {import('../run/run-record.js').About} About */

/**
 * Hand a run to the browser as a file.
 * @param {string} kind `md`, `json`, else the event log.
 * @param {import('../run/run-record.js').RunRecord} record
 */
export function exportAs(kind, record) {
  const state = record.getSnapshot();
  if (kind === 'md') download(`${record.id}.md`, 'text/markdown', toMarkdown(state, record.about));
  else if (kind === 'json') download(`${record.id}.json`, 'application/json', toJson(state, record.about));
  else download(`${record.id}.jsonl`, 'application/jsonl', toJsonLines(record.events));
}

/**
 * @param {RunState} state
 * @param {About} about
 */
export function toMarkdown(state, about) {
  const parts = [`# ${about.message.trim()}`];
  parts.push(`Run \`${state.id}\`, ${new Date(about.created_at).toISOString()}, ${RUN_STATES[state.status][1]}.`);
  if (state.panel) parts.push(...panelParts(state, state.panel));
  for (const agentId of answering(state)) {
    const agent = state.agents[agentId];
    if (agent !== undefined) parts.push(...agentParts(agent));
  }
  return `${parts.join('\n\n')}\n`;
}

/** @param {import('../../client/types.js').AgentState} agent */
function agentParts(agent) {
  const time = agent.metrics ? `, ${duration(agent.metrics.duration_ms)}` : '';
  const model = agent.model ? ` (${agent.model})` : '';
  const parts = [`## ${agent.title}${model}: ${AGENT_STATES[agent.status][1]}${time}`];
  for (const turn of agent.turns) parts.push(`### ${stageWord(turn)}`, deeper(turn.text.trim(), 3));
  if (agent.turns.length > 0) parts.push(`### ${stageWord(agent)}`);
  // An answer's own headings go below this one.
  if (agent.text !== '') parts.push(deeper(agent.text.trim(), agent.turns.length > 0 ? 3 : 2));
  parts.push(...contentParts(agent.content));
  if (agent.error) parts.push(`> **${agent.error.code}** ${agent.error.message} (${agent.error.error_id})`);
  return parts;
}

/** @param {import('../../client/types.js').Content} content */
function contentParts({ data, sources, files, ...rest }) {
  const parts = sources.map(({ title, url, document }, n) => `${n + 1}. ${[title, url ?? document].filter(Boolean).join(': ')}`);
  const whole = files.map(({ name, media_type, url }) => `- ${name} (${media_type})${/^data:/i.test(url) ? '' : `: ${url}`}`);
  const json = data.map(({ name, value }) => `\`${name}\`\n\n\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``);
  if ('output' in rest) json.push(`\`\`\`json\n${JSON.stringify(rest.output, null, 2)}\n\`\`\``);
  return [parts.join('\n'), whole.join('\n'), ...json].filter(Boolean);
}

/**
 * @param {RunState} state
 * @param {import('../../client/types.js').PanelState} panel
 */
function panelParts(state, panel) {
  const title = (/** @type {string} */ id) => state.agents[id]?.title ?? id;
  const parts = [`## Panel: ${panel.title}`];
  const { result } = panel;
  if (result !== null) {
    parts.push(`**${verdict(result, title)[1]}** (${panel.method})`);
    const rows = scores(panel, state).map(({ key, agent, score }) => `| ${agent === null ? key : title(agent)} | ${score} |`);
    if (rows.length > 0) parts.push(['| | score |', '| --- | --- |', ...rows].join('\n'));
    for (const { agent, status } of result.missing) parts.push(`Without ${title(agent)}: ${MISSING_STATES[status]}.`);
  }
  for (const { agent, chars } of panel.late) parts.push(`Late: ${title(agent)}, ${count(chars)} characters.`);
  for (const id of lastWords(state)) {
    const agent = state.agents[id];
    if (agent !== undefined && !panel.members.includes(id)) parts.push(...agentParts(agent));
  }
  return parts;
}

/**
 * @param {string} text
 * @param {number} by
 */
function deeper(text, by) {
  let fenced = false;
  return text
    .split('\n')
    .map((line) => {
      if (/^ {0,3}(```|~~~)/.test(line)) fenced = !fenced;
      return fenced ? line : line.replace(/^(#{1,6})(?= )/, (signs) => '#'.repeat(Math.min(signs.length + by, 6)));
    })
    .join('\n');
}

/**
 * @param {RunState} state
 * @param {About} about
 */
export function toJson(state, about) {
  const { id: run_id, channel, status, metrics, panel, agents } = state;
  const { message, conversation_id, created_at } = about;
  return `${JSON.stringify({ run_id, channel, conversation_id, message, status, created_at, metrics, panel, agents }, null, 2)}\n`;
}

/** One event a line, with its id and name. @param {readonly RunEvent[]} events */
export function toJsonLines(events) {
  return events.map(({ id, name, data }) => `${JSON.stringify({ id, event: name, data })}\n`).join('');
}

/**
 * Hand a text to the browser as a file.
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
