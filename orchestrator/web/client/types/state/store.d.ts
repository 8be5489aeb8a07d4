/**
 * Computes a run's state: an immutable state and an event in, the next state out. Knows neither how events arrive nor
 * who is notified of the state.
 */
export type RunState = import('../types.js').RunState;
export type AgentState = import('../types.js').AgentState;
export type AgentStatus = import('../types.js').AgentStatus;
export type RunEvent = import('../types.js').RunEvent;
export type RunSnapshot = import('../types.js').RunSnapshot;
export type Tool = import('../types.js').Tool;
/**
 * @template {object} T
 * @param {T} value
 * @param {Partial<T>} changes
 * @returns {T}
 */
export declare function change<T extends object>(value: T, changes: Partial<T>): T;
/**
 * @param {string} id
 * @param {string} [message]
 * @returns {RunState}
 */
export declare function emptyRun(id: string, message?: string): RunState;
/** @param {AgentState} agent */
export declare function hasEnded(agent: AgentState): boolean;
/**
 * Take one event. A type that is not known changes nothing and returns the same state; whoever calls sees to it
 * that none comes twice.
 * @param {RunState} state
 * @param {RunEvent} event
 * @returns {RunState}
 */
export declare function reduce(state: RunState, event: RunEvent): RunState;
/**
 * Take over what a snapshot holds of a run and no event does.
 * @param {RunState} state
 * @param {RunSnapshot} snapshot
 * @returns {RunState}
 */
export declare function introduce(state: RunState, { channel, conversation_id, message }: RunSnapshot): RunState;
/**
 * Become what a snapshot says. Agents it does not name are gone; known titles and models stay; reasoning and
 * tools are forgotten, since it does not hold them.
 * @param {RunState} state
 * @param {RunSnapshot} snapshot
 * @returns {RunState}
 */
export declare function replace(state: RunState, snapshot: RunSnapshot): RunState;
/**
 * Mark the agents whose cancel a snapshot acknowledges; all else comes with the events.
 * @param {RunState} state
 * @param {RunSnapshot} snapshot
 * @returns {RunState}
 */
export declare function acknowledge(state: RunState, snapshot: RunSnapshot): RunState;
/**
 * List the agents of a run that has said nothing yet.
 * @param {RunState} state
 * @param {readonly string[]} agentIds
 * @returns {RunState}
 */
export declare function expect(state: RunState, agentIds: readonly string[]): RunState;
