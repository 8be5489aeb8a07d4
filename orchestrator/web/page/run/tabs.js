/** Draws the tabs that choose a column if only one is seen. */

import { html } from '../html.js';
import { AGENT_STATES } from '../words.js';

/**
 * @param {object} props
 * @param {import('../../client/types.js').RunState} props.run
 * @param {readonly string[]} props.ids
 * @param {string | null} props.current
 * @param {(id: string) => void} props.select
 */
export function Tabs({ run, ids, current, select }) {
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined || current === null) return;
    const next = ids[(ids.indexOf(current) + step + ids.length) % ids.length] ?? current;
    select(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label="Agents" onKeyDown=${onKeyDown}>
    ${ids.map((id) => {
      const agent = run.agents[id];
      if (agent === undefined) return null;
      const [glyph, word] = AGENT_STATES[agent.status];
      return html`<button
        type="button"
        role="tab"
        key=${id}
        id=${`tab-${id}`}
        data-hue=${run.agentIds.indexOf(id) % 8}
        data-state=${agent.status}
        aria-selected=${id === current}
        aria-controls=${`column-${id}`}
        tabindex=${id === current ? 0 : -1}
        onClick=${() => select(id)}
      >
        <span class="glyph" aria-hidden="true">${glyph}</span> ${agent.title}<span class="unseen">, ${word}</span>
      </button>`;
    })}
  </div>`;
}
