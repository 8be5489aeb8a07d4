/** Holds the run that a view shows: none, one that starts, or one that is followed. Knows no framework. */
export type Client = import('./client.js').Client;
export type Run = import('./run.js').Run;
export type StartOptions = import('./types.js').StartOptions;
export type SessionState = {
    run: Run | null;
    status: 'idle' | 'starting' | import('./types.js').RunStatus;
    agentIds: readonly string[];
    panel: import('./types.js').PanelState | null;
    /**
     * null if there is no run.
     */
    connection: import('./types.js').Connection | null;
    detail: import('./types.js').ConnectionDetail | null;
    /**
     * Why the last call failed, or why the run cannot be followed.
     */
    error: Error | null;
};
export declare class Session {
    #private;
    /**
     * @param {Client} client
     * @param {number} [throttle]
     */
    constructor(client: Client, throttle?: number);
    getSnapshot: () => SessionState;
    /** @param {() => void} callback */
    subscribe: (callback: () => void) => () => undefined;
    /**
     * Start a run and show it; the one shown before is left to itself. Null if the server refuses, which
     * `error` says, or if another run was shown meanwhile. The same start twice in one task is one run: React's strict
     * mode mounts, unmounts and mounts again, and a run that an effect starts would be paid for twice.
     * @param {StartOptions} options
     * @returns {Promise<Run | null>}
     */
    start: (options: StartOptions) => Promise<Run | null>;
    /**
     * Show a run that is there, or none.
     * @param {string | null} runId
     */
    attach: (runId: string | null) => void;
    /** Leave the run; it goes on at the server. */
    detach: () => void;
    /** @param {string} [agentId] */
    cancel: (agentId?: string) => Promise<void>;
    /** @param {string} agentId */
    retry: (agentId: string) => Promise<void>;
    /** @param {string} agentId */
    add: (agentId: string) => Promise<void>;
}
