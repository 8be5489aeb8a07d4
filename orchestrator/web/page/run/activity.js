/** Draws what an agent does beside answering: its reasoning and its tools. */

import { html } from '../html.js';

/** @typedef {import('../../client/types.js').AgentState} AgentState */

/** @param {{agent: AgentState}} props */
export function Reasoning({ agent: { reasoning, text } }) {
  if (reasoning === '') return null;
  return html`<details class="part reasoning">
    <summary>Reasoning <span class="hint">${text === '' ? firstLine(reasoning) : `${words(reasoning)} words`}</span></summary>
    <div class="part-text">${reasoning}</div>
  </details>`;
}

/** @param {{agent: AgentState}} props */
export function Tools({ agent: { tools } }) {
  return tools.map(
    (tool, n) => html`<details class="part tool" key=${`${tool.call_id}-${n}`} data-failed=${tool.is_error}>
      <summary>
        <span class="glyph" aria-hidden="true">${tool.output === null ? '◌' : tool.is_error ? '✗' : '✓'}</span>
        <code>${tool.name}</code>
        <span class="hint">${tool.output === null ? 'running' : tool.is_error ? 'failed' : firstLine(tool.output)}</span>
      </summary>
      <div class="part-text">
        <p class="hint">Called with</p>
        <pre tabindex="0">${pretty(tool.arguments)}</pre>
        ${tool.text !== '' && html`<p class="hint">Said meanwhile</p><pre tabindex="0">${tool.text}</pre>`}
        ${tool.output !== null && html`<p class="hint">${tool.is_error ? 'Failed with' : 'Answered'}</p><pre tabindex="0">${pretty(tool.output)}</pre>`}
      </div>
    </details>`,
  );
}

/** @param {string} text */
function firstLine(text) {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

/** @param {string} text */
function words(text) {
  return text.split(/\s+/).filter(Boolean).length;
}

/** @param {string} text Perhaps JSON. */
export function pretty(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null ? JSON.stringify(value, null, 2) : text;
  } catch {
    return text;
  }
}
