/** Draws who can be asked, each with a tick; many can be searched, and all or none chosen. */

import { html, useState } from '../html.js';

/** @typedef {import('../../client/types.js').AgentInfo} AgentInfo */

/** With more agents there is something to find them with. */
const MANY = 7;

/**
 * @param {object} props
 * @param {readonly AgentInfo[]} props.agents
 * @param {readonly {agent_id: string, reason: string}[]} props.leftOut Who cannot be asked, and what for.
 * @param {readonly string[]} props.chosen
 * @param {(agents: string[]) => void} props.choose
 */
export function Chips({ agents, leftOut, chosen, choose }) {
  const [wanted, want] = useState('');
  const many = agents.length > MANY;
  const sought = wanted.trim().toLowerCase();
  const shown = many && sought !== '' ? agents.filter((agent) => wordsOf(agent).includes(sought)) : agents;
  const ids = shown.map(({ agent_id }) => agent_id);
  const others = chosen.filter((id) => !ids.includes(id));
  const toggle = (/** @type {string} */ id) =>
    choose(chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id]);
  // Enter in the search would ask.
  const keep = (/** @type {KeyboardEvent} */ event) => event.key === 'Enter' && event.preventDefault();
  return html`<fieldset class="chips">
    <legend class="unseen">Who is asked</legend>
    ${many && html`<span class="chip-tools">
      <input type="search" aria-label="Find agents" placeholder="Find" value=${wanted} onKeyDown=${keep} onInput=${(/** @type {any} */ event) => want(event.target.value)} />
      <button type="button" class="menu-button" onClick=${() => choose([...others, ...ids])}>All</button>
      <button type="button" class="menu-button" onClick=${() => choose(others)}>None</button>
    </span>`}
    ${shown.map(
      ({ agent_id: id, title, description, model }) => html`<label
        key=${id}
        class="chip"
        title=${[title, description, model].filter(Boolean).join(' · ')}
      >
        <input type="checkbox" value=${id} checked=${chosen.includes(id)} onChange=${() => toggle(id)} />
        <span class="tick" aria-hidden="true"></span><span class="chip-name">${title}</span>
      </label>`,
    )}
    ${leftOut.map(
      ({ agent_id: id, reason: why }) => html`<span key=${id} class="chip left-out" title=${`Left out: ${why}`}>
        <span class="chip-name">${id}: ${why}</span>
      </span>`,
    )}
    ${shown.length === 0 && html`<span class="hint">Nobody is called that.</span>`}
  </fieldset>`;
}

/** @param {AgentInfo} agent */
function wordsOf({ agent_id, title, description, model }) {
  return [agent_id, title, description, model].join(' ').toLowerCase();
}
