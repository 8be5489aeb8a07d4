/** Draws the row above the columns: how the run is doing as a whole, and what can be done with all of it. */

import { isOpen } from '../../client/wire/cursor.js';
import { html, useTick } from '../html.js';
import { Icon } from '../icons.js';
import { lazy } from '../lazy.js';
import { Menu } from '../menu.js';
import { answerOf, answering } from '../panel/roles.js';
import { RUN_STATES, count, duration, money, progress } from '../words.js';

const SumUpItems = lazy(async () => (await import('../panel/sum-up.js')).SumUpItems);

/**
 * @typedef {object} SumUpProps What another panel over this run needs.
 * @property {import('../page-state.js').PageSnapshot} state
 * @property {import('./run-record.js').RunRecord} record
 * @property {import('../../client/types.js').RunState} run
 * @property {(panel: string | import('../../client/types.js').InlinePanel) => void} call
 */

/** As `VERDICTS` says them. */
const FOR_NOBODY = /** @type {const} */ ([['=tie', 'A tie'], ['=both_bad', 'None is good']]);

/**
 * @param {object} props
 * @param {import('./run-record.js').Source} props.source
 * @param {boolean} props.steerable Whether this is the run itself, no replay.
 * @param {boolean} props.alive Whether it still runs.
 * @param {boolean} props.tabbed Whether one column is seen at a time.
 * @param {SumUpProps} props.sumUp
 * @param {readonly import('../../client/types.js').AgentInfo[]} props.others Who does not take part yet.
 * @param {readonly string[]} props.hidden
 * @param {string | null} props.best What was voted for.
 * @param {{sync: boolean, timeline: boolean, compareWith: string | null}} props.layout
 * @param {(changes: object) => void} props.setLayout
 * @param {(action: string, value?: string) => void} props.act
 */
export function Toolbar({ source, steerable, alive, tabbed, sumUp, others, hidden, best, layout, setLayout, act }) {
  const state = source.getSnapshot();
  const several = state.agentIds.length > 1;
  return html`<div class="toolbar" role="group" aria-label="This run">
    <${Summary} source=${source} steerable=${steerable} alive=${alive || !steerable} />
    <span class="spread"></span>
    ${hidden.map(
      (id) => html`<button type="button" key=${id} class="menu-button" onClick=${() => act('show', id)}>
        <${Icon} name="plus" />Show ${state.agents[id]?.title ?? id}
      </button>`,
    )}
    ${steerable &&
    alive &&
    others.length > 0 &&
    html`<${Menu} label="Add agent" icon="plus">
      ${(/** @type {() => void} */ close) =>
        others.map(
          ({ agent_id: id, title, description }) => html`<button
            type="button"
            key=${id}
            onClick=${() => (act('add', id), close())}
          >
            ${title}<span class="hint">${description}</span>
          </button>`,
        )}
    <//>`}
    ${steerable && html`<${SumUp} ...${sumUp} />`}
    ${steerable && several && progress(state).ended > 1 && html`<${Menu} label="No winner" icon="star" marked=${best?.startsWith('=') ?? false}>
      ${(/** @type {() => void} */ close) =>
        FOR_NOBODY.map(([choice, text]) => html`<button type="button" key=${choice} aria-pressed=${best === choice} onClick=${() => (act('vote', choice), close())}>${text}</button>`)}
    <//>`}
    ${several && !tabbed && html`<${Toggle} icon="sync" label="Sync scroll" on=${layout.sync} set=${(/** @type {boolean} */ sync) => setLayout({ sync })} />`}
    ${several && html`<${Compare} state=${state} layout=${layout} setLayout=${setLayout} />`}
    <${Toggle} icon="timeline" label="Timeline" on=${layout.timeline} set=${(/** @type {boolean} */ timeline) => setLayout({ timeline })} />
    ${steerable &&
    !alive &&
    html`<button type="button" class="menu-button" title="Replay" onClick=${() => act('replay')}><${Icon} name="play" /><span class="label">Replay</span></button>`}
    ${steerable &&
    html`<${Menu} label="Export" icon="download">
      ${(/** @type {() => void} */ close) => html`
        <button type="button" onClick=${() => (act('export', 'md'), close())}>Markdown</button>
        <button type="button" onClick=${() => (act('export', 'json'), close())}>JSON</button>
        <button type="button" onClick=${() => (act('export', 'jsonl'), close())}>Event log<span class="hint">JSONL</span></button>
      `}
    <//>`}
    ${steerable &&
    alive &&
    html`<button type="button" class="menu-button danger" onClick=${() => act('stop-all')}><${Icon} name="stop" filled />Stop all</button>`}
  </div>`;
}

/** A blind run has no panel, and a panel needs answers. @param {SumUpProps} props */
function SumUp({ state, record, run, call }) {
  const members = answering(run).filter((id) => {
    const agent = run.agents[id];
    return agent !== undefined && answerOf(agent).status === 'done';
  });
  if (record.blind || members.length === 0) return null;
  const busy = record.alive && run.panel !== null && run.panel.result === null;
  return html`<${Menu} label="Sum up…" icon="panel" disabled=${busy}>
    ${(/** @type {() => void} */ close) => {
      const take = (/** @type {string | import('../../client/types.js').InlinePanel} */ panel) => (call(panel), close());
      return html`<${SumUpItems} state=${state} members=${members} take=${take} />`;
    }}
  <//>`;
}

/** @param {{source: import('./run-record.js').Source, steerable: boolean, alive: boolean}} props */
function Summary({ source, steerable, alive }) {
  const state = source.getSnapshot();
  const { status, metrics, connection, detail } = state;
  useTick(alive && isOpen(status), 200);
  const [glyph, word] = RUN_STATES[status];
  const { ended, all } = progress(state);
  const parts = [`${ended} of ${all} finished`, duration(metrics?.duration_ms ?? source.now())];
  if (metrics?.output_tokens) parts.push(`${count(metrics.output_tokens)} tokens`);
  if (metrics?.cost != null) parts.push(money(metrics.cost));
  return html`<p class="summary" data-status=${status}>
    <span class="state"><span class="glyph" aria-hidden="true">${glyph}</span> ${word}</span>
    <span class="hint">${parts.join(' · ')}</span>
    ${steerable && connection === 'retrying' && html`<span class="lost">↻ connection lost, coming back</span>`}
    ${steerable && detail?.code === 'held' && html`<span class="lost" role="status" title=${detail.message}>⧗ held back on the way, shown every few seconds</span>`}
  </p>`;
}

/** @param {{icon: any, label: string, on: boolean, set: (on: boolean) => void}} props */
function Toggle({ icon, label, on, set }) {
  return html`<button type="button" class=${on ? 'menu-button on' : 'menu-button'} aria-pressed=${on} title=${label} onClick=${() => set(!on)}>
    <${Icon} name=${icon} /><span class="label">${label}</span>
  </button>`;
}

/**
 * @param {object} props
 * @param {import('../../client/types.js').RunState} props.state
 * @param {{compareWith: string | null}} props.layout
 * @param {(changes: object) => void} props.setLayout
 */
function Compare({ state, layout: { compareWith }, setLayout }) {
  return html`<${Menu} label="Compare" icon="compare" marked=${compareWith !== null}>
    ${(/** @type {() => void} */ close) => {
      const take = (/** @type {string | null} */ id) => {
        setLayout({ compareWith: id });
        close();
      };
      return html`
        <button type="button" aria-pressed=${compareWith === null} onClick=${() => take(null)}>Nothing</button>
        ${state.agentIds.map(
          (id) => html`<button type="button" key=${id} aria-pressed=${compareWith === id} onClick=${() => take(id)}>
            With ${state.agents[id]?.title}
          </button>`,
        )}
      `;
    }}
  <//>`;
}
