/** Owns one open run's screen: toolbar, timeline, tabs, columns, and which of them are seen. */

import { announce } from '../announce.js';
import { copyText } from '../clipboard.js';
import { Column } from './column.js';
import { html, useEffect, useMemo, useRef, useState, useValue } from '../html.js';
import { NOT_FETCHED, lazy } from '../lazy.js';
import { answerOf, answering, lastWords } from '../panel/roles.js';
import { votes } from '../storage.js';
import { ScrollGroup } from './scroll.js';
import { Tabs } from './tabs.js';
import { TimelineView } from '../timeline/timeline-view.js';
import { Toolbar } from './toolbar.js';
import { AGENT_STATES, progress } from '../words.js';

/** @typedef {import('../timeline/replay.js').Replay} Replay */

const PanelCard = lazy(async () => (await import('../panel/card.js')).PanelCard);
const ReplayBar = lazy(async () => (await import('../timeline/replay-bar.js')).ReplayBar);

/** Retry takes the place of Stop, so the second of two quick clicks is not meant for it. */
const DOUBLE_CLICK_MS = 700;

/**
 * @param {object} props
 * @param {import('../page-state.js').Desk} props.desk
 * @param {import('../page-state.js').DeskState} props.state
 * @param {import('./run-record.js').Watch} props.watch
 * @param {boolean} props.narrow
 * @param {(message: string, agentId: string | null) => void} props.askAgain *agentId*: null where it is hidden.
 */
export function RunView({ desk, state, watch, narrow, askAgain }) {
  const [replay, setReplay] = useState(/** @type {Replay | null} */ (null));
  const [hidden, setHidden] = useState(/** @type {string[]} */ ([]));
  const [maximised, setMaximised] = useState(/** @type {string | null} */ (null));
  const [tab, setTab] = useState(/** @type {string | null} */ (null));
  const [best, setBest] = useState(() => votes.all()[watch.id] ?? null);
  const [layout, setLayout] = useState({ sync: false, timeline: !narrow, compareWith: /** @type {string | null} */ (null) });
  const stopped = useRef(/** @type {Map<string, number>} */ (new Map()));
  const scrolls = useMemo(() => new ScrollGroup(), []);
  scrolls.enabled = layout.sync;
  const source = replay ?? watch;
  useValue(source.subscribe, () => `${watch.veiled} ${outline(source.getSnapshot())}`);
  const run = source.getSnapshot();
  const lost = replay === null && !watch.alive && run.status === 'running';
  const failed = useNews(watch);

  useEffect(() => () => replay?.pause(), [replay]);

  const ids = answering(run);
  const seen = ids.filter((id) => !hidden.includes(id));
  const title = (/** @type {string} */ id) => run.agents[id]?.title ?? id;
  const tabbed = narrow || maximised !== null;
  const current = [narrow ? tab : maximised, seen[0]].find((id) => id != null && seen.includes(id)) ?? null;
  const showTab = narrow ? setTab : setMaximised;

  const vote = (/** @type {string} */ id) => {
    const next = best === id ? null : id;
    votes.set(watch.id, next);
    if (watch.veiled && next !== null) void desk.vote(next);
    setBest(next);
    announce(next === null ? 'Vote taken back' : `Voted for ${run.agents[id]?.title}`);
  };
  const notFetched = () => desk.say(NOT_FETCHED);
  /** @type {Record<string, (value: string) => unknown>} */
  const actions = {
    stop(id) {
      stopped.current.set(id, performance.now());
      return desk.steer((run) => run.cancel(id));
    },
    retry(id) {
      const settled = performance.now() - (stopped.current.get(id) ?? -Infinity) > DOUBLE_CLICK_MS;
      return settled && desk.steer((run) => run.retry(id));
    },
    add: (id) => desk.steer((run) => run.add(id)),
    'stop-all': () => desk.steer((run) => run.cancel()),
    again: (id) => askAgain(watch.about.message, watch.blind ? (watch.revealed?.[id]?.configured ?? null) : id),
    copy: (id) => copyText(answerOf(source.getAgent(id) ?? NOTHING).text).then(() => announce('Copied')),
    'copy-last': (id) => copyText(source.getAgent(id)?.text ?? '').then(() => announce('Copied')),
    hide: (id) => setHidden([...hidden, id]),
    show: (id) => setHidden(hidden.filter((other) => other !== id)),
    maximise: (id) => setMaximised(maximised === id ? null : id),
    vote,
    export: (kind) => import('../history/export.js').then(({ exportAs }) => exportAs(kind, watch), notFetched),
    replay: () =>
      import('../timeline/replay.js').then(({ Replay }) => {
        const again = new Replay(watch.events, { id: watch.id, message: watch.about.message }, watch.joined);
        setReplay(again);
        setLayout((current) => ({ ...current, timeline: true }));
        again.play();
      }, notFetched),
  };
  const act = (/** @type {string} */ action, value = '') => void actions[action]?.(value);

  /** @type {import('./column.js').Face} */
  const face = {
    source,
    steerable: replay === null && !lost,
    open: run.status === 'running' && !lost,
    question: watch.about.message,
    // In a blind run nobody's earlier answers may be known by.
    earlier: watch.blind ? [] : state.earlier,
    scrolls,
    compareWith: layout.compareWith,
    veiled: watch.veiled,
    best,
    // An answer that several gave is nobody's own.
    winner: run.panel?.result?.answer ? null : (run.panel?.result?.winner ?? null),
    speakers: lastWords(run),
    owns: (id) => run.panel?.of == null || id in watch.run.agents,
    title,
    maximised,
    tabbed,
    announces: (id) => failed.has(id),
    act,
    approve: (id, callId, yes) => void desk.steer((run) => run.approve(id, callId, yes)),
  };
  return html`<div class="run">
    <h1 class="run-question">${watch.about.message}</h1>
    <${Toolbar}
      source=${source}
      steerable=${replay === null}
      alive=${watch.alive}
      tabbed=${tabbed}
      sumUp=${{ state, watch, run, call: desk.sumUp }}
      others=${watch.blind ? [] : state.agents.filter(({ agent_id }) => !run.agentIds.includes(agent_id))}
      hidden=${hidden}
      layout=${layout}
      setLayout=${(/** @type {object} */ changes) => setLayout({ ...layout, ...changes })}
      act=${act}
    />
    ${lost &&
    html`<p class="error" role="alert">
      <strong>This run cannot be followed any more.</strong> ${watch.run.failure?.message} What it said so far is kept here.
    </p>`}
    ${replay && html`<${ReplayBar} replay=${replay} leave=${() => setReplay(null)} />`}
    ${layout.timeline && !watch.veiled && html`<${Strip} watch=${watch} replay=${replay} />`}
    ${run.panel && html`<${PanelCard} panel=${run.panel} speakers=${face.speakers} face=${face} />`}
    ${tabbed && html`<${Tabs} run=${run} ids=${seen} current=${current} select=${showTab} />`}
    <div class=${tabbed ? 'columns one' : 'columns'} key=${replay ? 'replay' : 'live'}>
      ${ids.map(
        (id) => html`<${Column}
          key=${id}
          agentId=${id}
          hue=${run.agentIds.indexOf(id)}
          shown=${tabbed ? id === current : seen.includes(id)}
          face=${face}
        />`,
      )}
      ${seen.length === 0 && ids.length > 0 && html`<p class="hint empty">All columns are hidden.</p>`}
    </div>
  </div>`;
}

/** @param {{watch: import('./run-record.js').Watch, replay: Replay | null}} props */
function Strip({ watch, replay }) {
  const source = replay ?? watch;
  useValue(source.subscribe, () => (replay ? replay.now() : outline(watch.getSnapshot())));
  const seek = replay && ((/** @type {number} */ t) => replay.seek(t));
  return html`<${TimelineView} watch=${watch} at=${replay ? replay.now() : null} seek=${seek} />`;
}

/**
 * What the screen around the columns shows of a run, as one value: it changes rarely, whatever is said.
 * @param {import('../../client/types.js').RunState} state
 */
function outline({ status, connection, agentIds, agents, panel }) {
  const each = agentIds.map((id) => `${id}:${agents[id]?.status}:${agents[id]?.title}:${agents[id]?.turn}`).join(' ');
  return `${status} ${connection} ${each} ${JSON.stringify(panel)}`;
}

const NOTHING = /** @type {const} */ ({ text: '', status: 'done' });

/**
 * Tell of ends as they happen. Returns whose error is news.
 * @param {import('./run-record.js').Watch} watch
 */
function useNews(watch) {
  const failed = useRef(/** @type {Set<string>} */ (new Set()));
  useEffect(
    () =>
      watch.onNews(({ agent_id, type, name, data }) => {
        if (name.startsWith('panel.') || data['stage'] === 'final') {
          const state = { agents: { ...watch.getSnapshot().agents, ...watch.run.agents }, panel: watch.run.panel };
          import('../panel/words.js').then(({ stageNews }) => stageNews(name, data, state).forEach(announce), () => {});
        }
        if (agent_id === null || !['done', 'cancelled', 'error'].includes(type)) return;
        if (type === 'error') failed.current.add(agent_id);
        const { agents } = watch.run;
        const { ended, all } = progress({ agents, agentIds: Object.keys(agents) });
        const word = type === 'done' ? 'finished' : AGENT_STATES[/** @type {'cancelled'} */ (type)][1];
        announce(`${watch.revealed?.[agent_id]?.title ?? agents[agent_id]?.title} ${word}, ${ended} of ${all}`);
      }),
    [watch],
  );
  return failed.current;
}
