/** Starts the worker that tabs share, `client/sharing/shared-worker.js`, from the address that pages know it by. */

import './client/sharing/shared-worker.js';
