/** Knows the agents that the user has changed: each is asked beside the others, under a name of its own. */

import { useState, useValue } from '../html.js';
import { variants as saved } from '../storage.js';

/** @typedef {import('../../client/types.js').AgentInfo} AgentInfo */
/** @typedef {import('../../client/types.js').VariantRequest} VariantRequest */

const nothing = () => () => {};

/**
 * Return everybody who can be asked, changed agents included, and what keeps, drops and spells these out. Those of the
 * run that is shown are among them, whoever changed them: a follow-up asks the same.
 * @param {readonly AgentInfo[]} agents
 * @param {import('../run/run-record.js').RunRecord | null} record
 */
export function useVariants(agents, record) {
  const [own, setOwn] = useState(saved.get);
  const inRun = useValue(record?.subscribe ?? nothing, () => JSON.stringify(record === null || record.blind ? [] : requestsOf(record.getSnapshot())));
  const known = knownOf(agents, [...own, ...JSON.parse(inRun)]);
  const change = (/** @type {VariantRequest[]} */ next) => {
    saved.set(next);
    setOwn(next);
  };
  return {
    everyone: [...agents, ...known.map((request) => described(request, agents))],
    keep: (/** @type {VariantRequest} */ request) => change([...own.filter((other) => other.as !== request.as), request]),
    drop: (/** @type {string} */ name) => change(own.filter((other) => other.as !== name)),
    spelledOut: (/** @type {readonly string[]} */ ids) => ids.map((id) => known.find((request) => request.as === id) ?? id),
  };
}

/**
 * @param {import('../../client/types.js').RunState} run
 * @returns {VariantRequest[]}
 */
export function requestsOf(run) {
  return Object.values(run.agents).flatMap(({ agent_id, variant }) => (variant ? [{ ...variant.changes, agent_id: variant.of, as: agent_id }] : []));
}

/**
 * Leave out what cannot be asked here; the last of a name stands.
 * @param {readonly AgentInfo[]} agents
 * @param {readonly VariantRequest[]} requests
 */
export function knownOf(agents, requests) {
  const ids = new Set(agents.map(({ agent_id }) => agent_id));
  const possible = requests.filter((request) => ids.has(request.agent_id) && !ids.has(request.as));
  return [...new Map(possible.map((request) => [request.as, request])).values()];
}

/**
 * Describe a changed agent as the server's list does the others.
 * @param {VariantRequest} request
 * @param {readonly AgentInfo[]} agents
 * @returns {AgentInfo & {variant_of?: string}}
 */
export function described({ agent_id, as, ...changes }, agents) {
  const base = /** @type {AgentInfo} */ (agents.find((agent) => agent.agent_id === agent_id));
  const model = typeof changes['model'] === 'string' ? changes['model'] : base.model;
  const words = Object.entries(changes).map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return { ...base, agent_id: as, title: `${base.title} (${as})`, description: words.join(' · ').slice(0, 300), model, default: false, variants: [], variant_of: agent_id };
}
