/** Draws the form in which an agent is copied under another name, with other settings. */

import { Dialog } from '../dialogs.js';
import { html, useEffect, useRef, useState } from '../html.js';
import { changesOf, freeName, labelOf } from './changes.js';

/** @typedef {import('../../client/types.js').AgentInfo} AgentInfo */
/** @typedef {import('../../client/types.js').VariantRequest} VariantRequest */
/** @typedef {import('../../client/types.js').VariableKey} VariableKey */

/**
 * @param {object} props
 * @param {AgentInfo} props.agent As the server lists it.
 * @param {Record<string, any>} props.changes What the form begins with.
 * @param {readonly string[]} props.taken Names that others have.
 * @param {(request: VariantRequest) => void} props.take
 * @param {() => void} props.close
 */
export function VariantForm({ agent, changes, taken, take, close }) {
  const [wrong, setWrong] = useState('');
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  // Later than the dialog, which gives the focus to what closes it.
  useEffect(() => form.current?.querySelector('input')?.select(), []);
  const keys = agent.variants ?? [];
  const submit = (/** @type {any} */ event) => {
    event.preventDefault();
    try {
      take({ agent_id: agent.agent_id, as: event.target.elements['as'].value.trim(), ...changesOf(keys, (key) => event.target.elements[key].value) });
    } catch (error) {
      setWrong(/** @type {Error} */ (error).message);
    }
  };
  return html`<${Dialog} title=${`${agent.title} with other settings`} close=${close}>
    <form ref=${form} class="variant-form" onSubmit=${submit}>
      <label>Name<input name="as" required maxlength="64" pattern="[a-z0-9][a-z0-9_\\-]*" title="a-z, 0-9, _ and -" defaultValue=${freeName(agent.agent_id, taken)} /></label>
      ${keys.map((each) => html`<label key=${each.key}>${labelOf(each.key)}<${Field} field=${each} value=${valueAt(changes, each.key)} /></label>`)}
      <p class="hint">What is left empty stays as it is.</p>
      ${wrong !== '' && html`<p class="error" role="alert">${wrong}</p>`}
      <button class="ask">Ask with these</button>
    </form>
  <//>`;
}

/** @param {{field: VariableKey, value: unknown}} props */
function Field({ field: { key: name, type, choices }, value }) {
  const text = value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  const options = type === 'boolean' ? ['true', 'false'] : choices;
  if (options.length > 0) {
    return html`<select name=${name}>
      <option value="">as it is</option>
      ${options.map((each) => html`<option key=${each} value=${each} selected=${each === text}>${each}</option>`)}
    </select>`;
  }
  if (type === 'number' || type === 'integer') return html`<input name=${name} type="number" step=${type === 'integer' ? 1 : 'any'} defaultValue=${text} />`;
  return html`<textarea name=${name} rows=${type === 'json' ? 2 : 5} spellcheck=${type === 'text'} defaultValue=${text}></textarea>`;
}

/**
 * @param {Record<string, any>} changes
 * @param {string} key
 */
function valueAt(changes, key) {
  return key.split('.').reduce((/** @type {any} */ value, step) => value?.[step], changes);
}
