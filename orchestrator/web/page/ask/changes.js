/** Reads the form in which an agent's settings are changed: what it says, and the name of the copy. Draws nothing. */

/** @typedef {import('../../client/types.js').VariableKey} VariableKey */

/**
 * Return the changes that a filled form says, nested as a file has them; an empty field changes nothing.
 * @param {readonly VariableKey[]} keys
 * @param {(key: string) => string} read
 * @returns {Record<string, any>} Throws an Error whose message says which field is wrong.
 */
export function changesOf(keys, read) {
  /** @type {Record<string, any>} */
  const changes = {};
  for (const { key, type } of keys) {
    const text = read(key).trim();
    if (text === '') continue;
    const [name = '', inner] = key.split('.');
    const value = parsed(key, type, text);
    if (inner === undefined) changes[name] = value;
    else changes[name] = { ...changes[name], [inner]: value };
  }
  return changes;
}

/**
 * @param {string} key
 * @param {VariableKey['type']} type
 * @param {string} text
 */
function parsed(key, type, text) {
  if (type === 'text') return text;
  if (type === 'number' || type === 'integer') return Number(text);
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${labelOf(key)}: this is no JSON.`);
  }
}

/** @param {string} key */
export function labelOf(key) {
  const words = key.replace('model_settings.', '').replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * @param {string} id
 * @param {readonly string[]} taken
 */
export function freeName(id, taken) {
  for (let n = 2; ; n += 1) {
    const name = `${id.slice(0, 60)}-${n}`;
    if (!taken.includes(name)) return name;
  }
}
