/** Starts the worker that holds one connection for all tabs of a site: each channel's stream once, for every tab. */

import { SharedHub } from './shared-hub.js';

const hub = new SharedHub();

globalThis.addEventListener('connect', (event) => {
  const [port] = /** @type {MessageEvent} */ (event).ports;
  if (port) hub.connect(port);
});
