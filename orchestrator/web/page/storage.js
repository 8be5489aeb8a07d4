/**
 * Keeps in the browser what it should remember: theme, saved sets, votes, drafts, the token. A browser that keeps
 * nothing (private windows, blocked storage) is no error: then it is forgotten with the page.
 */

const PREFIX = 'orchestrator.';
const MAX_VOTES = 500;

/** @typedef {{name: string, agents: string[]}} AgentSet */

/**
 * @template T
 * @param {Storage} storage
 * @param {string} key
 * @param {T} fallback
 * @returns {T}
 */
function read(storage, key, fallback) {
  try {
    const text = storage.getItem(PREFIX + key);
    return text === null ? fallback : JSON.parse(text);
  } catch {
    return fallback;
  }
}

/**
 * @param {Storage} storage
 * @param {string} key
 * @param {unknown} value null forgets.
 */
function write(storage, key, value) {
  try {
    if (value === null) storage.removeItem(PREFIX + key);
    else storage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // Full or forbidden: see above.
  }
}

/** The token: for this tab's life, or for longer if the user said so. */
export const token = {
  /** @returns {string | null} */
  get: () => read(sessionStorage, 'token', null) ?? read(localStorage, 'token', null),
  /**
   * @param {string | null} value null forgets it.
   * @param {boolean} [stay] Keep it on this device, in `localStorage`.
   */
  set(value, stay = false) {
    write(sessionStorage, 'token', stay ? null : value);
    write(localStorage, 'token', stay ? value : null);
  },
};

export const theme = {
  /** @returns {'auto' | 'light' | 'dark'} */
  get: () => read(localStorage, 'theme', 'auto'),
  /** @param {'auto' | 'light' | 'dark'} value */
  set: (value) => write(localStorage, 'theme', value === 'auto' ? null : value),
};

/** What the user has settled about keys and messages. */
export const settings = {
  /** @returns {{enterSends: boolean, singleKeys: boolean, notify: boolean}} */
  get: () => ({
    // A touch screen's keyboard has no Shift-Enter to break a line with.
    enterSends: !matchMedia('(pointer: coarse)').matches,
    singleKeys: true,
    notify: false,
    ...read(localStorage, 'settings', {}),
  }),
  /** @param {Partial<{enterSends: boolean, singleKeys: boolean, notify: boolean}>} changes */
  set: (changes) => write(localStorage, 'settings', { ...read(localStorage, 'settings', {}), ...changes }),
};

export const sets = {
  /** @returns {AgentSet[]} */
  get: () => read(localStorage, 'sets', /** @type {AgentSet[]} */ ([])),
  /** @param {AgentSet[]} value */
  set: (value) => write(localStorage, 'sets', value),
};

/** Agents that the user has changed. */
export const variants = {
  /** @returns {import('../client/types.js').VariantRequest[]} */
  get: () => read(localStorage, 'variants', /** @type {import('../client/types.js').VariantRequest[]} */ ([])),
  /** @param {import('../client/types.js').VariantRequest[]} value */
  set: (value) => write(localStorage, 'variants', value),
};

/** Which agents were chosen last. */
export const chosen = {
  /** @returns {string[] | null} */
  get: () => read(localStorage, 'chosen', null),
  /** @param {string[]} value */
  set: (value) => write(localStorage, 'chosen', value),
};

export const draft = {
  /** @returns {string} */
  get: () => read(sessionStorage, 'draft', ''),
  /** @param {string} value */
  set: (value) => write(sessionStorage, 'draft', value || null),
};

/** Run id → what the user calls it, and the run itself if it is to stay at the top of the history. */
export const marks = {
  /** @returns {Record<string, {name?: string, named?: import('../client/types.js').ListedRun, pinned?: import('../client/types.js').ListedRun}>} */
  all: () => read(localStorage, 'marks', {}),
  /**
   * @param {string} runId
   * @param {{name?: string | undefined, named?: import('../client/types.js').ListedRun | undefined, pinned?: import('../client/types.js').ListedRun | undefined}} changes
   */
  set(runId, changes) {
    const { [runId]: before, ...others } = marks.all();
    const mark = { ...before, ...changes };
    const kept = mark.name || mark.pinned ? { ...others, [runId]: mark } : others;
    write(localStorage, 'marks', Object.fromEntries(Object.entries(kept).slice(-MAX_VOTES)));
  },
};

/** Run id → the agent whose answer was found best, or a verdict for nobody: `=tie`, `=both_bad`. */
export const votes = {
  /** @returns {Record<string, string>} */
  all: () => read(localStorage, 'votes', {}),
  /**
   * @param {string} runId
   * @param {string | null} agentId null takes the vote back.
   */
  set(runId, agentId) {
    const { [runId]: _, ...others } = votes.all();
    const kept = Object.entries(agentId === null ? others : { ...others, [runId]: agentId });
    write(localStorage, 'votes', Object.fromEntries(kept.slice(-MAX_VOTES)));
  },
};

/** Blind run id → who was asked in it: its stream does not say, and a follow-up asks the same. */
export const blindly = {
  /** @returns {Record<string, string[]>} */
  all: () => read(localStorage, 'blindly', {}),
  /**
   * @param {string} runId
   * @param {readonly string[]} agents
   */
  set: (runId, agents) => write(localStorage, 'blindly', Object.fromEntries([...Object.entries(blindly.all()), [runId, agents]].slice(-MAX_VOTES))),
};
