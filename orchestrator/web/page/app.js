/** Draws the page as a whole: the bar above, the history beside, the run in the middle, the ask box below. */

import { isOpen } from '../client/wire/cursor.js';
import { Composer } from './ask/composer.js';
import { html, useEffect, useRef, useState, useValue } from './html.js';
import { Icon, IconButton } from './icons.js';
import { listenToKeys } from './keys.js';
import { NOT_FETCHED, lazy } from './lazy.js';
import { announce } from './announce.js';
import { choiceOf, requestOf } from './ask/methods.js';
import { useVariants } from './ask/variants.js';
import { blindly, chosen as savedChoice, theme as savedTheme, token as savedToken } from './storage.js';
import { answering } from './panel/roles.js';
import { RunView } from './run/run-view.js';

/** @typedef {import('./page-state.js').PageState} PageState */

const AskToken = lazy(async () => (await import('./dialogs.js')).AskToken);
const Help = lazy(async () => (await import('./dialogs.js')).Help);
const History = lazy(async () => (await import('./history/history.js')).History);
const VariantForm = lazy(async () => (await import('./ask/variant-form.js')).VariantForm);
const ScorePage = lazy(async () => (await import('./scores/scores.js')).ScorePage);

const NARROW = '(max-width: 639px)';
const THEMES = /** @type {const} */ (['auto', 'light', 'dark']);
const THEME_ICONS = { auto: 'auto', light: 'sun', dark: 'moon' };

/** @param {{pageState: PageState}} props */
export function App({ pageState }) {
  const state = useValue(pageState.subscribe, pageState.getState);
  const narrow = useMedia(NARROW);
  const [help, setHelp] = useState(false);
  const [history, setHistory] = useState(false);
  const [proposal, setProposal] = useState({ text: '', panel: /** @type {import('./ask/methods.js').PanelChoice | null} */ (null), instead: /** @type {string | null} */ (null), n: 0 });
  const propose = (/** @type {string} */ text, instead = /** @type {string | null} */ (null)) => setProposal({ text, panel: null, instead, n: proposal.n + 1 });
  const { record } = state;
  const asked = record?.demo ? null : record;
  const { everyone, keep, drop, spelledOut } = useVariants(state.agents, asked);
  const [varied, vary] = useState(/** @type {string | null} */ (null));
  const origin = useOrigin({ ...state, agents: everyone }, asked);
  const [choice, choose] = useChoice(everyone, origin);
  const run = useRunOutline(record);
  const waiting = useWaiting(record);
  const sure = useSure();

  const scores = useRoute(pageState, state.phase === 'ready');
  useEffect(() => {
    if (state.phase !== 'ready' || location.search === '') return;
    import('./ask/url-params.js').then(({ wishOf }) => {
      const wish = wishOf(location.search, state.agents, state.panels, state.methods);
      if (wish.agents.length > 0) choose(wish.agents);
      if (wish.text !== '' || wish.panel !== null) setProposal({ text: wish.text, panel: wish.panel, instead: null, n: proposal.n + 1 });
      if (wish.unknown.length > 0) pageState.say(`The address names what is not here: ${wish.unknown.join(', ')}.`);
    }, () => pageState.say(NOT_FETCHED));
  }, [state.phase]);
  useEffect(() => {
    const working = waiting ? '✋ ' : run === 'running' ? '● ' : run === 'queued' ? '○ ' : '';
    document.title = record ? `${working}${record.about.message.slice(0, 60)}` : 'Ask several agents';
  }, [record, run, waiting]);
  useEffect(
    () =>
      listenToKeys({
        ask: () => /** @type {HTMLFormElement | null} */ (document.querySelector('form.composer'))?.requestSubmit(),
        stop: (agentId) => sure(agentId, 'Esc again stops this agent', () => void pageState.steer((run) => run.cancel(agentId))),
        stopAll: () => sure('', 'Shift + Esc again stops all', () => void pageState.steer((run) => run.cancel())),
        help: () => setHelp(true),
      }),
    [pageState],
  );

  /** @type {Parameters<typeof Composer>[0]['ask']} */
  const ask = async (message, { blind, panel, images, instead }) => {
    const { agents, ...whom } = requestOf(panel, choice, state.panels);
    const named = agents === undefined ? {} : { agents: spelledOut(agents) };
    const runId = await pageState.ask({ message, followUp: asked !== null, instead, blind, images, ...whom, ...named });
    if (runId === null) return false;
    if (blind) blindly.set(runId, choice);
    location.hash = `run/${runId}`;
    return true;
  };
  const forget = () => {
    setHelp(false);
    void pageState.lock();
  };
  const askAgain = (/** @type {string} */ message, /** @type {string | null} */ agentId, instead = /** @type {string | null} */ (null)) => {
    if (agentId !== null) choose([agentId]);
    propose(message, instead);
  };
  /** @type {Parameters<typeof import('./ask/variant-form.js').VariantForm>[0]['take']} */
  const takeVariant = (request) => {
    keep(request);
    choose([...choice.filter((id) => id !== request.as), request.as]);
    vary(null);
    if (asked !== null) propose(asked.about.message, asked.given?.base?.id ?? asked.id);
  };
  return html`<${TopBar}
      history=${history}
      setHistory=${setHistory}
      showHelp=${() => setHelp(true)}
      ready=${state.phase === 'ready'}
      fresh=${record !== null}
    />
    <main class=${history ? 'with-history' : ''}>
      ${history &&
      state.phase === 'ready' &&
      html`<${History}
        pageState=${pageState}
        state=${state}
        current=${record?.id ?? null}
        refreshOn=${`${record?.id} ${run}`}
        close=${() => setHistory(false)}
        forgotten=${(/** @type {string} */ id) => id === record?.id && (location.hash = '')}
      />`}
      <div class="middle">
        ${state.notice && html`<${NoticeBar} notice=${state.notice} close=${() => pageState.say(null)} />`}
        <div class="stage">
          ${state.phase === 'locked' && html`<${AskToken} refused=${state.refused} unlock=${(/** @type {string} */ token, /** @type {boolean} */ stay) => pageState.unlock(token, stay)} />`}
          ${state.phase === 'ready' &&
          (scores
            ? html`<${ScorePage} fetchScores=${pageState.scores} fetchText=${pageState.text} />`
            : record
            ? html`<${RunView}
                key=${record.id}
                pageState=${pageState}
                state=${state}
                record=${record}
                narrow=${narrow}
                askAgain=${askAgain}
                vary=${vary}
              />`
            : html`<${Welcome} state=${{ ...state, agents: everyone }} choice=${choice} propose=${propose} />`)}
        </div>
        ${state.phase === 'ready' &&
        html`<${Composer}
          agents=${everyone}
          leftOut=${state.leftOut}
          vary=${vary}
          drop=${drop}
          panels=${state.panels}
          leftOutPanels=${state.leftOutPanels}
          methods=${state.methods}
          chosen=${choice}
          choose=${choose}
          followUp=${asked !== null}
          origin=${origin}
          busy=${busyBecause(state, run)}
          proposal=${proposal}
          say=${(/** @type {string} */ text) => pageState.say(text)}
          ask=${ask}
        />`}
      </div>
    </main>
    ${varied !== null && html`<${VariantForm} ...${variantOf(varied, state.agents, spelledOut)} taken=${everyone.map(({ agent_id }) => agent_id)} take=${takeVariant} close=${() => vary(null)} />`}
    ${help && html`<${Help} close=${() => setHelp(false)} forgetToken=${savedToken.get() === null ? null : forget} />`}`;
}

/**
 * @param {object} props
 * @param {boolean} props.history
 * @param {(open: boolean) => void} props.setHistory
 * @param {() => void} props.showHelp
 * @param {boolean} props.ready
 * @param {boolean} props.fresh Whether there is a run to turn away from.
 */
function TopBar({ history, setHistory, showHelp, ready, fresh }) {
  const [theme, setTheme] = useState(savedTheme.get);
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme;
    savedTheme.set(theme);
  }, [theme]);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'auto';
  return html`<header class="top">
    ${ready && html`<${IconButton} icon="history" label="History" aria-expanded=${history} onClick=${() => setHistory(!history)} />`}
    <a class="brand" href="#">Fan-in<span class="hint"> · several agents, one question</span></a>
    <span class="spread"></span>
    ${fresh && html`<a class="menu-button" href="#"><${Icon} name="plus" /><span>New</span></a>`}
    <${IconButton}
      icon=${/** @type {any} */ (THEME_ICONS[theme])}
      label=${`Theme: ${theme}. Switch to ${next}`}
      onClick=${() => setTheme(next)}
    />
    <${IconButton} icon="help" label="Keys and help" onClick=${showHelp} />
  </header>`;
}

/** @param {{notice: import('./page-state.js').Notice, close: () => void}} props */
function NoticeBar({ notice: { text, retry }, close }) {
  return html`<div class="notice" role="alert">
    <span>${text}</span>
    ${retry && html`<button type="button" class="menu-button" onClick=${retry}>Try again</button>`}
    <${IconButton} icon="close" label="Dismiss" onClick=${close} />
  </div>`;
}

const EXAMPLES = [
  'Should we rewrite our billing service, or grow it piece by piece?',
  'What is 17.5 % of 2,480, and is it worth worrying about?',
  'Explain backpressure to a product manager in five sentences.',
];

/** @param {{state: import('./page-state.js').PageSnapshot, choice: readonly string[], propose: (text: string) => void}} props */
function Welcome({ state: { agents, opening }, choice, propose }) {
  if (opening !== null) return html`<div class="welcome"><h1 class="hint">Opening the run…</h1></div>`;
  const asked = agents.filter(({ agent_id }) => choice.includes(agent_id));
  return html`<div class="welcome">
    <h1>Ask once, hear ${asked.length === 1 ? 'one answer' : 'every answer'} side by side</h1>
    ${agents.length === 0 && html`<p>No agent is configured. Add a YAML file to <code>agents_config/</code>.</p>`}
    <ul class="cards">
      ${asked.map(
        ({ agent_id, title, description, model, backend }) => html`<li key=${agent_id} data-hue=${choice.indexOf(agent_id) % 8}>
          <strong>${title}</strong>
          <span>${description}</span>
          <span class="hint">${model ?? backend}</span>
        </li>`,
      )}
    </ul>
    <p class="demo-link">
      <a class="menu-button" href="#demo"><${Icon} name="play" />Watch a recorded run</a>
      <a class="menu-button" href="#scores"><${Icon} name="star" />Who is better</a>
    </p>
    <p class="hint">For example:</p>
    <ul class="examples">
      ${EXAMPLES.map((text) => html`<li key=${text}><button type="button" onClick=${() => propose(text)}>${text}</button></li>`)}
    </ul>
  </div>`;
}

/**
 * @param {import('./page-state.js').PageSnapshot} state
 * @param {string | null} run
 */
function busyBecause({ starting, opening }, run) {
  if (starting) return 'The question is on its way.';
  if (opening !== null) return 'The run is being opened.';
  return run === 'running' || run === 'queued' ? 'A follow-up can be asked once everyone has finished; New asks at once.' : null;
}

/** How long the second press of a key may take, which does what the first one asked about. */
const SURE_MS = 4_000;

/** An answer is paid for, so one press of a key does not end it. @returns {(what: string, question: string, act: () => void) => void} */
function useSure() {
  const asked = useRef({ what: '', at: -Infinity });
  return (what, question, act) => {
    const again = asked.current.what === what && performance.now() - asked.current.at < SURE_MS;
    asked.current = { what, at: again ? -Infinity : performance.now() };
    if (again) act();
    else {
      announce(question);
      hintAt(question);
    }
  };
}

/** Show a few words over the page for a moment; the live region says them, too. @param {string} text */
function hintAt(text) {
  const hint = document.createElement('p');
  hint.className = 'toast';
  hint.setAttribute('aria-hidden', 'true');
  hint.textContent = text;
  document.querySelector('.toast')?.remove();
  document.body.append(hint);
  setTimeout(() => hint.remove(), SURE_MS);
}

/**
 * Who answers in the run that is shown, and its panel: a follow-up asks the same.
 * @param {import('./page-state.js').PageSnapshot} state
 * @param {import('./run/run-record.js').RunRecord | null} record
 * @returns {{id: string | null, agents: readonly string[], panel: import('./ask/methods.js').PanelChoice, blind: boolean}}
 */
function useOrigin({ panels, methods, agents }, record) {
  const known = new Set(agents.map(({ agent_id }) => agent_id));
  const found = useValue(record?.subscribe ?? nothing, () => {
    const run = record?.getSnapshot();
    const asked = !record || !run ? [] : record.blind ? askedBlindly(record) : run.panel?.of == null && run.panel ? run.panel.members : answering(run);
    return JSON.stringify([asked.filter((id) => known.has(id)), choiceOf(run?.panel ?? null, panels, methods), record?.blind]);
  });
  const [asked, panel, blind] = JSON.parse(found);
  return { id: record?.id ?? null, agents: asked, panel, blind };
}

/** Before the vote nobody knows who was asked but who asked. @param {import('./run/run-record.js').RunRecord} record */
const askedBlindly = ({ id, revealed }) => (revealed ? Object.values(revealed).map(({ configured }) => configured) : (blindly.all()[id] ?? []));

/**
 * Who is asked: in a follow-up those on the screen, else who was chosen last, else the configured default.
 * @param {readonly import('../client/types.js').AgentInfo[]} agents
 * @param {{id: string | null, agents: readonly string[]}} origin
 * @returns {[string[], (ids: string[]) => void]}
 */
function useChoice(agents, origin) {
  const [last, setWish] = useState(savedChoice.get);
  const changed = useRef(/** @type {string | null} */ (null));
  const wish = origin.agents.length > 0 && changed.current !== origin.id ? origin.agents : last;
  const known = agents.map(({ agent_id }) => agent_id);
  const kept = wish === null ? [] : known.filter((id) => wish.includes(id));
  const standard = agents.filter((agent) => agent.default).map(({ agent_id }) => agent_id);
  const choice = kept.length > 0 || wish?.length === 0 ? kept : standard.length > 0 ? standard : known;
  const choose = (/** @type {string[]} */ ids) => {
    changed.current = origin.id;
    savedChoice.set(ids);
    setWish(ids);
  };
  return [choice, choose];
}

/**
 * Return what the form for other settings begins with: the agent's own, or those of a changed one.
 * @param {string} id
 * @param {readonly import('../client/types.js').AgentInfo[]} agents
 * @param {(ids: string[]) => (string | import('../client/types.js').VariantRequest)[]} spelledOut
 */
function variantOf(id, agents, spelledOut) {
  const [request] = spelledOut([id]);
  const { agent_id, as: _, ...changes } = typeof request === 'object' ? request : { agent_id: id, as: id };
  return { agent: agents.find((agent) => agent.agent_id === agent_id), changes };
}

/**
 * Show what the address names: `#run/<id>` a run, `#scores` who is better, nothing none.
 * @param {PageState} pageState
 * @param {boolean} ready
 * @returns {boolean} Whether the scores are to be seen.
 */
function useRoute(pageState, ready) {
  const [scores, setScores] = useState(false);
  useEffect(() => {
    if (!ready) return undefined;
    const go = () => {
      setScores(location.hash === '#scores');
      void (location.hash === '#demo' ? pageState.showDemo() : pageState.open(runOf(location.hash)));
    };
    go();
    addEventListener('hashchange', go);
    return () => removeEventListener('hashchange', go);
  }, [pageState, ready]);
  return scores;
}

/**
 * Read `#run/<id>`; an id that is not quoted well stands for itself, and for no run.
 * @param {string} hash
 */
function runOf(hash) {
  const id = /^#run\/(.+)$/.exec(hash)?.[1] ?? null;
  try {
    return id && decodeURIComponent(id);
  } catch {
    return id;
  }
}

/**
 * Follow a run's status alone; `lost`: it cannot be followed any more.
 * @param {import('./run/run-record.js').RunRecord | null} record
 */
function useRunOutline(record) {
  return useValue(record?.subscribe ?? nothing, () => {
    if (record === null) return null;
    const { status } = record.getSnapshot();
    return !record.alive && isOpen(status) ? 'lost' : status;
  });
}

/**
 * Whether an agent waits for a person.
 * @param {import('./run/run-record.js').RunRecord | null} record
 */
function useWaiting(record) {
  return useValue(record?.subscribe ?? nothing, () => {
    const run = record?.alive ? record.getSnapshot() : null;
    return run !== null && run.agentIds.some((id) => (run.agents[id]?.approvals.length ?? 0) > 0);
  });
}

const nothing = () => () => {};

/** @param {string} query */
function useMedia(query) {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const look = () => setMatches(media.matches);
    media.addEventListener('change', look);
    return () => media.removeEventListener('change', look);
  }, [query]);
  return matches;
}
