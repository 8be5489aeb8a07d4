/** Lists the runs, newest first. */

import { html, useEffect } from '../html.js';
import { IconButton } from '../icons.js';
import { RUN_STATES, when } from '../words.js';

/**
 * @param {object} props
 * @param {import('../page-state.js').PageState} props.pageState
 * @param {import('../page-state.js').PageSnapshot} props.state
 * @param {string | null} props.current
 * @param {string} props.refreshOn Changes whenever the list should be fetched anew.
 * @param {() => void} props.close
 * @param {(runId: string) => void} props.forgotten
 */
export function History({ pageState, state: { runs, history }, current, refreshOn, close, forgotten }) {
  useEffect(() => void pageState.refresh(), [pageState, refreshOn]);
  const forget = async (/** @type {string} */ runId) => {
    if (await pageState.forget(runId)) forgotten(runId);
  };
  return html`<aside class="history" aria-label="History">
    <div class="history-head">
      <h2>History</h2>
      <${IconButton} icon="close" label="Close the history" onClick=${close} />
    </div>
    <ul>
      ${runs.map((run) => html`<${Entry} key=${run.run_id} run=${run} current=${run.run_id === current} forget=${forget} />`)}
    </ul>
    ${runs.length === 0 && history !== 'loading' && html`<p class="hint">Nothing was asked yet.</p>`}
    ${history === 'loading' && html`<p class="hint">Loading…</p>`}
    ${history === 'more' && html`<button type="button" class="menu-button" onClick=${() => pageState.more()}>Older</button>`}
  </aside>`;
}

/** @param {{run: import('../../client/types.js').ListedRun, current: boolean, forget: (runId: string) => void}} props */
function Entry({ run, current, forget }) {
  const [glyph, word] = RUN_STATES[run.status];
  const asked = Object.keys(run.agents).length;
  return html`<li data-status=${run.status}>
    <a href=${`#run/${run.run_id}`} aria-current=${current ? 'page' : undefined}>
      <span class="history-question">${run.unreadable ? 'Cannot be read by this version' : run.title}</span>
      <span class="hint">
        <span class="glyph" aria-hidden="true">${glyph}</span> ${word} · ${asked} ${asked === 1 ? 'agent' : 'agents'}${run.panel ? ` · ${run.panel}` : ''} · ${when(run.created_at)}
      </span>
    </a>
    <${IconButton} icon="trash" label=${`Delete: ${run.title.slice(0, 60)}`} onClick=${() => forget(run.run_id)} />
  </li>`;
}
