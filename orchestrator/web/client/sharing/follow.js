/**
 * Brings one run's events here: over a channel, by a stream of its own, or first the one and then the other; by
 * snapshots while events are held back on the way.
 */

import { isOpen, reaches } from '../wire/cursor.js';
import { Backoff, ClientError, asClientError, pathOf, sleep, throwIfAborted } from '../wire/http.js';
import { readEvents } from '../wire/stream.js';
import { HELD, HeldWatch } from './buffering.js';

/** @typedef {import('../types.js').RunEvent} RunEvent */
/** @typedef {import('../types.js').RunSnapshot} RunSnapshot */
/** @typedef {import('../types.js').Connection} Connection */
/** @typedef {import('../types.js').ConnectionDetail} ConnectionDetail */
/** @typedef {import('./channel-link.js').ChannelLink} ChannelLink */

/** Events of a link kept while older ones are fetched. Beyond it the run goes on with a connection of its own. */
const MAX_QUEUED_EVENTS = 10_000;

/** If the events of an ended run have not come after so many looks, its snapshot has to do. */
const MAX_ENDINGS = 5;

/**
 * @typedef {object} Sink The run, as seen from here. It takes each event once, whatever comes twice.
 * @property {(events: RunEvent[]) => void} receive
 * @property {(snapshot: RunSnapshot) => void} introduce Learn what no event holds; all else is still to come.
 * @property {(snapshot: RunSnapshot, options: {live: boolean}) => void} assume Become what a snapshot says; *live*:
 *   events later than it are still to come.
 * @property {(snapshot: RunSnapshot) => void} preview Show a snapshot until the events up to it have come.
 * @property {(connection: Connection, detail: ConnectionDetail | null) => void} onState
 * @property {(failure: ClientError | null) => void} close
 * @property {() => boolean} closed
 * @property {() => string | null} position The id seen last.
 */

export class Follower {
  #http;
  #links;
  #path;
  #id;
  #sink;
  #leaving = new AbortController();
  /** @type {() => void} */
  #leaveLink = () => {};
  #watch;
  /** @type {[Connection, ConnectionDetail | null]} */
  #reported = ['connecting', null];
  #byLink = false;
  /** How often the run was found ended while its events were held back. */
  #endings = 0;

  /**
   * @param {object} options
   * @param {import('../wire/http.js').Http} options.http
   * @param {import('./channel-link.js').ChannelLinks | null} options.links null: a connection for each run.
   * @param {string} options.id
   * @param {Sink} options.sink
   */
  constructor({ http, links, id, sink }) {
    this.#http = http;
    this.#links = links;
    this.#id = id;
    this.#path = pathOf('runs', id);
    this.#sink = sink;
    this.#watch = new HeldWatch(http.timing, {
      position: () => sink.position(),
      look: () => this.#look(),
      show: (snapshot) => this.#showHeld(snapshot),
      tell: () => this.#report(...this.#reported),
    });
  }

  /**
   * Leave the link and, unless *history* may still be read, every connection.
   * @param {{history: boolean}} options
   */
  leave({ history }) {
    this.#watch.stop();
    this.#leaveLink();
    this.#leaveLink = () => {};
    if (!history) this.#leaving.abort();
  }

  /**
   * Read the run's own stream.
   * @param {string | null} after
   * @param {(connection: Connection, detail: ConnectionDetail | null) => void} [onState]
   */
  history(after, onState) {
    const path = `${this.#path}/events`;
    const signal = this.#leaving.signal;
    return readEvents({ http: this.#http, path, after, signal, ...(onState ? { onState } : {}) });
  }

  /**
   * Go on with what *link* brings: all of this run's events come there.
   * @param {ChannelLink} link Retained for this run.
   * @param {RunEvent[]} held What has come already.
   */
  join(link, held) {
    this.#watch.start();
    this.#byLink = true;
    this.#addTo(link, (events) => this.#receive(events));
    this.#receive(held);
  }

  /**
   * Find out what there is, and follow it to its end. Never rejects.
   * @param {string | null} after
   */
  async attach(after) {
    try {
      const snapshot = await this.#fetchSnapshot();
      this.#watch.start();
      if (after === null) this.#sink.introduce(snapshot);
      else this.#sink.assume(snapshot, { live: true });
      if (this.#links === null || !isOpen(snapshot.status)) await this.#readOwn(() => null);
      else await this.#catchUp(await this.#links.acquire(snapshot.channel, snapshot.last_event_id), snapshot);
    } catch (error) {
      if (!this.#leaving.signal.aborted) this.#sink.close(asClientError(error));
    }
  }

  /** After a gap a channel gives only the runs that the server still has: find out whether this is one. */
  async verify() {
    try {
      await this.#http.call('GET', this.#path, { signal: this.#leaving.signal });
    } catch (error) {
      if (!this.#leaving.signal.aborted && isFinal(error)) this.#sink.close(asClientError(error));
    }
  }

  /**
   * Listen to the link, fetch what came on it before, then hand on what comes.
   * @param {ChannelLink} link Retained for this run.
   * @param {RunSnapshot} snapshot
   */
  async #catchUp(link, snapshot) {
    /** @type {RunEvent[] | null} null: too many. */
    let queue = [];
    let live = false;
    const take = (/** @type {RunEvent[]} */ events) => {
      if (live) this.#receive(events);
      else if (queue !== null && queue.push(...events) > MAX_QUEUED_EVENTS) queue = null;
    };
    this.#addTo(link, take, () => live);
    if (this.#leaving.signal.aborted) return this.leave({ history: false });
    const until = await this.#untilLink(link, snapshot);
    if (until !== null) await this.#readOwn(() => (queue === null ? null : until));
    if (queue === null || this.#sink.closed()) return;
    live = true;
    this.#byLink = true;
    this.#report(link.state.connection, link.state.detail);
    this.#receive(queue);
  }

  /**
   * Return the id up to which the link does not give this run's events; null if it gives all that are wanted.
   * Rests on the server's promise that a snapshot is never older than what was streamed before it was asked for.
   * @param {ChannelLink} link
   * @param {RunSnapshot} snapshot
   */
  async #untilLink(link, snapshot) {
    if (link.at === null) return null;
    const newest = link.at === snapshot.last_event_id ? snapshot : await this.#fetchSnapshot();
    const until = newest.last_event_id ?? link.at;
    const seen = this.#sink.position();
    return seen !== null && reaches(seen, until) ? null : until;
  }

  /**
   * Follow the run's own stream until *until* gives an id that was reached, else to the run's end.
   * @param {() => string | null} until
   */
  async #readOwn(until) {
    const sink = this.#sink;
    for await (const batch of this.history(sink.position(), (...state) => this.#report(...state))) {
      this.#receive(batch);
      const [mark, seen] = [until(), sink.position()];
      if (sink.closed() || (mark !== null && seen !== null && reaches(seen, mark))) return;
    }
    if (this.#leaving.signal.aborted) return;
    // 204: the cursor stands at the end, so what is left to know is how things stand there.
    sink.assume(await this.#fetchSnapshot(), { live: false });
    sink.close(null);
  }

  /** Ask until there is an answer. @returns {Promise<RunSnapshot>} */
  async #fetchSnapshot() {
    const backoff = new Backoff(this.#http.timing);
    const signal = this.#leaving.signal;
    /** @type {Connection} */
    let connection = 'connecting';
    const onBlocked = (/** @type {string} */ message) => this.#report(connection, { code: 'blocked', message });
    for (;;) {
      try {
        return await this.#http.call('GET', this.#path, { signal, onBlocked });
      } catch (error) {
        throwIfAborted(signal);
        if (isFinal(error)) throw error;
        const { message, retryAfter } = asClientError(error);
        connection = 'retrying';
        this.#report(connection, { code: 'lost', message });
        await sleep(backoff.next(retryAfter), signal);
      }
    }
  }

  /** @param {RunEvent[]} events */
  #receive(events) {
    if (events.length > 0) this.#watch.heard();
    this.#sink.receive(events);
  }

  /**
   * @param {Connection} connection
   * @param {ConnectionDetail | null} detail
   */
  #report(connection, detail) {
    this.#reported = [connection, detail];
    // Snapshots are answered while events are held back, so no connections are used up.
    const held = this.#watch.held && (detail === null || detail.code === 'blocked');
    this.#sink.onState(connection, held ? HELD : detail);
  }

  async #look() {
    try {
      return await this.#http.call('GET', this.#path, { signal: this.#leaving.signal });
    } catch (error) {
      if (isFinal(error) && !this.#leaving.signal.aborted) this.#sink.close(asClientError(error));
      throw error;
    }
  }

  /**
   * Show what is known while events are held back. Of a run that has ended the own stream ends, and so even what
   * holds streams back gives it; a channel's never does.
   * @param {RunSnapshot} snapshot
   */
  #showHeld(snapshot) {
    this.#sink.preview(snapshot);
    if (isOpen(snapshot.status)) return;
    this.#endings += 1;
    if (this.#endings === 1 && this.#byLink) {
      this.#leaveLink();
      this.#leaveLink = () => {};
      this.#readOwn(() => null).catch((error) => this.#sink.close(asClientError(error)));
    } else if (this.#endings > MAX_ENDINGS) {
      this.#sink.assume(snapshot, { live: false });
      this.#sink.close(null);
    }
  }

  /**
   * @param {ChannelLink} link
   * @param {(events: RunEvent[]) => void} onEvents
   * @param {() => boolean} [live] Whether the link's connection is the run's.
   */
  #addTo(link, onEvents, live = () => true) {
    const leave = link.add(this.#id, {
      onEvents,
      onState: (connection, detail) => live() && this.#report(connection, detail),
      onFailure: (error) => this.#sink.close(error),
    });
    this.#leaveLink = () => {
      leave();
      link.release();
    };
  }
}

/** @param {unknown} error */
function isFinal(error) {
  return error instanceof ClientError && error.status !== null && !error.temporary;
}
