/** Lists what the menu "Sum up" offers: panels and methods that can sit over the answers that are there. */

import { html, useEffect, useRef, useState } from '../html.js';
import { METHODS, inline, methodOf, tooFew, usualModerator } from '../ask/methods.js';
import { ModeratorPicker } from '../ask/panel-picker.js';

/**
 * @param {object} props
 * @param {import('../page-state.js').PageSnapshot} props.state
 * @param {readonly string[]} props.members Whose answers there are.
 * @param {(panel: string | import('../../client/types.js').InlinePanel) => void} props.take
 */
export function SumUpItems({ state: { agents, panels }, members, take }) {
  const [chosen, choose] = useState(/** @type {string | null} */ (null));
  const moderator = chosen ?? usualModerator(agents, panels, members);
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  useEffect(() => box.current?.querySelector('button')?.focus(), []);
  const item = (/** @type {string} */ key, /** @type {string} */ method, /** @type {string} */ title, /** @type {string} */ hint, /** @type {any} */ panel) => {
    const reason = tooFew(method, members.length);
    const headless = panel !== key && methodOf(method)?.moderator === 'needed' && moderator === '';
    return html`<button type="button" key=${key} title=${reason ?? hint} disabled=${reason !== null || headless} onClick=${() => take(panel)}>
      ${title}<span class="hint">${hint}</span>
    </button>`;
  };
  return html`<div ref=${box}>
    ${panels.map(({ panel_id: id, title, method }) => item(id, method, title, methodOf(method)?.title ?? method, id))}
    <div class="menu-form">
      <${ModeratorPicker} agents=${agents} moderator=${moderator} optional=${true} choose=${choose} />
    </div>
    ${METHODS.filter(({ id }) => id !== 'race').map(({ id, title, does }) => item(`method:${id}`, id, title, does, inline(id, moderator)))}
  </div>`;
}
