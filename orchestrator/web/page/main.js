/** Starts the page. */

import { App } from './app.js';
import { PageState } from './page-state.js';
import { html, render } from './html.js';
import { theme } from './storage.js';

/** The client's SharedWorker: beside the bundle, or above this file. */
const WORKERS = ['./shared-worker.js', '../client/sharing/shared-worker.js'].map((path) => new URL(path, import.meta.url).href);

// The page's policy takes no script address but from here.
const policies = Reflect.get(globalThis, 'trustedTypes');
policies?.createPolicy('default', {
  createScriptURL: (/** @type {string} */ address) =>
    WORKERS.includes(new URL(address, location.href).href) ? address : null,
});

// Before anything is drawn, so that nothing flashes.
document.documentElement.dataset['theme'] = theme.get();

const pageState = new PageState();
const place = document.getElementById('app');
if (place) render(html`<${App} pageState=${pageState} />`, place);
void pageState.connect();
