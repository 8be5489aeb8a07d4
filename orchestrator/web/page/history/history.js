/** Lists the runs, newest first. */

import { html, useEffect, useRef, useState } from '../html.js';
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

/** How long a deletion can be taken back. */
const UNDO_MS = 8_000;

/**
 * One run. Deleting asks, because it deletes for everybody, and waits for a while, so that it can be undone.
 * @param {{run: import('../../client/types.js').ListedRun, current: boolean, forget: (runId: string) => void}} props
 */
function Entry({ run, current, forget }) {
  const [step, setStep] = useState(/** @type {'kept' | 'asks' | 'deleted'} */ ('kept'));
  const box = useRef(/** @type {HTMLLIElement | null} */ (null));
  const undone = useRef(false);
  useEffect(() => {
    if (step !== 'kept') box.current?.querySelector('button')?.focus();
    if (step !== 'deleted') return undefined;
    let pending = true;
    const act = () => {
      if (pending && !undone.current) forget(run.run_id);
      pending = false;
    };
    const timer = setTimeout(act, UNDO_MS);
    return () => {
      clearTimeout(timer);
      act(); // the list was closed meanwhile: what was deleted stays deleted
    };
  }, [step]);
  if (step === 'asks') {
    return html`<li ref=${box} class="asks" role="group" aria-label=${`Delete ${run.title.slice(0, 60)}?`}>
      <span>Delete it for everybody?</span>
      <button type="button" class="menu-button" onClick=${() => setStep('kept')}>Keep</button>
      <button type="button" class="menu-button danger" onClick=${() => ((undone.current = false), setStep('deleted'))}>Delete</button>
    </li>`;
  }
  if (step === 'deleted') {
    return html`<li ref=${box} class="asks"><span>Deleted.</span><button type="button" class="menu-button" onClick=${() => ((undone.current = true), setStep('kept'))}>Undo</button></li>`;
  }
  const [glyph, word] = RUN_STATES[run.status];
  const asked = Object.keys(run.agents).length;
  return html`<li data-status=${run.status}>
    <a href=${`#run/${run.run_id}`} aria-current=${current ? 'page' : undefined}>
      <span class="history-question">${run.unreadable ? 'Cannot be read by this version' : run.title}</span>
      <span class="hint">
        <span class="glyph" aria-hidden="true">${glyph}</span> ${word} · ${asked} ${asked === 1 ? 'agent' : 'agents'}${run.panel ? ` · ${run.panel}` : ''} · ${when(run.created_at)}
      </span>
    </a>
    <${IconButton} icon="trash" label=${`Delete: ${run.title.slice(0, 60)}`} onClick=${() => setStep('asks')} />
  </li>`;
}
