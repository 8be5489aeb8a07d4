/** Holds the run that a view shows: none, one that starts, or one that is followed. Knows no framework. */

import { reason } from './wire/http.js';

/** @typedef {import('./client.js').Client} Client */
/** @typedef {import('./run.js').Run} Run */
/** @typedef {import('./types.js').StartOptions} StartOptions */

/**
 * @typedef {object} SessionState
 * @property {Run | null} run
 * @property {'idle' | 'starting' | import('./types.js').RunStatus} status
 * @property {readonly string[]} agentIds
 * @property {import('./types.js').PanelState | null} panel
 * @property {import('./types.js').Connection | null} connection null if there is no run.
 * @property {import('./types.js').ConnectionDetail | null} detail
 * @property {Error | null} error Why the last call failed, or why the run cannot be followed.
 */

/** @type {SessionState} */
const IDLE = Object.freeze({
  run: null,
  status: 'idle',
  agentIds: Object.freeze([]),
  panel: null,
  connection: null,
  detail: null,
  error: null,
});

export class Session {
  #client;
  #throttle;
  #state = IDLE;
  /** @type {Set<() => void>} */
  #subscribers = new Set();
  /** @type {() => void} */
  #leave = () => {};
  #turn = 0;
  /** @type {{key: string, turn: number, starting: Promise<Run>} | null} What was started in this very task. */
  #begun = null;

  /**
   * @param {Client} client
   * @param {number} [throttle]
   */
  constructor(client, throttle) {
    this.#client = client;
    this.#throttle = throttle;
  }

  getSnapshot = () => this.#state;

  /** @param {() => void} callback */
  subscribe = (callback) => {
    this.#subscribers.add(callback);
    return () => void this.#subscribers.delete(callback);
  };

  /**
   * Start a run and show it; the one shown before is left to itself. Null if the server refuses, which
   * `error` says, or if another run was shown meanwhile. The same start twice in one task is one run: React's strict
   * mode mounts, unmounts and mounts again, and a run that an effect starts would be paid for twice.
   * @param {StartOptions} options
   * @returns {Promise<Run | null>}
   */
  start = async (options) => {
    this.#drop();
    const turn = this.#turn;
    this.#set({ ...IDLE, status: 'starting' });
    const leave = this.#client.on('blocked', ({ message }) => {
      if (turn === this.#turn) this.#set({ ...this.#state, detail: { code: 'blocked', message } });
    });
    try {
      const begun = this.#begin(options);
      const run = await begun.starting;
      if (turn === this.#turn) return this.#show(run);
      if (begun.turn !== this.#turn) run.detach();
    } catch (error) {
      if (turn === this.#turn) this.#set({ ...IDLE, error: asError(error) });
    } finally {
      leave();
    }
    return null;
  };

  /** @param {StartOptions} options */
  #begin({ signal, ...options }) {
    const key = JSON.stringify(options);
    if (this.#begun?.key !== key || signal !== undefined) {
      const starting = this.#client.start({ ...this.#pace(), ...options, ...(signal ? { signal } : {}) });
      this.#begun = { key, turn: this.#turn, starting };
    }
    const begun = this.#begun;
    begun.turn = this.#turn;
    setTimeout(() => this.#begun === begun && (this.#begun = null));
    return begun;
  }

  /**
   * Show a run that is there, or none.
   * @param {string | null} runId
   */
  attach = (runId) => {
    if (runId !== null && this.#state.run?.id === runId && this.#state.connection !== 'closed') return;
    this.#drop();
    if (runId === null) this.#set(IDLE);
    else this.#show(this.#client.attach(runId, this.#pace()));
  };

  /** Leave the run; it goes on at the server. */
  detach = () => {
    this.#drop();
    this.#set(IDLE);
  };

  /** @param {string} [agentId] */
  cancel = (agentId) => this.#try((run) => run.cancel(agentId));

  /** @param {string} agentId */
  retry = (agentId) => this.#try((run) => run.retry(agentId));

  /** @param {string} agentId */
  add = (agentId) => this.#try((run) => run.add(agentId));

  /** @param {(run: Run) => Promise<void>} call */
  async #try(call) {
    const { run } = this.#state;
    if (run === null) return;
    try {
      await call(run);
      if (this.#state.run === run && run.failure === null) this.#set({ ...this.#state, error: null });
    } catch (error) {
      if (this.#state.run === run) this.#set({ ...this.#state, error: asError(error) });
    }
  }

  /** @param {Run} run */
  #show(run) {
    const update = () => {
      const { status, agentIds, panel, connection, detail } = run.getSnapshot();
      const error = run.failure ?? this.#state.error;
      this.#set({ run, status, agentIds, panel, connection, detail, error });
    };
    const unsubscribe = run.subscribe(update);
    this.#leave = () => {
      unsubscribe();
      run.detach();
    };
    update();
    return run;
  }

  #drop() {
    this.#turn += 1;
    this.#leave();
    this.#leave = () => {};
    this.#state = IDLE;
  }

  #pace() {
    return this.#throttle === undefined ? {} : { throttle: this.#throttle };
  }

  /** @param {SessionState} state */
  #set(state) {
    const before = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (this.#state));
    // Tokens change none of this, so views that show it are left in peace.
    if (Object.entries(state).every(([key, value]) => before[key] === value)) return;
    this.#state = Object.freeze(state);
    for (const callback of [...this.#subscribers]) callback();
  }
}

/** @param {unknown} error */
function asError(error) {
  return error instanceof Error ? error : new Error(reason(error));
}
