/** Passes the token to tabs that are opened later: they ask those that have it, so that nobody is asked twice. */

import { token } from '../storage.js';

/** How long others have to answer. */
const ANSWER_MS = 500;

const channel = new BroadcastChannel('orchestrator.token');
/** @type {(found: string | null) => void} */
let take = () => {};

channel.onmessage = ({ data }) => {
  if (data === 'forget') {
    token.set(null);
    location.reload();
  } else if (data === 'ask') {
    if (token.get() !== null) channel.postMessage({ token: token.get() });
  } else take(data.token);
};

/** @returns {Promise<string | null>} What another tab answers; null if none does. */
export function ask() {
  return new Promise((resolve) => {
    take = resolve;
    setTimeout(() => resolve(null), ANSWER_MS);
    channel.postMessage('ask');
  });
}

/** Have every other tab forget the token, too. */
export function forget() {
  channel.postMessage('forget');
}
