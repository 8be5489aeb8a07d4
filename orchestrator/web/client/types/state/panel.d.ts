/** Computes a panel's state from its events. What its agents say is `store.js`'s. */
export type PanelState = import('../types.js').PanelState;
export type PanelInfo = import('../types.js').PanelInfo;
export type PanelResult = import('../types.js').PanelResult;
export type AgentState = import('../types.js').AgentState;
export type Turn = import('../types.js').Turn;
export type RunEvent = import('../types.js').RunEvent;
/** What an agent has outside a panel. */
export declare const NO_TURN: Readonly<{
    stage: null;
    round: null;
    layer: null;
    turn: null;
    turns: readonly Turn[];
    inputs: readonly never[];
    missing: readonly never[];
}>;
/**
 * Make it of what `run.started` or a snapshot holds.
 * @param {Partial<PanelState>} sent
 * @returns {PanelState}
 */
export declare function panelOf(sent: Partial<PanelState>): PanelState;
/**
 * Take one of its events. A panel that is not known begins with it; a type that is not known changes nothing.
 * @param {PanelState | null} before
 * @param {RunEvent} event
 * @returns {PanelState | null}
 */
export declare function reducePanel(before: PanelState | null, { type, data }: RunEvent): PanelState | null;
/**
 * Return an agent's place in the panel as a `started` gives it. A new turn makes what was said before an earlier
 * one; a new attempt of the same turn does not.
 * @param {AgentState} agent
 * @param {RunEvent['data']} data
 */
export declare function beginTurn(agent: AgentState, data: RunEvent['data']): {
    stage: null;
    round: null;
    layer: null;
    turn: null;
    turns: readonly import("../types.js").Turn[];
    inputs: readonly never[];
    missing: readonly never[];
};
/**
 * Return what an agent says now as a turn that is over.
 * @param {AgentState} agent
 * @param {number} turn
 * @returns {Turn}
 */
export declare function turnOf({ stage, round, layer, attempt, status, text }: AgentState, turn: number): Turn;
/**
 * Return an agent's place in the panel as a snapshot gives it.
 * @param {Partial<import('../types.js').AgentSnapshot>} sent
 */
export declare function placeOf(sent: Partial<import('../types.js').AgentSnapshot>): {
    stage: import("../types.js").Stage | null;
    round: number | null;
    layer: number | null;
    turn: number | null;
    turns: readonly Readonly<{
        turn: number;
        stage: import("../types.js").Stage;
        round: number | null;
        layer: number | null;
        attempt: number;
        status: import("../types.js").AgentStatus;
        text: string;
    }>[];
    inputs: import("../types.js").Input[] | readonly never[];
    missing: import("../types.js").Missing[] | readonly never[];
};
