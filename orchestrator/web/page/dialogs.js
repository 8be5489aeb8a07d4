/** Draws what stands in front of the page: the keys' help, and the one question for the token. */

import { html, useEffect, useRef, useState } from './html.js';
import { IconButton } from './icons.js';
import { ask } from './history/other-tabs.js';
import { settings } from './storage.js';

const STYLE = new URL('./dialogs.css', import.meta.url).href;

const KEYS = [
  ['Ctrl + Enter', 'Ask'],
  ['Esc, Esc', 'Stop the agent whose column has the focus'],
  ['Shift + Esc, twice', 'Stop all'],
  ['1 – 9', 'Go to a column'],
  ['M', 'Maximise the column, or show all again'],
  ['/', 'Go to the question'],
  ['?', 'This help'],
];

/** @param {{close: () => void, forgetToken: (() => void) | null}} props *forgetToken*: null if there is none. */
export function Help({ close, forgetToken }) {
  return html`<${Dialog} title="Keys" close=${close}>
    <table class="keys">
      <tbody>
        ${KEYS.map(([key, does]) => html`<tr key=${key}><th scope="row"><kbd>${key}</kbd></th><td>${does}</td></tr>`)}
      </tbody>
    </table>
    <${Settings} />
    <p class="hint">
      <a href="docs">The API</a> · <a href="web/vendor/manifest.json">Libraries of this page</a>
    </p>
    ${forgetToken && html`<button type="button" class="menu-button" onClick=${forgetToken}>Forget the token</button>`}
  <//>`;
}

const SETTINGS = /** @type {const} */ ([
  ['enterSends', 'Enter asks, Shift + Enter breaks the line'],
  ['singleKeys', 'Keys without Ctrl: 1 – 9, M, / and ?'],
  ['notify', 'A notification when an agent waits for you'],
]);

/** What is kept in this browser. */
function Settings() {
  const [kept, setKept] = useState(settings.get);
  const change = async (/** @type {'enterSends' | 'singleKeys' | 'notify'} */ key) => {
    const on = !kept[key];
    // A browser asks only after a click, and may say no.
    const allowed = key !== 'notify' || !on || ('Notification' in globalThis && (await Notification.requestPermission()) === 'granted');
    if (allowed) settings.set({ [key]: on });
    setKept(settings.get());
  };
  return html`<fieldset class="settings">
    <legend class="unseen">Settings</legend>
    ${SETTINGS.map(
      ([key, text]) => html`<label class="check" key=${key}>
        <input type="checkbox" checked=${kept[key]} onChange=${() => change(key)} /> ${text}
      </label>`,
    )}
  </fieldset>`;
}

/** @param {{refused: boolean, unlock: (token: string, stay: boolean) => void}} props */
export function AskToken({ refused, unlock }) {
  const [token, setToken] = useState('');
  const [stay, setStay] = useState(false);
  const box = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    box.current?.focus();
    // A token that was refused here is not asked for again.
    if (!refused) void ask().then((found) => found !== null && unlock(found, false));
  }, [refused]);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (token.trim() !== '') unlock(token.trim(), stay);
  };
  return html`<form class="token" onSubmit=${submit}>
    <link rel="stylesheet" href=${STYLE} />
    <h1>This server asks for a token</h1>
    <p class="hint">It was given to <code>orchestrator serve</code> as <code>--token</code> or <code>ORCHESTRATOR_TOKEN</code>.</p>
    ${refused && html`<p class="error" role="alert">That token is not right.</p>`}
    <label for="token">Token</label>
    <input id="token" ref=${box} type="password" autocomplete="off" value=${token} onInput=${(/** @type {any} */ event) => setToken(event.target.value)} />
    <label class="check">
      <input type="checkbox" checked=${stay} onChange=${() => setStay(!stay)} /> Keep it on this device
    </label>
    <p class="hint">
      ${stay ? 'Kept in this browser’s local storage until you take it away.' : 'Kept in this browser’s open tabs until they are closed.'}
    </p>
    <button class="ask" disabled=${token.trim() === ''}>Continue</button>
  </form>`;
}

/** @param {{title: string, close: () => void, children?: any}} props */
export function Dialog({ title, close, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => dialog.current?.showModal(), []);
  const onClick = (/** @type {MouseEvent} */ event) => event.target === dialog.current && close();
  return html`<dialog ref=${dialog} aria-labelledby="dialog-title" onClose=${close} onClick=${onClick}>
    <link rel="stylesheet" href=${STYLE} />
    <div class="dialog-head">
      <h2 id="dialog-title">${title}</h2>
      <${IconButton} icon="close" label="Close" onClick=${close} />
    </div>
    ${children}
  </dialog>`;
}
