/**
 * Lets requests and streams take turns if connections are scarce: a browser opens six to a server over HTTP/1.1, and
 * six tabs' streams would keep every stop button waiting for ever.
 */
export declare class Slots {
    #private;
    /**
     * For a stream: be asked to step aside; it comes back once `free` resolves. Returns what ends that.
     * @param {() => void} stepAside
     * @returns {() => void}
     */
    enter(stepAside: () => void): () => void;
    /** For a stream: wait until no request needs its place. */
    free(): Promise<void>;
    /**
     * For a request that waits: take a stream's place. Returns what gives it back.
     * @returns {() => void}
     */
    claim(): () => void;
}
