/** Lets the user choose a panel for a question: one select, and a second one for who has the last word. */

import { html } from '../html.js';
import { NO_PANEL, usualModerator } from './methods.js';

/** @typedef {import('./methods.js').PanelChoice} PanelChoice */
/** @typedef {import('../../client/types.js').AgentInfo} AgentInfo */

/**
 * @param {object} props
 * @param {readonly AgentInfo[]} props.agents
 * @param {readonly import('../../client/types.js').PanelListing[]} props.panels
 * @param {readonly {panel_id: string, reason: string}[]} [props.leftOut] Which cannot be asked, and what for.
 * @param {readonly import('./methods.js').PanelMethod[]} props.methods
 * @param {readonly string[]} props.members
 * @param {PanelChoice} props.choice
 * @param {(choice: PanelChoice) => void} props.choose
 */
export function PanelPicker({ agents, panels, leftOut = [], methods, members, choice, choose }) {
  const methodOf = (/** @type {string} */ id) => methods.find(({ method }) => method === id);
  const led = methodOf(choice.method)?.moderator ?? 'none';
  const pick = (/** @type {any} */ { target: { value } }) => {
    const [kind, id] = value.split(':');
    if (kind === 'panel') return choose({ ...NO_PANEL, panel: id });
    const moderator = methodOf(id)?.moderator === 'required' ? choice.moderator || usualModerator(agents, panels, members) : '';
    choose(kind === 'method' ? { panel: '', method: id, moderator } : NO_PANEL);
  };
  const value = choice.method !== '' ? `method:${choice.method}` : choice.panel !== '' ? `panel:${choice.panel}` : '';
  return html`<select class=${value === '' ? 'pick' : 'pick on'} aria-label="Panel" title="Let them work together" value=${value} onChange=${pick}>
      <option value="">No panel</option>
      ${panels.length + leftOut.length > 0 &&
      html`<optgroup label="Configured">
        ${panels.map(({ panel_id: id, title }) => html`<option key=${id} value=${`panel:${id}`}>${title}</option>`)}
        ${leftOut.map(({ panel_id: id, reason }) => html`<option key=${`left-out:${id}`} disabled>${`${id}: ${reason}`}</option>`)}
      </optgroup>`}
      <optgroup label="The chosen agents">
        ${methods.map(({ method, title, description }) => html`<option key=${method} value=${`method:${method}`}>${[title, description].filter(Boolean).join(': ')}</option>`)}
      </optgroup>
    </select>
    ${led !== 'none' &&
    html`<${ModeratorPicker}
      agents=${agents}
      moderator=${choice.moderator}
      optional=${led === 'optional'}
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
