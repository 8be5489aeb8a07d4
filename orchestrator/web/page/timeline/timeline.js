/** Computes what a timeline shows: who spoke when, first tokens and ends, from events alone. Draws nothing. */

/** @typedef {import('../../client/types.js').RunEvent} RunEvent */
/** @typedef {{from: number, to: number}} Stretch Milliseconds since the run's start. */
/** @typedef {{t: number, kind: 'first' | 'tool' | 'retry' | 'done' | 'error' | 'cancelled'}} Mark */

/**
 * @typedef {object} Lane One agent.
 * @property {string} agent_id
 * @property {Stretch[]} work From a start to its end, an attempt each.
 * @property {Stretch[]} speech
 * @property {Mark[]} marks
 */

/** A pause longer than this ends a stretch of speech. */
const PAUSE_MS = 400;

export class Timeline {
  /** @type {Map<string, Lane>} */
  lanes = new Map();
  /** The newest event's time. */
  end = 0;
  /** @type {Set<string>} Who works now. */
  #working = new Set();
  /** @type {Set<string>} Who has spoken in this attempt. */
  #spoke = new Set();

  /** @param {RunEvent} event */
  add({ agent_id, type, t }) {
    this.end = Math.max(this.end, t);
    if (agent_id === null) return;
    const lane = this.lanes.get(agent_id) ?? { agent_id, work: [], speech: [], marks: [] };
    this.lanes.set(agent_id, lane);
    if (type === 'started') this.#begin(lane, t);
    else if (type === 'token') this.#speak(lane, t);
    else if (type === 'tool_call') lane.marks.push({ t, kind: 'tool' });
    else if (type === 'retry' || type === 'done' || type === 'error' || type === 'cancelled') this.#end(lane, t, type);
  }

  /**
   * Return a lane's stretches of work; one that goes on reaches up to *now*.
   * @param {Lane} lane
   * @param {number} now
   */
  work(lane, now) {
    if (!this.#working.has(lane.agent_id)) return lane.work;
    return lane.work.map((stretch, n) => (n === lane.work.length - 1 ? { ...stretch, to: now } : stretch));
  }

  /**
   * @param {Lane} lane
   * @param {number} t
   */
  #begin(lane, t) {
    lane.work.push({ from: t, to: t });
    this.#working.add(lane.agent_id);
    this.#spoke.delete(lane.agent_id);
  }

  /**
   * @param {Lane} lane
   * @param {number} t
   */
  #speak(lane, t) {
    if (!this.#spoke.has(lane.agent_id)) lane.marks.push({ t, kind: 'first' });
    this.#spoke.add(lane.agent_id);
    const last = lane.speech.at(-1);
    if (last !== undefined && t - last.to <= PAUSE_MS) last.to = t;
    else lane.speech.push({ from: t, to: t });
  }

  /**
   * @param {Lane} lane
   * @param {number} t
   * @param {Mark['kind']} kind
   */
  #end(lane, t, kind) {
    lane.marks.push({ t, kind });
    const attempt = lane.work.at(-1);
    if (attempt !== undefined && this.#working.delete(lane.agent_id)) attempt.to = t;
  }
}

/**
 * Return round times for an axis of *end* milliseconds, about *wanted* of them.
 * @param {number} end
 * @param {number} [wanted]
 */
export function ticks(end, wanted = 6) {
  const rough = Math.max(end / wanted, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? rough;
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, n) => n * step);
}
