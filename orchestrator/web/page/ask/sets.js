/** Lists the saved sets of agents, and the agents that can be asked with other settings. */

import { html, useEffect, useRef, useState } from '../html.js';
import { IconButton } from '../icons.js';
import { sets as savedSets } from '../storage.js';

/**
 * @param {object} props
 * @param {readonly (import('../../client/types.js').AgentInfo & {variant_of?: string})[]} props.agents
 * @param {readonly string[]} props.chosen
 * @param {(agents: string[]) => void} props.choose
 * @param {(agentId: string) => void} props.vary Have an agent changed.
 * @param {(name: string) => void} props.drop Forget a changed agent.
 * @param {() => void} props.close
 */
export function SetItems({ agents, chosen, choose, vary, drop, close }) {
  const [sets, setSets] = useState(savedSets.get);
  const [name, setName] = useState('');
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  useEffect(() => box.current?.querySelector('button')?.focus(), []);
  const keep = (/** @type {import('../storage.js').AgentSet[]} */ next) => {
    savedSets.set(next);
    setSets(next);
  };
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    event.stopPropagation();
    const wanted = name.trim();
    if (wanted === '' || chosen.length === 0) return;
    keep([...sets.filter((set) => set.name !== wanted), { name: wanted, agents: [...chosen] }]);
    setName('');
  };
  const known = new Set(agents.map(({ agent_id }) => agent_id));
  const take = (/** @type {readonly string[]} */ ids) => {
    choose(ids.filter((id) => known.has(id)));
    close();
  };
  return html`<div ref=${box}>
    <button type="button" onClick=${() => take(agents.map(({ agent_id }) => agent_id))}>Everyone</button>
    ${sets.map(
      (set) => html`<div class="menu-pair" key=${set.name}>
        <button type="button" onClick=${() => take(set.agents)}>
          ${set.name} <span class="hint">${set.agents.length === 1 ? '1 agent' : `${set.agents.length} agents`}</span>
        </button>
        <${IconButton} icon="trash" label=${`Delete the set ${set.name}`} onClick=${() => keep(sets.filter((other) => other !== set))} />
      </div>`,
    )}
    ${agents
      .filter(({ variants = [] }) => variants.length > 0)
      .map(({ agent_id: id, title }) => html`<button type="button" key=${id} onClick=${() => (close(), vary(id))}>${title} with other settings…</button>`)}
    ${agents
      .filter((agent) => agent.variant_of !== undefined)
      .map(({ agent_id: id, title }) => html`<div class="menu-pair" key=${id}>
        <button type="button" onClick=${() => (close(), vary(id))}>${title}<span class="hint">copy</span></button>
        <${IconButton} icon="trash" label=${`Forget ${title}`} onClick=${() => drop(id)} />
      </div>`)}
    <div class="menu-form">
      <label for="set-name">Save this choice as</label>
      <input
        id="set-name"
        value=${name}
        maxlength="40"
        onInput=${(/** @type {any} */ event) => setName(event.target.value)}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === 'Enter' && save(event)}
      />
      <button type="button" onClick=${save} disabled=${name.trim() === '' || chosen.length === 0}>Save</button>
    </div>
  </div>`;
}
