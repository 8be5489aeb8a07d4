/** Tells subscribers of a run's state and events, no more often than they bear. Knows neither's meaning. */
export type RunState = import('../types.js').RunState;
/** @typedef {import('../types.js').RunState} RunState */
/** Holds a state, notifies subscribers of it at a bearable pace, and passes events to callbacks. */
export declare class Subscribers {
    #private;
    /** The newest; subscribers may not know of it yet. Set it, then call `publish` or `publishSoon`. */
    state: import("../types.js").RunState;
    /**
     * @param {RunState} state
     * @param {number} throttle Milliseconds.
     */
    constructor(state: RunState, throttle: number);
    /** What subscribers were given last. */
    get published(): import("../types.js").RunState;
    /**
     * @param {() => void} callback
     * @returns {() => void}
     */
    subscribe(callback: () => void): () => void;
    /**
     * @param {string} type
     * @param {(event: any) => void} callback
     * @returns {() => void}
     */
    on(type: string, callback: (event: any) => void): () => void;
    /**
     * @param {string} type
     * @param {unknown} event
     */
    call(type: string, event: unknown): void;
    publishSoon(): void;
    publish(): void;
}
