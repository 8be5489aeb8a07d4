/** Keeps what the page knows of a run beside the client's own state: its events, its clock, its timeline. */

import { isOpen, reaches } from '../../client/wire/cursor.js';
import { Timeline } from '../timeline/timeline.js';

/** @typedef {import('../../client/types.js').RunEvent} RunEvent */
/** @typedef {import('../../client/types.js').RunState} RunState */
/** @typedef {import('../../client/run.js').Run} Run */

/**
 * What columns draw from: a run that is followed, or one that is played again.
 * @typedef {object} Source
 * @property {() => RunState} getSnapshot
 * @property {(agentId: string) => import('../../client/types.js').AgentState | undefined} getAgent
 * @property {(callback: () => void) => () => void} subscribe
 * @property {() => number} now Milliseconds since the run's start.
 */

/**
 * @typedef {object} About What the stream does not say of a run.
 * @property {string} message
 * @property {readonly string[]} [images] Known only to the page that asked.
 * @property {string | null} conversation_id
 * @property {number} created_at
 */

/**
 * @typedef {object} Given Another run, over whose answers a panel works in this one.
 * @property {RunRecord | null} base null if it is gone.
 * @property {(state: RunState, base: RunState | null) => RunState} join
 */

/** @implements {Source} */
export class RunRecord {
  /** @type {RunEvent[]} */
  events = [];
  timeline = new Timeline();
  /** Whether it was recorded elsewhere, to show what the page can. */
  demo = false;
  /** Whether the server hides who is who until the vote. */
  blind = false;
  /** Who is who, once it is revealed. @type {Record<string, import('../../client/types.js').RevealedAgent> | null} */
  revealed = null;
  /** Puts in what is revealed. @type {(state: RunState) => RunState} */
  #named = (state) => state;
  /** When the run started, by this page's clock. @type {number} */
  #start = Infinity;
  #known;
  /** @type {Set<(event: RunEvent) => void>} */
  #news = new Set();
  /** What happened before somebody listened. @type {RunEvent[]} */
  #unheard = [];

  /**
   * @param {Run} run
   * @param {About} about
   * @param {string | null} known What was said up to this id is not news.
   * @param {Given | null} [given]
   */
  constructor(run, about, known, given = null) {
    this.run = run;
    this.about = about;
    this.#known = known;
    this.given = given;
    this.leave = run.on('*', (event) => this.#take(event));
  }

  get id() {
    return this.run.id;
  }

  /** Whether more can come: false once the run has ended, or if it cannot be followed any more. */
  get alive() {
    return isOpen(this.run.status) && this.run.connection !== 'closed';
  }

  /** @returns {RunState} */
  getSnapshot = () => this.joined(this.run.getSnapshot());

  /** @param {string} agentId */
  getAgent = (agentId) => this.getSnapshot().agents[agentId];

  /** @param {() => void} callback */
  subscribe = (callback) => {
    const leave = [this.run, ...(this.given?.base ? [this.given.base] : [])].map((source) => source.subscribe(callback));
    return () => leave.forEach((each) => each());
  };

  /**
   * Add the answers that this run was given, if it was, and who is who, if it was hidden and is known.
   * @param {RunState} state
   * @returns {RunState}
   */
  joined = (state) =>
    this.#named(this.given === null ? state : this.given.join(state, this.given.base?.getSnapshot() ?? null));

  /** Milliseconds since the run's start; stands still once it has ended. Before any event has come the clocks' difference counts. */
  now = () => {
    if (!this.alive) return this.timeline.end;
    const since = this.#start === Infinity ? Date.now() - this.about.created_at : performance.now() - this.#start;
    return Math.max(since, this.timeline.end);
  };

  /**
   * Hear of events that happen while the page looks on.
   * @param {(event: RunEvent) => void} callback
   * @returns {() => void}
   */
  onNews(callback) {
    this.#news.add(callback);
    for (const event of this.#unheard.splice(0)) callback(event);
    return () => void this.#news.delete(callback);
  }

  /**
   * @param {import('../../client/types.js').RevealedAgent[]} agents
   * @param {(state: RunState) => RunState} named Puts them into a state.
   */
  reveal(agents, named) {
    this.revealed = Object.fromEntries(agents.map((agent) => [agent.agent_id, agent]));
    this.#named = named;
  }

  /** Whether names and numbers are to be hidden now. */
  get namesHidden() {
    return this.blind && this.revealed === null;
  }

  /** @param {RunEvent} event */
  #take(event) {
    this.events.push(event);
    this.timeline.add(event);
    if (event.name === 'run.started') this.blind = event.data['blind'] === true;
    // No event arrives before it happened, so the earliest guess at the start is the best.
    this.#start = Math.min(this.#start, performance.now() - event.t);
    if (this.#known !== null && event.id !== null && reaches(this.#known, event.id)) return;
    if (this.#news.size === 0 && event.type !== 'token') this.#unheard.push(event);
    for (const callback of this.#news) callback(event);
  }
}
