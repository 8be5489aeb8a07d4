/**
 * Follows one run and steers it, as a program sees it: state, events, buttons. Its events come through
 * `sharing/follow.js`.
 */
export type RunEvent = import('./types.js').RunEvent;
export type RunState = import('./types.js').RunState;
export type RunSnapshot = import('./types.js').RunSnapshot;
export type Connection = import('./types.js').Connection;
export type ConnectionDetail = import('./types.js').ConnectionDetail;
export type ClientError = import('./wire/http.js').ClientError;
/** @typedef {import('./types.js').RunEvent} RunEvent */
/** @typedef {import('./types.js').RunState} RunState */
/** @typedef {import('./types.js').RunSnapshot} RunSnapshot */
/** @typedef {import('./types.js').Connection} Connection */
/** @typedef {import('./types.js').ConnectionDetail} ConnectionDetail */
/** @typedef {import('./wire/http.js').ClientError} ClientError */
export declare const THROTTLE_MS = 50;
export type Origin = {
    http: import('./wire/http.js').Http;
    /**
     * null: a connection of its own.
     */
    links: import('./sharing/channel-link.js').ChannelLinks | null;
    id: string;
    message?: string | undefined;
    after?: string | null | undefined;
    throttle?: number | undefined;
    /**
     * What its start answered.
     */
    snapshot?: RunSnapshot | undefined;
    onBlocked: (message: string) => void;
    /**
     * Follows another run.
     */
    attach: (snapshot: RunSnapshot) => Run;
};
/**
 * @typedef {object} Origin How a run came to be followed.
 * @property {import('./wire/http.js').Http} http
 * @property {import('./sharing/channel-link.js').ChannelLinks | null} links null: a connection of its own.
 * @property {string} id
 * @property {string | undefined} [message]
 * @property {string | null | undefined} [after]
 * @property {number | undefined} [throttle]
 * @property {RunSnapshot | undefined} [snapshot] What its start answered.
 * @property {(message: string) => void} onBlocked
 * @property {(snapshot: RunSnapshot) => Run} attach Follows another run.
 */
/**
 * A run on a server. Leaving it, in whatever way, never cancels it.
 *
 * `for await (const event of run)` gives each event once, in order, from the run's first (or from `after`) on,
 * however late it begins; it ends with the run or with `detach`, and throws if the run cannot be followed.
 */
export declare class Run {
    #private;
    /** @type {ClientError | null} Why the run cannot be followed; null while it can, and once it has ended. */
    failure: ClientError | null;
    /** @param {Origin} origin */
    constructor({ http, links, id, message, after, throttle, snapshot, onBlocked, attach }: Origin);
    get id(): string;
    /** The run's status. This and the next three do not wait for the throttle. */
    get status(): import("./types.js").RunStatus;
    get connection(): import("./types.js").Connection;
    /** What is the matter with the connection; null if nothing is. */
    get detail(): import("./types.js").ConnectionDetail | null;
    /** Agent id → what is known of it, in the run's own order. */
    get agents(): Readonly<Record<string, import("./types.js").AgentState>>;
    /** Its panel; null if its agents do not work together. */
    get panel(): Readonly<import("./types.js").PanelInfo & import("./types.js").PanelProgress> | null;
    /** The id seen last: keep it, and `attach` goes on from there. */
    get lastEventId(): string | null;
    /** Return the run as subscribers know it: the same object until they hear of the next. */
    getSnapshot: () => import("./types.js").RunState;
    /**
     * Return one agent as subscribers know it.
     * @param {string} agentId
     */
    getAgent: (agentId: string) => import("./types.js").AgentState | undefined;
    /**
     * Hear of each new snapshot; returns what ends that.
     * @param {() => void} callback
     */
    subscribe: (callback: () => void) => () => void;
    /**
     * Hear of events from now on, before the throttle; returns what ends that.
     *
     * *type* is an agent event's type (`token`, `done`, `error`, …), a full name (`skeptic.token`, `run.done`, `panel.result`) or
     * `*` for all of the server's events. Of the client's own: `connection` (`{connection, detail}`), `blocked`
     * (`{message}`), `failure` (a ClientError: the run cannot be followed) and `closed`.
     * @param {string} type
     * @param {(event: any) => void} callback
     */
    on(type: string, callback: (event: any) => void): () => void;
    /** @returns {AsyncGenerator<RunEvent, void, void>} */
    [Symbol.asyncIterator](): AsyncGenerator<RunEvent, void, void>;
    /**
     * Wait for the run's end and return what it came to. After `detach` it returns what is known.
     * @returns {Promise<RunState>} Rejects only if the run cannot be followed, never for an agent's failure.
     */
    result(): Promise<RunState>;
    /**
     * Ask for the end of one agent, or of all; acknowledged here, `cancelled` follows as an event. An ended run is
     * no error.
     * @param {string} [agentId]
     */
    cancel(agentId?: string): Promise<void>;
    /**
     * Ask for a new attempt of an agent that has ended, while the run is open; ClientError 409 if it is not.
     * @param {string} agentId
     */
    retry(agentId: string): Promise<void>;
    /**
     * Let one more agent answer; ClientError 409 if it takes part already, or the run has ended.
     * @param {string} agentId
     */
    add(agentId: string): Promise<void>;
    /**
     * Start a panel over the answers that are there; members are not asked again, but for reviews and further rounds.
     *
     * ClientError 409 while a panel of this run is under way, or if no agent has answered.
     * @param {string | import('./types.js').InlinePanel} panel A configured one's id, or a panel.
     * @returns {Promise<Run>} The run in which it works: this one while it is open, else a new one, which is followed.
     */
    callPanel(panel: string | import('./types.js').InlinePanel): Promise<Run>;
    /**
     * Answer an `approval_request`; ClientError 404 if none waits.
     * @param {string} agentId
     * @param {string} callId
     * @param {boolean} [approve]
     * @param {string} [reason] For the agent, at most 1,000 characters.
     * @param {string} [by] Who answers, for all who follow; the server believes it.
     */
    approve(agentId: string, callId: string, approve?: boolean, reason?: string, by?: string): Promise<void>;
    /**
     * Say whose answer is best, or by null that nobody's is, as *verdict* says; resolves with who all are.
     * @param {string | null} agentId
     * @param {'tie' | 'both_bad'} [verdict]
     * @returns {Promise<{vote: string | null, agents: import('./types.js').RevealedAgent[]}>}
     */
    vote(agentId: string | null, verdict?: 'tie' | 'both_bad'): Promise<{
        vote: string | null;
        agents: import('./types.js').RevealedAgent[];
    }>;
    /** Forget the vote; ClientError 409 if it has revealed the names of a blind run. */
    takeVoteBack(): Promise<void>;
    /** Stop following; the run goes on at the server. Iterators end, `result` resolves. */
    detach(): void;
    /**
     * For the client, once: go on with a link that brings all of this run's events.
     * @param {import('./sharing/channel-link.js').ChannelLink} link Retained for this run.
     * @param {RunEvent[]} held What has come already.
     */
    join(link: import('./sharing/channel-link.js').ChannelLink, held: RunEvent[]): void;
    /** For the client, once: find out what there is, and follow it. */
    follow(): void;
}
