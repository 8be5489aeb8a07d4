/** Computes what one attempt has said beyond text: progress, data, sources, files and the structured answer. */

/** @typedef {import('../types.js').Content} Content */
/** @typedef {import('../types.js').RunEvent} RunEvent */

/** @type {readonly never[]} */
const NOTHING = Object.freeze([]);

/** @type {Content} */
export const NO_CONTENT = Object.freeze({ progress: NOTHING, data: NOTHING, sources: NOTHING, files: NOTHING });

/** What an event says beside its payload. */
const HEAD = new Set(['agent_id', 'type', 't', 'run_id', 'stage', 'round', 'layer']);

/**
 * Take one event in; a type that is of no concern here returns the same content.
 * @param {Content} content
 * @param {RunEvent} event
 * @returns {Content}
 */
export function reduceContent(content, { type, data }) {
  switch (type) {
    case 'progress':
      return put(content, 'progress', data, ['progress_id']);
    case 'data':
      return put(content, 'data', data, data.data_id == null ? [] : ['name', 'data_id']);
    case 'source':
      return put(content, 'sources', data, []);
    case 'file':
      return put(content, 'files', data, []);
    case 'done':
      return 'output' in data ? Object.freeze({ ...content, output: data.output }) : content;
    default:
      return content;
  }
}

/**
 * Make it of an agent's snapshot.
 * @param {Partial<Content>} sent
 * @returns {Content}
 */
export function contentOf({ progress, data, sources, files, ...rest }) {
  const lists = { progress: listOf(progress), data: listOf(data), sources: listOf(sources), files: listOf(files) };
  return Object.freeze('output' in rest ? { ...lists, output: rest.output } : lists);
}

/** @template T @param {readonly T[] | undefined} sent @returns {readonly T[]} */
function listOf(sent) {
  return Object.freeze([...(sent ?? [])]);
}

/**
 * Add an entry, in the place of the one that has the same *keys*; without keys always at the end.
 * @param {Content} content
 * @param {'progress' | 'data' | 'sources' | 'files'} list
 * @param {RunEvent['data']} data
 * @param {string[]} keys
 * @returns {Content}
 */
function put(content, list, data, keys) {
  /** @type {any} */
  const entry = Object.freeze(Object.fromEntries(Object.entries(data).filter(([key]) => !HEAD.has(key))));
  /** @type {any[]} */
  const entries = [...content[list]];
  const at = keys.length === 0 ? -1 : entries.findIndex((each) => keys.every((key) => each[key] === entry[key]));
  entries.splice(at < 0 ? entries.length : at, at < 0 ? 0 : 1, entry);
  return Object.freeze({ ...content, [list]: Object.freeze(entries) });
}
