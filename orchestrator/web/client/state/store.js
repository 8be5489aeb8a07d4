/**
 * Computes a run's state: an immutable state and an event in, the next state out. Knows neither how events arrive nor
 * who is notified of the state.
 */

import { NO_CONTENT, contentOf, reduceContent } from './content.js';
import { NO_TURN, beginTurn, panelOf, placeOf, reducePanel } from './panel.js';
import { isOpen } from '../wire/cursor.js';

/** @typedef {import('../types.js').RunState} RunState */
/** @typedef {import('../types.js').AgentState} AgentState */
/** @typedef {import('../types.js').AgentStatus} AgentStatus */
/** @typedef {import('../types.js').RunEvent} RunEvent */
/** @typedef {import('../types.js').RunSnapshot} RunSnapshot */
/** @typedef {import('../types.js').Tool} Tool */

const FRESH_ATTEMPT = Object.freeze({
  text: '',
  reasoning: '',
  tools: /** @type {readonly Tool[]} */ (Object.freeze([])),
  approvals: Object.freeze([]),
  content: NO_CONTENT,
  error: null,
  metrics: null,
  usage: null,
  finish_reason: null,
  note: '',
  speaker: null,
  started_t: null,
  first_token_t: null,
  ended_t: null,
});

/**
 * @template {object} T
 * @param {T} value
 * @param {Partial<T>} changes
 * @returns {T}
 */
export function change(value, changes) {
  return Object.freeze({ ...value, ...changes });
}

/**
 * @param {string} id
 * @param {string} [message]
 * @returns {RunState}
 */
export function emptyRun(id, message = '') {
  return Object.freeze({
    id,
    channel: '',
    conversation_id: null,
    message,
    status: 'running',
    agentIds: Object.freeze([]),
    agents: Object.freeze({}),
    metrics: null,
    panel: null,
    gap: null,
    connection: 'connecting',
    detail: null,
  });
}

/**
 * @param {string} agentId
 * @returns {AgentState}
 */
function emptyAgent(agentId) {
  const unknown = { title: agentId, backend: '', model: null, attempt: 0, status: /** @type {const} */ ('queued') };
  return { agent_id: agentId, ...unknown, ...FRESH_ATTEMPT, ...NO_TURN };
}

/** @param {AgentState} agent */
export function hasEnded(agent) {
  return agent.status === 'done' || agent.status === 'error' || agent.status === 'cancelled';
}

/**
 * Take one event. A type that is not known changes nothing and returns the same state; whoever calls sees to it
 * that none comes twice.
 * @param {RunState} state
 * @param {RunEvent} event
 * @returns {RunState}
 */
export function reduce(state, event) {
  if (event.agent_id !== null) {
    const before = state.agents[event.agent_id] ?? emptyAgent(event.agent_id);
    const after = reduceAgent(before, event);
    const status = statusAfter(state.status, event);
    const next = status === state.status ? state : change(state, { status });
    return after === before ? next : withAgent(next, after);
  }
  if (event.name.startsWith('panel.')) {
    const panel = reducePanel(state.panel, event);
    return panel === state.panel ? state : change(state, { panel });
  }
  return event.name.startsWith('run.') ? reduceRun(state, event) : state;
}

/**
 * Tell from an agent's event whether its run waits for a worker.
 * @param {import('../types.js').RunStatus} before
 * @param {RunEvent} event
 */
function statusAfter(before, { type, data }) {
  if (!isOpen(before)) return before;
  if (type !== 'status') return 'running';
  return data.detail === 'waiting for a worker' ? 'queued' : before;
}

/**
 * @param {RunState} state
 * @param {RunEvent} event
 * @returns {RunState}
 */
function reduceRun(state, { type, data }) {
  switch (type) {
    case 'started':
      return (data.agents ?? []).reduce(
        describe,
        change(state, { channel: data.channel ?? '', panel: data.panel ? panelOf(data.panel) : null }),
      );
    case 'agent_added':
      return describe(state, data.agent);
    case 'done':
      return change(Object.entries(data.agents ?? {}).reduce(settle, state), {
        status: data.status,
        metrics: data.metrics ?? null,
      });
    case 'gap':
      return change(state, { gap: data });
    case 'snapshot':
      return replace(state, /** @type {RunSnapshot} */ (/** @type {unknown} */ (data)));
    default:
      return state;
  }
}

/**
 * Take over what a snapshot holds of a run and no event does.
 * @param {RunState} state
 * @param {RunSnapshot} snapshot
 * @returns {RunState}
 */
export function introduce(state, { channel, conversation_id, message }) {
  return change(state, {
    channel: channel ?? state.channel,
    conversation_id: conversation_id ?? null,
    message: message ?? state.message,
  });
}

/**
 * Become what a snapshot says. Agents it does not name are gone; known titles and models stay; reasoning and
 * tools are forgotten, since it does not hold them.
 * @param {RunState} state
 * @param {RunSnapshot} snapshot
 * @returns {RunState}
 */
export function replace(state, snapshot) {
  /** @type {Record<string, AgentState>} */
  const agents = {};
  for (const [agentId, sent] of Object.entries(snapshot.agents ?? {})) {
    agents[agentId] = change(state.agents[agentId] ?? emptyAgent(agentId), {
      ...FRESH_ATTEMPT,
      status: sent.status,
      attempt: sent.attempt,
      text: sent.text ?? '',
      error: sent.error ?? null,
      metrics: sent.metrics ?? null,
      usage: sent.usage ?? null,
      approvals: Object.freeze((sent.approvals ?? []).map(approvalOf)),
      content: contentOf(sent),
      ...(sent.variant ? { variant: sent.variant } : {}),
      ...placeOf(sent),
    });
  }
  return change(introduce(state, snapshot), {
    status: snapshot.status ?? state.status,
    panel: snapshot.panel ? panelOf(snapshot.panel) : null,
    agents: Object.freeze(agents),
    agentIds: sameIds(state.agentIds, Object.keys(agents)),
  });
}

/**
 * Mark the agents whose cancel a snapshot acknowledges; all else comes with the events.
 * @param {RunState} state
 * @param {RunSnapshot} snapshot
 * @returns {RunState}
 */
export function acknowledge(state, snapshot) {
  let next = state;
  for (const [agentId, sent] of Object.entries(snapshot.agents ?? {})) {
    const agent = next.agents[agentId];
    if (agent && sent.status === 'cancelling' && sent.attempt === Math.max(agent.attempt, 1) && !hasEnded(agent)) {
      next = withAgent(next, change(agent, { status: 'cancelling' }));
    }
  }
  return next;
}

/**
 * List the agents of a run that has said nothing yet.
 * @param {RunState} state
 * @param {readonly string[]} agentIds
 * @returns {RunState}
 */
export function expect(state, agentIds) {
  return agentIds.reduce((next, id) => (next.agents[id] ? next : withAgent(next, emptyAgent(id))), state);
}

/**
 * @param {RunState} state
 * @param {{agent_id: string, title?: string, backend?: string, model?: string | null, variant?: NonNullable<AgentState['variant']>}} info
 */
function describe(state, info) {
  const agent = state.agents[info.agent_id] ?? emptyAgent(info.agent_id);
  const { title = agent.title, backend = '', model = null, variant } = info;
  return withAgent(state, change(agent, { title: title || agent.agent_id, backend, model, ...(variant ? { variant } : {}) }));
}

/**
 * @param {RunState} state
 * @param {[string, {status: AgentStatus, attempt: number}]} entry
 */
function settle(state, [agentId, { status, attempt }]) {
  const agent = state.agents[agentId] ?? emptyAgent(agentId);
  return agent.status === status && agent.attempt === attempt
    ? state
    : withAgent(state, change(agent, { status, attempt }));
}

/**
 * @param {RunState} state
 * @param {AgentState} agent
 */
function withAgent(state, agent) {
  const agentIds =
    agent.agent_id in state.agents ? state.agentIds : Object.freeze([...state.agentIds, agent.agent_id]);
  return change(state, { agents: change(state.agents, { [agent.agent_id]: Object.freeze(agent) }), agentIds });
}

/**
 * @param {readonly string[]} before
 * @param {string[]} after
 */
function sameIds(before, after) {
  return before.length === after.length && before.every((id, n) => id === after[n]) ? before : Object.freeze(after);
}

// ── one agent ────────────────────────────────────────────────────────────────────────────────────

/**
 * @param {AgentState} agent
 * @param {RunEvent} event
 * @returns {AgentState}
 */
function reduceAgent(agent, event) {
  const { type, data, t } = event;
  switch (type) {
    case 'token':
    case 'reasoning':
      return say(agent, event);
    case 'started':
      // A cancel that was acknowledged before the start goes on being awaited.
      return begin(agent, data.attempt, agent.status === 'cancelling' ? 'cancelling' : 'running', {
        started_t: t,
        ...beginTurn(agent, data),
      });
    case 'status':
      return change(agent, { note: data.detail || data.status || '' });
    case 'tool_call':
      return change(agent, { tools: Object.freeze([...agent.tools, newTool(data)]) });
    case 'tool_result':
      return toolResult(agent, data);
    case 'handoff':
      return change(agent, { speaker: data.to ?? null });
    case 'approval_request':
      return change(agent, { approvals: Object.freeze([...agent.approvals, approvalOf(/** @type {any} */ (data))]) });
    case 'approval':
      return change(agent, { approvals: without(agent.approvals, data.call_id) });
    case 'progress':
    case 'data':
    case 'source':
    case 'file':
      return change(agent, { content: reduceContent(agent.content, event) });
    case 'retry':
      return begin(agent, data.attempt, agent.status === 'cancelling' ? 'cancelling' : 'queued', {
        note: `again after ${data.code ?? 'an error'}`,
      });
    default:
      return end(agent, event);
  }
}

/**
 * @param {AgentState} agent
 * @param {number} attempt
 * @param {AgentStatus} status
 * @param {Partial<AgentState>} more
 */
function begin(agent, attempt, status, more) {
  return change(agent, { ...FRESH_ATTEMPT, attempt, status, ...more });
}

/**
 * @param {AgentState} agent
 * @param {RunEvent} event
 */
function say(agent, { type, data, t }) {
  const text = data.text ?? '';
  if (data.parent !== undefined && data.parent !== null) {
    const spoken = agent.tools.map((tool) =>
      tool.call_id === data.parent && type === 'token' ? change(tool, { text: tool.text + text }) : tool,
    );
    return change(agent, { tools: Object.freeze(spoken) });
  }
  if (type === 'reasoning') return change(agent, { reasoning: agent.reasoning + text });
  return change(agent, {
    text: agent.text + text,
    speaker: data.speaker ?? agent.speaker,
    first_token_t: agent.first_token_t ?? t,
  });
}

/** @param {AgentState['approvals'][number]} request */
function approvalOf({ call_id, name, arguments: args }) {
  return Object.freeze({ call_id, name, arguments: args });
}

/** @param {RunEvent['data']} data @returns {Tool} */
function newTool({ call_id, name, arguments: args }) {
  return Object.freeze({ call_id, name, arguments: args ?? '', output: null, is_error: false, text: '' });
}

/**
 * @param {AgentState} agent
 * @param {RunEvent['data']} data
 */
function toolResult(agent, data) {
  const at = agent.tools.findLastIndex((tool) => tool.call_id === data.call_id && tool.output === null);
  const tools = [...agent.tools];
  const called = tools[at];
  if (called !== undefined) tools[at] = change(called, { output: data.output ?? '', is_error: Boolean(data.is_error) });
  return change(agent, { tools: Object.freeze(tools), approvals: without(agent.approvals, data.call_id) });
}

/**
 * @param {AgentState['approvals']} approvals
 * @param {string} callId
 */
function without(approvals, callId) {
  return Object.freeze(approvals.filter((approval) => approval.call_id !== callId));
}

/**
 * @param {AgentState} agent
 * @param {RunEvent} event
 */
function end(agent, event) {
  const { type, data, t } = event;
  const ended = {
    approvals: FRESH_ATTEMPT.approvals,
    attempt: data.attempt ?? agent.attempt,
    metrics: data.metrics ?? null,
    note: '',
    ended_t: t,
  };
  switch (type) {
    case 'done': {
      const { text = agent.text, usage = null, finish_reason = null } = data;
      const content = reduceContent(agent.content, event);
      return change(agent, { ...ended, status: 'done', text, usage, finish_reason, content });
    }
    case 'error': {
      const { code = 'internal', message = '', error_id = '', retryable = false } = data;
      return change(agent, { ...ended, status: 'error', error: Object.freeze({ code, message, error_id, retryable }) });
    }
    case 'cancelled':
      return change(agent, { ...ended, status: 'cancelled', note: data.reason ?? '' });
    default:
      return agent;
  }
}
