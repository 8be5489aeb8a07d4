/** Makes `for await` over a run: each event once, in order, from the first on, in bounded memory. */
export type RunEvent = import('../types.js').RunEvent;
/** What one iterator has not taken yet. */
export declare class Tap {
    #private;
    missed: boolean;
    closed: boolean;
    /** @param {boolean} missed Whether events have passed already. */
    constructor(missed: boolean);
    /** Somebody iterates. */
    use(): this;
    /** @param {RunEvent} event */
    put(event: RunEvent): void;
    /** Take events again from now on. */
    restart(): void;
    take(): import("../types.js").RunEvent | undefined;
    /** @returns {Promise<void>} */
    wait(): Promise<void>;
    close(): void;
}
/**
 * @param {object} options
 * @param {Tap} options.tap
 * @param {string | null} options.after
 * @param {() => string | null} options.position The id that the run stands at.
 * @param {(after: string | null) => AsyncGenerator<RunEvent[], void, void>} options.history
 * @param {() => Error | null} options.failure
 * @param {() => void} options.leave
 * @returns {AsyncGenerator<RunEvent, void, void>}
 */
export declare function iterate({ tap, after, position, history, failure, leave }: {
    tap: Tap;
    after: string | null;
    position: () => string | null;
    history: (after: string | null) => AsyncGenerator<RunEvent[], void, void>;
    failure: () => Error | null;
    leave: () => void;
}): AsyncGenerator<RunEvent, void, void>;
