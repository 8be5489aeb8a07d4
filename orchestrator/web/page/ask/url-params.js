/** Reads what the page's address asks for. */

import { NO_PANEL, usualModerator } from './methods.js';

/** @typedef {import('../../client/types.js').AgentInfo} AgentInfo */
/** @typedef {import('../../client/types.js').PanelListing} PanelListing */
/** @typedef {import('./methods.js').PanelChoice} PanelChoice */
/** @typedef {import('./methods.js').PanelMethod} PanelMethod */

/**
 * Read `?agents=a,b&panel=council&q=…`: what is to be asked is put into the box, and sent by nobody but the user.
 * @param {string} search
 * @param {readonly AgentInfo[]} agents
 * @param {readonly PanelListing[]} panels
 * @param {readonly PanelMethod[]} methods
 * @returns {{agents: string[], panel: PanelChoice | null, text: string, unknown: string[]}}
 */
export function wishOf(search, agents, panels, methods) {
  const asked = new URLSearchParams(search);
  const named = (asked.get('agents') ?? '').split(',').map((id) => id.trim()).filter(Boolean);
  const known = named.filter((id) => agents.some(({ agent_id }) => agent_id === id));
  const unknown = named.filter((id) => !known.includes(id));
  const name = asked.get('panel') ?? '';
  const listed = panels.find(({ panel_id }) => panel_id === name);
  const method = methods.find((each) => each.method === name);
  const members = known.length > 0 ? known : (listed?.members ?? []);
  /** @type {PanelChoice | null} */
  let panel = null;
  if (listed) panel = { ...NO_PANEL, panel: name };
  else if (method) panel = { panel: '', method: name, moderator: method.moderator === 'required' ? usualModerator(agents, panels, members) : '' };
  else if (name !== '') unknown.push(name);
  return { agents: [...members], panel, text: asked.get('q') ?? '', unknown };
}
