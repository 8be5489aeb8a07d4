/** Orders event ids: says which comes later, and which was seen already; and whether a run's status is an end. */

/** @typedef {import('../types.js').RunEvent} RunEvent */

/** @param {string} id */
function split(id) {
  const dash = id.lastIndexOf('-');
  const seq = id.slice(dash + 1);
  return dash > 0 && /^[0-9]{1,15}$/.test(seq) ? { epoch: id.slice(0, dash), seq: Number(seq) } : { epoch: id, seq: 0 };
}

/**
 * Whether *id* stands at *mark* or later in the same log. Ids of two epochs cannot be compared: false.
 * @param {string} id
 * @param {string} mark
 */
export function reaches(id, mark) {
  const [a, b] = [split(id), split(mark)];
  return a.epoch === b.epoch && a.seq >= b.seq;
}

/**
 * Whether *event* replaces all that was known. Several may share an id: one per run of a channel.
 * @param {RunEvent} event
 */
export function isSnapshot(event) {
  return event.agent_id === null && event.type === 'snapshot';
}

/** The id seen last, as the next `Last-Event-ID`, and the guard against seeing one twice. */
export class Cursor {
  /** @param {string | null} [last] */
  constructor(last = null) {
    this.last = last;
  }

  /**
   * Move on to *event*; false if its log has given it before.
   * @param {RunEvent} event
   */
  accept(event) {
    if (event.id === null) return true;
    if (this.last !== null && !isSnapshot(event) && reaches(this.last, event.id)) return false;
    this.last = event.id;
    return true;
  }
}

/**
 * Whether a run of this status has not ended.
 * @param {import('../types.js').RunStatus} status
 */
export function isOpen(status) {
  return status === 'queued' || status === 'running';
}
