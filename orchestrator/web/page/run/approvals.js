/** Draws a tool call of an agent that the user has to allow first. */

import { html } from '../html.js';
import { pretty } from './activity.js';

/** @typedef {import('../../client/types.js').AgentState} AgentState */

/**
 * @param {{agent: AgentState, approve: false | ((agentId: string, callId: string, approve: boolean) => void)}} props
 */
export function Approvals({ agent: { agent_id: id, title, approvals }, approve }) {
  return approvals.map(
    ({ call_id, name, arguments: args }) => html`<div class="approval" key=${call_id} role="alert">
      <p><strong>${title} asks to call <code>${name}</code>.</strong></p>
      <pre tabindex="0">${pretty(args)}</pre>
      ${approve &&
      html`<p>
        <button type="button" class="main-button" onClick=${() => approve(id, call_id, true)}>Allow</button>
        <button type="button" class="main-button" onClick=${() => approve(id, call_id, false)}>Refuse</button>
      </p>`}
    </div>`,
  );
}
