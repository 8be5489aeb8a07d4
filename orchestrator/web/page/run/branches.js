/** Draws a conversation's branches: what was asked before, and the way to what else was asked in each place. */

import { Answer } from '../answer/answer.js';
import { html, useLayoutEffect, useRef } from '../html.js';
import { IconButton } from '../icons.js';
import { AGENT_STATES } from '../words.js';

/** @typedef {import('../page-state.js').Turn} Turn */

/**
 * The way that was taken last: it leads to another run, whose way on has the focus then, in the same column if it is there.
 * @type {{branches: string, to: string | undefined, label: string, column: string | undefined} | null}
 */
let taken = null;

/** The agent in whose column *box* stands; the run's question is in none. @param {HTMLElement | null} box */
const columnOf = (box) => /** @type {HTMLElement | null | undefined} */ (box?.closest('.column'))?.dataset['agent'];

/**
 * Which of several questions asked in one place is shown, and the way to those beside it.
 * @param {{branches: readonly string[], open: string}} props *open*: the run that is shown.
 */
export function Branches({ branches, open }) {
  const at = branches.indexOf(open);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    const here = taken;
    if (here === null || here.to !== open || here.branches !== String(branches)) return;
    const focus = () => {
      if (taken !== here) return;
      taken = null;
      const way = box.current?.querySelector(`[aria-label="${here.label}"]`) ?? box.current?.querySelector('a');
      /** @type {HTMLElement | null | undefined} */ (way)?.focus();
    };
    // Another column is drawn in the same turn.
    if (here.column === columnOf(box.current)) focus();
    else queueMicrotask(focus);
  });
  const way = (/** @type {number} */ to, /** @type {string} */ sign, /** @type {string} */ label) =>
    branches[to] === undefined
      ? html`<span class="icon-button" aria-hidden="true">${sign}</span>`
      : html`<a class="icon-button" href=${`#run/${branches[to]}`} aria-label=${label} title=${label} onClick=${(/** @type {MouseEvent} */ { ctrlKey, metaKey, shiftKey }) => (taken = ctrlKey || metaKey || shiftKey ? null : { branches: String(branches), to: branches[to], label, column: columnOf(box.current) })}>${sign}</a>`;
  return html`<span ref=${box} class="branches" role="group" aria-label="What was asked here">
    ${way(at - 1, '‹', 'The question asked before')}
    <span>${at + 1} of ${branches.length}</span>
    ${way(at + 1, '›', 'The question asked after')}
  </span>`;
}

/** @param {{turn: Turn, agentId: string, face: import('./column.js').Face}} props */
export function EarlierTurn({ turn, agentId, face: { act, branches, record, steerable, open, title } }) {
  const said = turn.agents[agentId];
  if (said === undefined) return null;
  const [glyph, word] = AGENT_STATES[said.status];
  const beside = branches[turn.run_id];
  return html`<article class="turn">
    <p class="question">${turn.message}</p>
    <p class="turn-row">
      ${beside && html`<${Branches} branches=${beside} open=${record} />`}
      ${steerable &&
      !open &&
      html`<${IconButton} icon="edit" label="Edit this question and ask again" onClick=${() => act('edit', turn.run_id)} />
        <${IconButton} icon="retry" label=${`Ask ${title(agentId)} this again`} onClick=${() => act('anew', agentId, turn.run_id)} />`}
    </p>
    <${Answer} text=${said.text} ended=${true} />
    ${said.status !== 'done' && html`<p class="hint">${glyph} ${word}</p>`}
  </article>`;
}
