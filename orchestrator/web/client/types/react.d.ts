/**
 * Gives React components a run and its agents: `useRun`, `useAgent`. All logic is `session.js`'s. For React 18 and
 * later.
 */
export type Client = import('./client.js').Client;
export type Run = import('./run.js').Run;
export type AgentState = import('./types.js').AgentState;
/** @typedef {import('./client.js').Client} Client */
/** @typedef {import('./run.js').Run} Run */
/** @typedef {import('./types.js').AgentState} AgentState */
/**
 * Show one run: the one that `start` starts, or the one that *runId* names. Unmounting leaves it, and cancels
 * nothing. Changes rarely: tokens concern `useAgent` alone.
 * @param {{client: Client, runId?: string | null, throttle?: number}} options
 */
export declare function useRun({ client, runId, throttle }: {
    client: Client;
    runId?: string | null;
    throttle?: number;
}): {
    run: import("./session.js").Run | null;
    status: 'idle' | 'starting' | import('./types.js').RunStatus;
    agentIds: readonly string[];
    panel: import('./types.js').PanelState | null;
    connection: import('./types.js').Connection | null;
    detail: import('./types.js').ConnectionDetail | null;
    error: Error | null;
    start: (options: import("./session.js").StartOptions) => Promise<import("./session.js").Run | null>;
    cancel: (agentId?: string) => Promise<void>;
    retry: (agentId: string) => Promise<void>;
    add: (agentId: string) => Promise<void>;
};
/**
 * Show one agent of a run; call it in the agent's own column, so that a token draws that column alone.
 * @param {Run | null} run
 * @param {string} agentId
 * @returns {AgentState | undefined} undefined until the run knows the agent.
 */
export declare function useAgent(run: Run | null, agentId: string): AgentState | undefined;
