/** Owns the page's start. */

import { App } from './app.js';
import { Desk } from './desk.js';
import { html, render } from './html.js';
import { theme } from './remember.js';

// The page's policy takes no script address but from here: the client's SharedWorker is the one there is.
const policies = Reflect.get(globalThis, 'trustedTypes');
policies?.createPolicy('default', {
  createScriptURL: (/** @type {string} */ address) =>
    new URL(address, location.href).href === new URL('../shared-worker.js', import.meta.url).href ? address : null,
});

// Before anything is drawn, so that nothing flashes.
document.documentElement.dataset['theme'] = theme.get();

const desk = new Desk();
const place = document.getElementById('app');
if (place) render(html`<${App} desk=${desk} />`, place);
void desk.connect();
