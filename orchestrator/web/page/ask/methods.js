/** Says what a panel method needs, and makes a request of a choice. Which methods there are is the server's to say. */

/** @typedef {import('../../client/types.js').AgentInfo} AgentInfo */
/** @typedef {import('../../client/types.js').PanelListing} PanelListing */
/** @typedef {import('../../client/types.js').InlinePanel} InlinePanel */

/**
 * A panel method, as `GET /v1/panels` lists them.
 * @typedef {object} PanelMethod
 * @property {string} method
 * @property {string} title
 * @property {string} description What happens, in a few words.
 * @property {'required' | 'optional' | 'none'} moderator
 * @property {number} least_members
 * @property {boolean} asks_again
 * @property {boolean} over_answers Whether it makes sense over answers that are there already.
 * @property {MethodKey[]} keys
 */

/**
 * A key of a panel that a method reads.
 * @typedef {object} MethodKey
 * @property {string} name
 * @property {'text' | 'integer'} type
 * @property {string | number | null} default
 * @property {number | null} minimum
 * @property {number | null} maximum
 */

/**
 * What is chosen: none, a configured panel or a method; *moderator* is '' for nobody.
 * @typedef {{panel: string, method: string, moderator: string}} PanelChoice
 */

/** @type {PanelChoice} */
export const NO_PANEL = Object.freeze({ panel: '', method: '', moderator: '' });

/**
 * Return who should have the last word unless somebody else is chosen: who has it in a configured panel, else
 * somebody who does not answer.
 * @param {readonly AgentInfo[]} agents
 * @param {readonly PanelListing[]} panels
 * @param {readonly string[]} members
 */
export function usualModerator(agents, panels, members) {
  const known = new Set(agents.map(({ agent_id }) => agent_id));
  const configured = panels.map(({ moderator }) => moderator).find((id) => id !== null && known.has(id));
  return configured ?? agents.find(({ agent_id }) => !members.includes(agent_id))?.agent_id ?? members[0] ?? '';
}

/**
 * Return the request's `panel` and `agents`; a configured panel with its own members is asked for by its id alone.
 * @param {PanelChoice} choice
 * @param {readonly string[]} agents
 * @param {readonly PanelListing[]} panels
 * @returns {{agents?: string[], panel?: string | InlinePanel}}
 */
export function requestOf({ panel, method, moderator }, agents, panels) {
  if (method !== '') return { agents: [...agents], panel: inline(method, moderator) };
  const listed = panels.find(({ panel_id }) => panel_id === panel);
  if (listed === undefined) return { agents: [...agents] };
  const own = listed.members.length === agents.length && listed.members.every((id) => agents.includes(id));
  return own ? { panel } : { agents: [...agents], panel };
}

/**
 * Return the choice that asks for *panel* again; none for a panel that only summed up others' answers.
 * @param {import('../../client/types.js').PanelState | null} panel
 * @param {readonly PanelListing[]} panels
 * @param {readonly PanelMethod[]} methods
 * @returns {PanelChoice}
 */
export function choiceOf(panel, panels, methods) {
  if (panel === null || panel.of != null) return NO_PANEL;
  if (panels.some(({ panel_id }) => panel_id === panel.panel_id)) return { ...NO_PANEL, panel: panel.panel_id ?? '' };
  return methods.some(({ method }) => method === panel.method) ? { panel: '', method: panel.method, moderator: panel.moderator ?? '' } : NO_PANEL;
}

/**
 * @param {string} method
 * @param {string} moderator '' for nobody.
 * @returns {InlinePanel}
 */
export function inline(method, moderator) {
  return moderator === '' ? { method } : { method, moderator };
}

/**
 * Say why a method cannot work with so many answers; null if it can.
 * @param {PanelMethod | undefined} method
 * @param {number} answers
 */
export function tooFew(method, answers) {
  if (method === undefined || answers >= method.least_members) return null;
  return `${method.title} needs ${method.least_members} agents that answer.`;
}
