/** Lists the runs, newest first. */

import { html, useEffect, useLayoutEffect, useRef, useState } from '../html.js';
import { IconButton } from '../icons.js';
import { marks } from '../storage.js';
import { RUN_STATES, when } from '../words.js';

const STYLE = new URL('./history.css', import.meta.url).href;

/** As the styles have it: there the history lies over the run. */
const OVER = '(max-width: 899px), (max-height: 560px)';

/** So long after the last key the server is asked. */
const SEARCH_MS = 250;

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
  const [sought, seek] = useState({ q: '', status: '' });
  const [marked, setMarked] = useState(marks.all);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const moved = useRef(/** @type {string | null} */ (null));
  // Who opens it by a key is in it; who closes it is where it was opened.
  useLayoutEffect(() => {
    const before = document.activeElement;
    // It may have taken a while to come, and who types by then is not to be taken away.
    const types = before?.matches('input, textarea, select, [contenteditable]');
    if (!types) box.current?.focus();
    return () => !types && before instanceof HTMLElement && before.focus();
  }, []);
  // A run that is pinned stands in the other list: what was pressed goes along.
  useLayoutEffect(() => {
    if (moved.current !== null) /** @type {HTMLElement | null} */ (box.current?.querySelector(`[data-run="${moved.current}"] [aria-pressed]`))?.focus();
    moved.current = null;
  });
  // The copies that are kept here, of pinned and named runs, follow what the server says of them.
  useEffect(() => {
    const old = runs.filter(({ run_id, status }) => marked[run_id] && (marked[run_id].pinned ?? marked[run_id].named)?.status !== status);
    for (const run of old) marks.set(run.run_id, marked[run.run_id]?.pinned ? { pinned: run } : { named: run });
    if (old.length > 0) setMarked(marks.all());
  }, [runs]);
  const seeking = sought.q !== '' || sought.status !== '';
  useEffect(() => {
    const timer = setTimeout(() => void pageState.refresh({ ...sought, q: sought.q.trim() }), sought.q === '' ? 0 : SEARCH_MS);
    return () => clearTimeout(timer);
  }, [pageState, refreshOn, sought]);
  const mark = (/** @type {string} */ runId, /** @type {Parameters<typeof marks.set>[1]} */ changes) => {
    marks.set(runId, changes);
    setMarked(marks.all());
    if ('pinned' in changes) moved.current = runId;
  };
  const forget = async (/** @type {string} */ runId) => {
    if (!(await pageState.forget(runId))) return;
    marks.set(runId, { name: undefined, named: undefined, pinned: undefined });
    setMarked(marks.all());
    forgotten(runId);
  };
  const entry = (/** @type {import('../../client/types.js').ListedRun} */ run) => html`<${Entry}
    key=${run.run_id}
    run=${run}
    mark=${marked[run.run_id] ?? {}}
    setMark=${(/** @type {object} */ changes) => mark(run.run_id, changes)}
    current=${run.run_id === current}
    forget=${forget}
    opened=${() => matchMedia(OVER).matches && close()}
  />`;
  const words = sought.q.trim().toLowerCase();
  const named = (/** @type {import('../../client/types.js').ListedRun} */ run) => `${marked[run.run_id]?.name ?? ''} ${run.title}`.toLowerCase();
  const listed = (/** @type {string} */ runId) => runs.find(({ run_id }) => run_id === runId);
  /** What is kept in this browser and fits to what is sought. */
  const kept = (/** @type {'pinned' | 'named'} */ key) => Object.values(marked).flatMap(({ [key]: run }) => (run ? [listed(run.run_id) ?? run] : []))
    .filter((run) => named(run).includes(words) && (sought.status === '' || run.status === sought.status));
  const top = kept('pinned');
  // The server searches what was asked, and knows no name that was given here.
  const byName = words === '' ? [] : kept('named').filter(({ run_id }) => !listed(run_id));
  const rest = [...byName, ...runs].filter(({ run_id }) => !marked[run_id]?.pinned);
  const leave = (/** @type {any} */ event) => event.key === 'Escape' && !event.target.value && close();
  return html`<aside ref=${box} class="history" aria-label="History" tabindex="-1" onKeyDown=${leave}>
    <link rel="stylesheet" href=${STYLE} />
    <div class="history-head">
      <h2>History</h2>
      <${IconButton} icon="close" label="Close the history" onClick=${close} />
    </div>
    <div class="history-search">
      <input type="search" aria-label="Search the questions" placeholder="Search" value=${sought.q} onInput=${(/** @type {any} */ event) => seek({ ...sought, q: event.target.value })} />
      <select class="pick" aria-label="Which runs" value=${sought.status} onChange=${(/** @type {any} */ event) => seek({ ...sought, status: event.target.value })}>
        <option value="">All</option>
        ${Object.entries(RUN_STATES).map(([status, [, word]]) => html`<option key=${status} value=${status}>${word}</option>`)}
      </select>
    </div>
    ${top.length > 0 && html`<ul aria-label="Pinned" class="pinned">${top.map(entry)}</ul>`}
    <ul>${rest.map(entry)}</ul>
    ${top.length + rest.length === 0 && history === 'all' && html`<p class="hint">${seeking ? 'No run is like that.' : 'Nothing was asked yet.'}</p>`}
    ${history === 'loading' && html`<p class="hint">Loading…</p>`}
    ${history === 'more' && html`<button type="button" class="menu-button" onClick=${() => pageState.more()}>${runs.length > 0 ? 'Older' : 'Try again'}</button>`}
  </aside>`;
}

/** How long a deletion can be taken back. */
const UNDO_MS = 8_000;

/**
 * One run. Deleting asks, because it deletes for everybody, and waits for a while, so that it can be undone. A name and
 * a pin are this browser's own.
 * @param {object} props
 * @param {import('../../client/types.js').ListedRun} props.run
 * @param {{name?: string, pinned?: object}} props.mark
 * @param {(changes: {name?: string | undefined, named?: object | undefined, pinned?: object | undefined}) => void} props.setMark
 * @param {boolean} props.current
 * @param {(runId: string) => void} props.forget
 * @param {() => void} props.opened Hears that it was chosen.
 */
function Entry({ run, mark, setMark, current, forget, opened }) {
  const [step, setStep] = useState(/** @type {'kept' | 'named' | 'asks' | 'deleted'} */ ('kept'));
  const box = useRef(/** @type {HTMLLIElement | null} */ (null));
  const undone = useRef(false);
  const was = useRef(step);
  // What was pressed is gone with each step, and the focus would be with it.
  useLayoutEffect(() => {
    if (step === 'named') box.current?.querySelector('input')?.select();
    else if (step !== was.current) box.current?.querySelector(step === 'kept' ? 'a' : 'button')?.focus();
    was.current = step;
  }, [step]);
  const leave = (/** @type {KeyboardEvent} */ event) => event.key === 'Escape' && (event.stopPropagation(), setStep('kept'));
  // At once, not after the next frame: the page may be left by then.
  useLayoutEffect(() => {
    if (step !== 'deleted') return undefined;
    let pending = true;
    const act = () => {
      if (box.current?.contains(document.activeElement)) /** @type {HTMLElement | null} */ (box.current.closest('.history'))?.focus();
      if (pending && !undone.current) forget(run.run_id);
      pending = false;
    };
    const timer = setTimeout(act, UNDO_MS);
    addEventListener('pagehide', act);
    return () => {
      clearTimeout(timer);
      removeEventListener('pagehide', act);
      act(); // the list was closed meanwhile: what was deleted stays deleted
    };
  }, [step]);
  if (step === 'named') {
    const keep = (/** @type {any} */ event) => {
      event.preventDefault();
      const name = event.target.elements.name.value.trim();
      const isOwn = name !== '' && name !== run.title;
      setMark({ name: isOwn ? name : undefined, named: isOwn && !mark.pinned ? run : undefined });
      setStep('kept');
    };
    return html`<li ref=${box}><form class="asks" onSubmit=${keep} onKeyDown=${leave}>
      <input name="name" dir="auto" aria-label="Name of the run" maxlength="200" defaultValue=${mark.name ?? run.title} />
      <button class="menu-button">Keep</button>
    </form></li>`;
  }
  const shown = (mark.name ?? run.title).slice(0, 60);
  if (step === 'asks') {
    return html`<li ref=${box} class="asks" role="group" onKeyDown=${leave} aria-label=${`Delete ${shown}?`}>
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
  const varied = Object.entries(run.agents).flatMap(([id, { variant_of }]) => (variant_of ? [`${id} of ${variant_of}`] : []));
  return html`<li ref=${box} data-status=${run.status} data-run=${run.run_id}>
    <a href=${`#run/${run.run_id}`} aria-current=${current ? 'page' : undefined} onClick=${opened}>
      <span class="history-question">${run.unreadable ? 'Cannot be read by this version' : (mark.name ?? run.title)}</span>
      <span class="hint">
        <span class="glyph" aria-hidden="true">${glyph}</span> ${word} · ${asked} ${asked === 1 ? 'agent' : 'agents'}${varied.length > 0 ? ` (${varied.join(', ')})` : ''}${run.panel ? ` · ${run.panel}` : ''} · ${when(run.created_at)}
      </span>
    </a>
    <${IconButton} icon="pin" label=${`${mark.pinned ? 'Unpin' : 'Pin'}: ${shown}`} aria-pressed=${mark.pinned !== undefined} onClick=${() => setMark(mark.pinned ? { pinned: undefined, named: mark.name === undefined ? undefined : run } : { pinned: run, named: undefined })} />
    <${IconButton} icon="edit" label=${`Rename: ${shown}`} onClick=${() => setStep('named')} />
    <${IconButton} icon="trash" label=${`Delete: ${shown}`} onClick=${() => setStep('asks')} />
  </li>`;
}
