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

import { LocalFeeds, randomName } from './sharing/feed.js';
import { ClientError, Http, pathOf } from './wire/http.js';
import { ChannelLinks } from './sharing/channel-link.js';
import { Run } from './run.js';
import { SharedFeeds, openSharedWorker } from './sharing/shared.js';

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
export function createClient(options = {}) {
  return new Client(options);
}

/** Talks to one server and follows any number of its runs. */
export class Client {
  #http;
  #channel;
  #feeds;
  #links;
  /** @type {Set<Run>} */
  #runs = new Set();
  /** @type {Set<(event: {message: string}) => void>} */
  #blocked = new Set();

  /** @param {ClientOptions} options */
  constructor({ channel, share = true, ...options }) {
    this.#http = new Http(options);
    this.#http.onBlocked = (message) => this.#tellBlocked(message);
    this.#channel = channel;
    const local = new LocalFeeds(this.#http);
    const worker = share && options.fetch === undefined ? openSharedWorker() : null;
    this.#feeds = worker === null ? local : new SharedFeeds(this.#http, local, worker);
    this.#links = channel === null ? null : new ChannelLinks(this.#feeds);
  }

  /**
   * Start a run and follow it. A start whose answer was lost is repeated under the same Idempotency-Key: one
   * run, not two.
   * @param {StartOptions} options
   * @returns {Promise<Run>} Rejects with ClientError: the server refuses it, or does not answer.
   */
  async start({ throttle, signal, channel = this.#channel ?? undefined, ...body }) {
    const link = await this.#linkForStart(channel);
    const take = link?.hold();
    try {
      /** @type {RunSnapshot} */
      const snapshot = await this.#http.call('POST', '/v1/runs', {
        body: { ...body, channel: link?.channel ?? channel },
        headers: { 'Idempotency-Key': randomName('start') },
        repeat: true,
        ...(signal ? { signal } : {}),
      });
      const run = this.#run(snapshot.run_id, { throttle, message: body.message, snapshot });
      // Later, so that who awaits this and then listens or iterates misses nothing.
      setTimeout(() => this.#begin(run, link, take?.(run.id) ?? null));
      return run;
    } catch (error) {
      take?.();
      link?.release();
      throw error;
    }
  }

  /**
   * Follow a run that was started elsewhere or earlier. Returns at once; what was asked, and in which conversation,
   * is in the state before the run's first event. A run that does not exist shows as the run's failure.
   * @param {string} runId
   * @param {AttachOptions} [options]
   */
  attach(runId, { after = null, throttle } = {}) {
    const run = this.#run(runId, { after, throttle });
    run.follow();
    return run;
  }

  /** Return the configured agents. @returns {Promise<AgentInfo[]>} */
  async agents() {
    return (await this.#http.call('GET', '/v1/agents')).agents;
  }

  /** Return the configured panels. @returns {Promise<import('./types.js').PanelListing[]>} */
  async panels() {
    return (await this.#http.call('GET', '/v1/panels')).panels;
  }

  /**
   * Return what a list shows of runs, newest first; `snapshot` has their texts. *before* is a run id, for the next page.
   * @param {{limit?: number, before?: string, status?: string, channel?: string, conversation_id?: string, q?: string}} [page]
   * @returns {Promise<import('./types.js').ListedRun[]>}
   */
  async runs(page = {}) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(page)) if (value !== undefined) query.set(name, String(value));
    return (await this.#http.call('GET', `/v1/runs?${query}`)).runs;
  }

  /**
   * Return what votes and verdicts came to. *by*: `vote`, `judge` or `rank` alone; *q*: a part of the question.
   * @param {{by?: string, q?: string}} [sought]
   * @returns {Promise<import('./scores.js').Scores>}
   */
  scores(sought = {}) {
    return this.#http.call('GET', `/v1/scores?${new URLSearchParams(sought)}`);
  }

  /**
   * Return a run as it stands; ClientError 404 if there is none, 410 if it is gone.
   * @param {string} runId
   * @returns {Promise<RunSnapshot>}
   */
  snapshot(runId) {
    return this.#http.call('GET', pathOf('runs', runId));
  }

  /**
   * Cancel a run and forget it, with its events; it answers 410 afterwards.
   * @param {string} runId
   */
  async delete(runId) {
    await this.#http.call('DELETE', pathOf('runs', runId));
    for (const run of this.#runs) if (run.id === runId) run.detach();
  }

  /**
   * Hear of requests and streams that get no answer since the browser's connections seem to be used up; returns
   * what ends that.
   * @param {'blocked'} type
   * @param {(event: {message: string}) => void} callback
   * @returns {() => void}
   */
  on(type, callback) {
    const own = (/** @type {{message: string}} */ event) => callback(event);
    if (type === 'blocked') this.#blocked.add(own);
    return () => void this.#blocked.delete(own);
  }

  /** Leave every run and the connection that tabs share; cancels none. */
  close() {
    for (const run of [...this.#runs]) run.detach();
    this.#feeds.close();
  }

  /**
   * @param {string} id
   * @param {{after?: string | null, throttle?: number | undefined, message?: string, snapshot?: RunSnapshot}} about
   */
  #run(id, { throttle, ...about }) {
    const onBlocked = (/** @type {string} */ message) => this.#tellBlocked(message);
    const pace = throttle === undefined ? {} : { throttle };
    const attach = (/** @type {RunSnapshot} */ snapshot) => {
      const next = this.#run(snapshot.run_id, { throttle, message: snapshot.message, snapshot });
      next.follow();
      return next;
    };
    const run = new Run({ http: this.#http, links: this.#links, id, ...about, ...pace, onBlocked, attach });
    this.#runs.add(run);
    run.on('closed', () => this.#runs.delete(run));
    return run;
  }

  /**
   * A channel made up for us can be read from its first event; one with a history only if it is open already.
   * @param {string | undefined} channel
   */
  async #linkForStart(channel) {
    if (this.#links === null) return null;
    return channel === undefined ? this.#links.acquire(null, null) : this.#links.acquireOpen(channel);
  }

  /**
   * @param {Run} run
   * @param {import('./sharing/channel-link.js').ChannelLink | null} link
   * @param {import('./types.js').RunEvent[] | null} held
   */
  #begin(run, link, held) {
    if (link !== null && held !== null && !link.closed && run.connection !== 'closed') return run.join(link, held);
    link?.release();
    if (run.connection !== 'closed') run.follow();
  }

  /** @param {string} message */
  #tellBlocked(message) {
    for (const callback of [...this.#blocked]) callback({ message });
  }
}
