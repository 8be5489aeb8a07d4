/**
 * Starts runs on a server and finds them again.
 *
 *     const client = createClient({ baseUrl: 'http://127.0.0.1:8080' });
 *     const run = await client.start({ message: 'Will it rain?', agents: ['optimist', 'skeptic'] });
 *     for await (const event of run) console.log(event.name, event.data);
 *     const { agents } = await run.result();
 *
 * Runs share one connection: those of a page a channel, those of several tabs a SharedWorker's.
 */
import { ClientError } from './wire/http.js';
import { Run } from './run.js';
export type ClientOptions = import('./types.js').ClientOptions;
export type StartOptions = import('./types.js').StartOptions;
export type AttachOptions = import('./types.js').AttachOptions;
export type AgentInfo = import('./types.js').AgentInfo;
export type RunSnapshot = import('./types.js').RunSnapshot;
export type RunState = import('./types.js').RunState;
export type AgentState = import('./types.js').AgentState;
export type RunEvent = import('./types.js').RunEvent;
/** @typedef {import('./types.js').ClientOptions} ClientOptions */
/** @typedef {import('./types.js').StartOptions} StartOptions */
/** @typedef {import('./types.js').AttachOptions} AttachOptions */
/** @typedef {import('./types.js').AgentInfo} AgentInfo */
/** @typedef {import('./types.js').RunSnapshot} RunSnapshot */
/** @typedef {import('./types.js').RunState} RunState */
/** @typedef {import('./types.js').AgentState} AgentState */
/** @typedef {import('./types.js').RunEvent} RunEvent */
export { ClientError, Run };
/**
 * Make a client. No request is made yet.
 * @param {ClientOptions} [options]
 */
export declare function createClient(options?: ClientOptions): Client;
/** Talks to one server and follows any number of its runs. */
export declare class Client {
    #private;
    /** @param {ClientOptions} options */
    constructor({ channel, share, ...options }: ClientOptions);
    /**
     * Start a run and follow it. A start whose answer was lost is repeated under the same Idempotency-Key: one
     * run, not two.
     * @param {StartOptions} options
     * @returns {Promise<Run>} Rejects with ClientError: the server refuses it, or does not answer.
     */
    start({ throttle, signal, channel, ...body }: StartOptions): Promise<Run>;
    /**
     * Follow a run that was started elsewhere or earlier. Returns at once; what was asked, and in which conversation,
     * is in the state before the run's first event. A run that does not exist shows as the run's failure.
     * @param {string} runId
     * @param {AttachOptions} [options]
     */
    attach(runId: string, { after, throttle }?: AttachOptions): Run;
    /** Return the configured agents. @returns {Promise<AgentInfo[]>} */
    agents(): Promise<AgentInfo[]>;
    /** Return the configured panels. @returns {Promise<import('./types.js').PanelListing[]>} */
    panels(): Promise<import('./types.js').PanelListing[]>;
    /**
     * Return what a list shows of runs, newest first; `snapshot` has their texts. *before* is a run id, for the next page.
     * @param {{limit?: number, before?: string, status?: string, channel?: string, conversation_id?: string, q?: string}} [page]
     * @returns {Promise<import('./types.js').ListedRun[]>}
     */
    runs(page?: {
        limit?: number;
        before?: string;
        status?: string;
        channel?: string;
        conversation_id?: string;
        q?: string;
    }): Promise<import('./types.js').ListedRun[]>;
    /**
     * Return what votes and verdicts came to. *by*: `vote`, `judge` or `rank` alone; *q*: a part of the question.
     * @param {{by?: string, q?: string}} [sought]
     * @returns {Promise<import('./scores.js').Scores>}
     */
    scores(sought?: {
        by?: string;
        q?: string;
    }): Promise<import('./scores.js').Scores>;
    /**
     * Return a run as it stands; ClientError 404 if there is none, 410 if it is gone.
     * @param {string} runId
     * @returns {Promise<RunSnapshot>}
     */
    snapshot(runId: string): Promise<RunSnapshot>;
    /**
     * Cancel a run and forget it, with its events; it answers 410 afterwards.
     * @param {string} runId
     */
    delete(runId: string): Promise<void>;
    /**
     * Hear of requests and streams that get no answer since the browser's connections seem to be used up; returns
     * what ends that.
     * @param {'blocked'} type
     * @param {(event: {message: string}) => void} callback
     * @returns {() => void}
     */
    on(type: 'blocked', callback: (event: {
        message: string;
    }) => void): () => void;
    /** Leave every run and the connection that tabs share; cancels none. */
    close(): void;
}
