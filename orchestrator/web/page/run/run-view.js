/** Draws the open run: toolbar, timeline, tabs, columns, and keeps which of them are seen. */

import { isOpen } from '../../client/wire/cursor.js';
import { announce } from '../announce.js';
import { useActions } from './actions.js';
import { Column } from './column.js';
import { html, useEffect, useMemo, useRef, useState, useValue } from '../html.js';
import { IconButton } from '../icons.js';
import { lazy } from '../lazy.js';
import { answering, lastWords } from '../panel/roles.js';
import { ScrollGroup } from './scroll.js';
import { settings } from '../storage.js';
import { Tabs } from './tabs.js';
import { TimelineView } from '../timeline/timeline-view.js';
import { Toolbar } from './toolbar.js';
import { AGENT_STATES, progress } from '../words.js';

/** @typedef {import('../timeline/replay.js').Replay} Replay */

const PanelCard = lazy(async () => {
  const { PanelCard, styled } = await import('../panel/card.js');
  await styled;
  return PanelCard;
});
const Branches = lazy(async () => (await import('./branches.js')).Branches);
const ReplayBar = lazy(async () => (await import('../timeline/replay-bar.js')).ReplayBar);

const MAX_QUESTION_CHARS = 160;

/** The timeline of more agents would take the answers' room, so it is folded until it is wanted. */
const MAX_OPEN_LANES = 6;

/**
 * @param {object} props
 * @param {import('../page-state.js').PageState} props.pageState
 * @param {import('../page-state.js').PageSnapshot} props.state
 * @param {import('./run-record.js').RunRecord} props.record
 * @param {boolean} props.narrow
 * @param {(message: string, agentId: string | null, instead?: string | null) => void} props.askAgain *agentId*: null if it is hidden; *instead*: in place of that run.
 * @param {(agentId: string) => void} props.vary
 */
export function RunView({ pageState, state, record, narrow, askAgain, vary }) {
  const screen = useScreen();
  const { replay, hidden, maximised } = screen;
  const [tab, setTab] = useState(/** @type {string | null} */ (null));
  const { act, best } = useActions({ pageState, record, screen, askAgain, vary });
  const scrolls = useMemo(() => new ScrollGroup(), []);
  const source = replay ?? record;
  useValue(source.subscribe, () => `${record.namesHidden} ${outline(source.getSnapshot())}`);
  const run = source.getSnapshot();
  const lost = replay === null && !record.alive && isOpen(run.status);
  const failed = useNews(record);
  useEffect(() => {
    if (record.demo) act('replay');
  }, [record]);

  const ids = arranged(answering(run), screen.order);
  const layout = { ...screen.layout, timeline: screen.layout.timeline ?? (!narrow && ids.length <= MAX_OPEN_LANES) };
  scrolls.enabled = layout.sync;
  const seen = ids.filter((id) => !hidden.includes(id));
  const title = (/** @type {string} */ id) => run.agents[id]?.title ?? id;
  const tabbed = narrow || maximised !== null;
  const current = [narrow ? tab : maximised, seen[0]].find((id) => id != null && seen.includes(id)) ?? null;
  const showTab = narrow ? setTab : screen.setMaximised;

  /** @type {import('./column.js').Face} */
  const face = {
    source,
    steerable: replay === null && !lost && !record.demo,
    open: isOpen(run.status) && !lost,
    question: record.about.message,
    // In a blind run nobody's earlier answers may be known by.
    earlier: record.blind ? [] : state.earlier,
    branches: state.branches,
    record: record.id,
    scrolls,
    methods: state.methods,
    compareWith: layout.compareWith,
    namesHidden: record.namesHidden,
    best,
    // An answer that several gave is nobody's own.
    winner: run.panel?.result?.answer ? null : (run.panel?.result?.winner ?? null),
    speakers: lastWords(run),
    owns: (id) => run.panel?.of == null || id in record.run.agents,
    title,
    maximised,
    tabbed,
    announces: (id) => failed.has(id),
    varies: (id) => !record.blind && state.agents.some(({ agent_id, variants = [] }) => agent_id === (run.agents[id]?.variant?.of ?? id) && variants.length > 0),
    act,
    approve: (id, callId, yes) => void pageState.steer((run) => run.approve(id, callId, yes)),
  };
  return html`<div class="run">
    <${Question} about=${record.about} open=${record.id} branches=${state.branches[record.given?.base?.id ?? record.id]} edit=${replay === null && !record.alive && !record.demo && (() => act('edit'))} />
    <${Toolbar}
      source=${source}
      steerable=${replay === null && !record.demo}
      alive=${record.alive}
      tabbed=${tabbed}
      sumUp=${{ state, record, run, call: pageState.sumUp }}
      others=${record.blind || record.demo ? [] : state.agents.filter(({ agent_id }) => !run.agentIds.includes(agent_id))}
      hidden=${hidden}
      best=${best}
      layout=${layout}
      setLayout=${screen.changeLayout}
      act=${act}
    />
    ${record.demo && html`<p class="recorded hint"><strong>A recorded run.</strong> Offline agents answered, and their panel summed up; nobody is asked now. <a href="#">Ask your own</a></p>`}
    ${lost &&
    html`<p class="error" role="alert">
      <strong>This run cannot be followed any more.</strong> ${record.run.failure?.message} What it said so far is kept here.
    </p>`}
    ${replay && html`<${ReplayBar} replay=${replay} leave=${() => (record.demo ? (location.hash = '') : screen.setReplay(null))} />`}
    ${layout.timeline && !record.namesHidden && html`<${Strip} record=${record} replay=${replay} />`}
    ${run.panel && html`<${PanelCard} panel=${run.panel} speakers=${face.speakers} face=${face} />`}
    ${tabbed && html`<${Tabs} run=${run} ids=${seen} current=${current} select=${showTab} />`}
    <div class=${tabbed ? 'columns one' : 'columns'} key=${replay ? 'replay' : 'live'}>
      ${ids.map(
        (id) => html`<${Column}
          key=${id}
          agentId=${id}
          hue=${run.agentIds.indexOf(id)}
          first=${id === seen[0]}
          shown=${tabbed ? id === current : seen.includes(id)}
          face=${face}
        />`,
      )}
      ${seen.length === 0 && ids.length > 0 && html`<p class="hint empty">All columns are hidden.</p>`}
    </div>
  </div>`;
}

/**
 * A question of more than two short lines is folded: the answers are what is wanted.
 * @param {{about: import('./run-record.js').About, open: string, branches: string[] | undefined, edit: false | (() => void)}} props
 */
function Question({ about: { message: text, images = [] }, open, branches, edit }) {
  const [folded, fold] = useState(true);
  const long = text.length > MAX_QUESTION_CHARS || text.trim().split('\n').length > 2;
  return html`<div class="question-row">
    <h1 class=${long && folded ? 'run-question folded' : 'run-question'}>${text}</h1>
    ${images.length > 0 && html`<span class="attached">${images.map((image, n) => html`<img key=${n} src=${image} alt=${`Image ${n + 1} of the question`} />`)}</span>`}
    ${branches && html`<${Branches} branches=${branches} open=${open} />`}
    ${edit && html`<${IconButton} icon="edit" label="Edit the question and ask again" onClick=${edit} />`}
    ${long && html`<${IconButton} icon=${folded ? 'down' : 'up'} label=${folded ? 'Show the whole question' : 'Fold the question'} aria-expanded=${!folded} onClick=${() => fold(!folded)} />`}
  </div>`;
}

/**
 * Keep what is seen of the run: everything of a live one, at first.
 * @returns {import('./actions.js').Screen}
 */
function useScreen() {
  const [replay, setReplay] = useState(/** @type {Replay | null} */ (null));
  const [hidden, setHidden] = useState(/** @type {string[]} */ ([]));
  const [order, setOrder] = useState(/** @type {string[]} */ ([]));
  const [maximised, setMaximised] = useState(/** @type {string | null} */ (null));
  const [layout, setLayout] = useState({
    sync: false,
    timeline: /** @type {boolean | null} */ (null),
    compareWith: /** @type {string | null} */ (null),
  });
  const changeLayout = (/** @type {object} */ changes) => setLayout((current) => ({ ...current, ...changes }));
  useEffect(() => () => replay?.pause(), [replay]);
  return { replay, setReplay, order, setOrder, hidden, setHidden, maximised, setMaximised, layout, changeLayout };
}

/**
 * Return *ids* in the order that was made of them; who came later stands last.
 * @param {readonly string[]} ids
 * @param {readonly string[]} order
 */
function arranged(ids, order) {
  const place = (/** @type {string} */ id) => (order.includes(id) ? order.indexOf(id) : order.length);
  return [...ids].sort((one, other) => place(one) - place(other));
}

/** @param {{record: import('./run-record.js').RunRecord, replay: Replay | null}} props */
function Strip({ record, replay }) {
  const source = replay ?? record;
  useValue(source.subscribe, () => (replay ? replay.now() : outline(record.getSnapshot())));
  const seek = replay && ((/** @type {number} */ t) => replay.seek(t));
  return html`<${TimelineView} record=${record} at=${replay ? replay.now() : null} seek=${seek} />`;
}

/**
 * What the screen around the columns shows of a run, as one value: it changes rarely, whatever is said.
 * @param {import('../../client/types.js').RunState} state
 */
function outline({ status, connection, agentIds, agents, panel }) {
  const each = agentIds.map((id) => `${id}:${agents[id]?.status}:${agents[id]?.title}:${agents[id]?.turn}`).join(' ');
  return `${status} ${connection} ${each} ${JSON.stringify(panel)}`;
}

/**
 * Announce ends as they happen. Returns whose error is news.
 * @param {import('./run-record.js').RunRecord} record
 */
function useNews(record) {
  const failed = useRef(/** @type {Set<string>} */ (new Set()));
  useEffect(
    () =>
      record.onNews(({ agent_id, type, name, data }) => {
        if (name.startsWith('panel.') || data['stage'] === 'final') {
          const state = { agents: { ...record.getSnapshot().agents, ...record.run.agents }, panel: record.run.panel };
          import('../panel/words.js').then(({ stageNews }) => stageNews(name, data, state).forEach(announce), () => {});
        }
        if (agent_id !== null && type === 'approval_request') {
          const words = `${record.run.agents[agent_id]?.title ?? agent_id} waits for you`;
          announce(words);
          if (settings.get().notify && document.hidden) new Notification(words, { body: record.about.message.slice(0, 120), tag: record.id });
        }
        if (agent_id === null || !['done', 'cancelled', 'error'].includes(type)) return;
        if (type === 'error') failed.current.add(agent_id);
        const { agents } = record.run;
        const { ended, all } = progress({ agents, agentIds: Object.keys(agents) });
        const word = type === 'done' ? 'finished' : AGENT_STATES[/** @type {'cancelled'} */ (type)][1];
        announce(`${record.revealed?.[agent_id]?.title ?? agents[agent_id]?.title} ${word}, ${ended} of ${all}`);
      }),
    [record],
  );
  return failed.current;
}
