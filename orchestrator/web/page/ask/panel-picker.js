/** Lets the user choose a panel for a question: one select, and a second one for who has the last word. */

import { html } from '../html.js';
import { METHODS, NO_PANEL, methodOf, usualModerator } from './methods.js';

/** @typedef {import('./methods.js').PanelChoice} PanelChoice */
/** @typedef {import('../../client/types.js').AgentInfo} AgentInfo */

/**
 * @param {object} props
 * @param {readonly AgentInfo[]} props.agents
 * @param {readonly import('../../client/types.js').PanelListing[]} props.panels
 * @param {readonly string[]} props.members
 * @param {PanelChoice} props.choice
 * @param {(choice: PanelChoice) => void} props.choose
 */
export function PanelPicker({ agents, panels, members, choice, choose }) {
  const pick = (/** @type {any} */ { target: { value } }) => {
    const [kind, id] = value.split(':');
    if (kind === 'panel') return choose({ ...NO_PANEL, panel: id });
    const moderator = methodOf(id)?.moderator === 'needed' ? choice.moderator || usualModerator(agents, panels, members) : '';
    choose(kind === 'method' ? { panel: '', method: id, moderator } : NO_PANEL);
  };
  const value = choice.method !== '' ? `method:${choice.method}` : choice.panel !== '' ? `panel:${choice.panel}` : '';
  return html`<select class=${value === '' ? 'pick' : 'pick on'} aria-label="Panel" title="Let them work together" value=${value} onChange=${pick}>
      <option value="">No panel</option>
      ${panels.length > 0 &&
      html`<optgroup label="Configured">
        ${panels.map(({ panel_id: id, title }) => html`<option key=${id} value=${`panel:${id}`}>${title}</option>`)}
      </optgroup>`}
      <optgroup label="The chosen agents">
        ${METHODS.map(({ id, title, does }) => html`<option key=${id} value=${`method:${id}`}>${title}: ${does}</option>`)}
      </optgroup>
    </select>
    ${methodOf(choice.method)?.moderator &&
    html`<${ModeratorPicker}
      agents=${agents}
      moderator=${choice.moderator}
      optional=${methodOf(choice.method)?.moderator === 'possible'}
      choose=${(/** @type {string} */ moderator) => choose({ ...choice, moderator })}
    />`}`;
}

/** @param {{agents: readonly AgentInfo[], moderator: string, optional: boolean, choose: (id: string) => void}} props */
export function ModeratorPicker({ agents, moderator, optional, choose }) {
  return html`<select class="pick" aria-label="Last word" title="Who has the last word" value=${moderator} onChange=${(/** @type {any} */ event) => choose(event.target.value)}>
    ${optional && html`<option value="">Nobody sums up</option>`}
    ${agents.map(({ agent_id: id, title }) => html`<option key=${id} value=${id}>by ${title}</option>`)}
  </select>`;
}
