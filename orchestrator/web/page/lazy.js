/** Fetches parts of the page when they are first wanted: what most visits never open. */

import { html, useEffect, useState } from './html.js';

/** After the server got a newer page, an open one can no longer fetch its own parts. */
export const NOT_FETCHED = 'A part of this page could not be fetched. Reload the page; runs go on meanwhile.';

/**
 * Make a part that is fetched when it is first drawn. Nothing is seen of it before.
 * @template P
 * @param {() => Promise<(props: P) => any>} fetch
 * @returns {(props: P) => any}
 */
export function lazy(fetch) {
  /** @type {((props: P) => any) | null} */
  let part = null;
  return function Later(props) {
    const [state, setState] = useState(/** @type {'waiting' | 'there' | 'failed'} */ ('waiting'));
    useEffect(() => {
      if (part !== null) return;
      fetch().then(
        (fetched) => {
          part = fetched;
          setState('there');
        },
        () => setState('failed'),
      );
    }, []);
    if (state === 'failed') return html`<p class="error" role="alert">${NOT_FETCHED}</p>`;
    return part && html`<${part} ...${props} />`;
  };
}
