/** Lists what the menu "Sum up" offers: panels and methods that can sit over the answers that are there. */

import { html, useEffect, useRef, useState } from '../html.js';
import { IconButton } from '../icons.js';
import { inline, tooFew, usualModerator } from '../ask/methods.js';
import { ModeratorPicker } from '../ask/panel-picker.js';

/** @typedef {import('../../client/types.js').InlinePanel} InlinePanel */
/** @typedef {import('../ask/methods.js').PanelMethod} PanelMethod */

/**
 * @param {object} props
 * @param {import('../page-state.js').PageSnapshot} props.state
 * @param {readonly string[]} props.members Whose answers there are.
 * @param {(panel: string | InlinePanel) => void} props.take
 */
export function SumUpItems({ state: { agents, panels, methods }, members, take }) {
  const [chosen, choose] = useState(/** @type {string | null} */ (null));
  const [edited, edit] = useState(/** @type {PanelMethod | null} */ (null));
  const moderator = chosen ?? usualModerator(agents, panels, members);
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  useEffect(() => /** @type {HTMLElement | null | undefined} */ (box.current?.querySelector('textarea, input, button'))?.focus(), [edited]);
  const led = (/** @type {PanelMethod} */ { method, moderator: wanted }) => inline(method, wanted === 'none' ? '' : moderator);
  const why = (/** @type {PanelMethod | undefined} */ method) =>
    tooFew(method, members.length) ?? (method?.moderator === 'required' && moderator === '' ? 'Somebody has to sum up.' : null);
  const item = (/** @type {string} */ title, /** @type {string} */ hint, /** @type {string | null} */ reason, /** @type {string | InlinePanel} */ panel) =>
    html`<button type="button" title=${reason ?? hint} disabled=${reason !== null} onClick=${() => take(panel)}>
      ${title}<span class="hint">${hint}</span>
    </button>`;
  if (edited !== null) {
    return html`<div ref=${box}><${Keys} method=${edited} back=${() => edit(null)} take=${(/** @type {object} */ keys) => take({ ...led(edited), ...keys })} /></div>`;
  }
  return html`<div ref=${box}>
    ${panels.map(({ panel_id: id, title, method: name }) => {
      const method = methods.find((each) => each.method === name);
      return item(title, method?.title ?? name, tooFew(method, members.length), id);
    })}
    <div class="menu-form">
      <${ModeratorPicker} agents=${agents} moderator=${moderator} optional=${true} choose=${choose} />
    </div>
    ${methods
      .filter((method) => method.over_answers)
      .map((method) => html`<div class="menu-pair" key=${method.method}>
        ${item(method.title, method.description, why(method), led(method))}
        <${IconButton} icon="edit" label=${`Edit ${method.title}'s prompt and keys`} disabled=${why(method) !== null} onClick=${() => edit(method)} />
      </div>`)}
  </div>`;
}

/**
 * What a method reads, to be changed for this once; what stays as it was is not sent.
 * @param {{method: PanelMethod, back: () => void, take: (keys: Record<string, string | number>) => void}} props
 */
function Keys({ method: { title, keys }, back, take }) {
  const submit = (/** @type {any} */ event) => {
    event.preventDefault();
    const said = keys.flatMap(({ name, type, default: usual }) => {
      const text = event.target.elements[name].value.trim();
      return text === '' || text === String(usual ?? '').trim() ? [] : [[name, type === 'integer' ? Number(text) : text]];
    });
    take(Object.fromEntries(said));
  };
  return html`<form class="menu-form keys-form" onSubmit=${submit}>
    ${keys.map(({ name, type, default: usual, minimum, maximum }) => html`<label key=${name}>
      ${name[0]?.toUpperCase()}${name.slice(1)}
      ${type === 'integer'
        ? html`<input name=${name} type="number" min=${minimum} max=${maximum} defaultValue=${usual} required />`
        : html`<textarea name=${name} rows=${name === 'prompt' ? 8 : 1} defaultValue=${usual ?? ''}></textarea>`}
      ${name === 'prompt' && html`<span class="hint">{question}, {answers} and {missing} are filled in.</span>`}
    </label>`)}
    <div class="menu-pair">
      <button type="button" class="menu-button" onClick=${back}>Back</button>
      <button class="menu-button on">${title}</button>
    </div>
  </form>`;
}
