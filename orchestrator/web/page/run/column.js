/** Draws one agent's column: who it is, how it is doing, what it says, and its buttons. */

import { Answer } from '../answer/answer.js';
import { html, useErrorBoundary, useTick, useValue } from '../html.js';
import { Icon, IconButton } from '../icons.js';
import { lazy } from '../lazy.js';
import { answerOf, stageWord } from '../panel/roles.js';
import { Reasoning, Tools } from './activity.js';
import { useStickToEnd } from './scroll.js';
import { AGENT_STATES, figures, hasEnded } from '../words.js';

const Content = lazy(async () => (await import('./content.js')).Content);
const Approvals = lazy(async () => (await import('./approvals.js')).Approvals);
const Turns = lazy(async () => {
  const { Turns, styled } = await import('./turns.js');
  await styled;
  return Turns;
});
const EarlierTurn = lazy(async () => (await import('./branches.js')).EarlierTurn);
const Difference = lazy(async () => (await import('./difference.js')).Difference);

/** @typedef {import('../../client/types.js').AgentState} AgentState */

/**
 * @typedef {object} Face What a column needs of the page around it.
 * @property {import('./run-record.js').Source} source
 * @property {boolean} steerable Whether buttons reach the agents: not in a replay.
 * @property {boolean} open Whether the run still runs.
 * @property {string} question
 * @property {readonly import('../page-state.js').Turn[]} earlier
 * @property {Record<string, string[]>} branches As in `PageSnapshot`.
 * @property {string} record The run that is shown.
 * @property {readonly import('../ask/methods.js').PanelMethod[]} methods
 * @property {import('./scroll.js').ScrollGroup} scrolls
 * @property {string | null} compareWith
 * @property {boolean} namesHidden Whether it is hidden who is who: no numbers then, they would show it.
 * @property {string | null} best Whose answer was voted for.
 * @property {string | null} maximised
 * @property {boolean} tabbed
 * @property {(agentId: string) => boolean} announces Whether an error of this agent is news.
 * @property {(agentId: string) => boolean} varies Whether the agent can be asked with other settings.
 * @property {string | null} winner Who won a panel.
 * @property {readonly string[]} speakers Whose last words the panel's card shows.
 * @property {(agentId: string) => boolean} owns Whether the agent is of this run, not of one whose answers it was given.
 * @property {(agentId: string) => string} title
 * @property {(action: 'stop' | 'retry' | 'again' | 'vote' | 'maximise' | 'hide' | 'anew' | 'left' | 'copy' | 'copy-last' | 'vary' | 'edit', agentId: string, instead?: string) => void} act
 * @property {(agentId: string, callId: string, approve: boolean) => void} approve
 */

/** @param {{agentId: string, hue: number, first: boolean, shown: boolean, face: Face}} props */
export function Column({ agentId, hue, first, shown, face: whole }) {
  const { source, tabbed } = whole;
  const agent = useValue(source.subscribe, () => source.getAgent(agentId));
  if (agent === undefined) return null;
  const face = whole.owns(agentId) ? whole : { ...whole, open: false, steerable: whole.steerable && hasEnded(agent) };
  return html`<section
    class="column"
    id=${`column-${agentId}`}
    data-agent=${agentId}
    data-hue=${hue % 8}
    data-state=${agent.status}
    role=${tabbed ? 'tabpanel' : 'region'}
    aria-labelledby=${`title-${agentId}`}
    tabindex="-1"
    hidden=${!shown}
  >
    <${Header} agent=${agent} first=${first} face=${face} />
    <${Body} agent=${agent} face=${face} />
  </section>`;
}

/** @param {{agent: AgentState, first: boolean, face: Face}} props */
function Header({ agent, first, face }) {
  const [glyph, word] = agent.approvals.length > 0 && !hasEnded(agent) ? ['✋', 'waits for you'] : AGENT_STATES[agent.status];
  const again = agent.attempt > (agent.turn ?? 1);
  const about = [agent.stage && stageWord(agent), agent.model ?? agent.backend, again && `attempt ${agent.attempt}`];
  return html`<header>
    <div class="title-row">
      <h2 id=${`title-${agent.agent_id}`} title=${agent.title}>${agent.title}</h2>
      <p class="state"><span class="glyph" aria-hidden="true">${glyph}</span> <span class="word">${word}</span></p>
      ${face.winner === agent.agent_id && html`<span class="winner">★ Winner</span>`}
      <${MainButton} agent=${agent} face=${face} />
    </div>
    <div class="model-row">
      <p class="model" title=${agent.backend}>${about.filter(Boolean).join(' · ')}</p>
      <${SmallButtons} agent=${agent} first=${first} face=${face} />
    </div>
    ${!face.namesHidden && html`<${Figures} agent=${agent} face=${face} />`}
  </header>`;
}

/** @param {{agent: AgentState, face: Face}} props */
export function MainButton({ agent, face: { act, open, steerable } }) {
  if (!steerable) return null;
  const { agent_id: id, title } = agent;
  const button = (/** @type {any} */ icon, /** @type {string} */ text, /** @type {any} */ action, disabled = false) =>
    html`<button
      type="button"
      class=${`main-button ${action}`}
      aria-label=${`${text} ${title}`}
      disabled=${disabled}
      onClick=${() => act(action, id)}
    >
      <${Icon} name=${icon} filled=${icon === 'stop'} /> ${text}
    </button>`;
  if (!hasEnded(agent)) return button('stop', 'Stop', 'stop', agent.status === 'cancelling');
  if (open) return button('retry', 'Retry', 'retry');
  // A run that has ended takes no new attempt, so the question is put again as a new one.
  return agent.status === 'done' ? null : button('retry', 'Ask again', 'again');
}

/** @param {{agent: AgentState, first: boolean, face: Face}} props */
function SmallButtons({ agent, first, face: { act, best, maximised, open, steerable, tabbed, varies } }) {
  const { agent_id: id, title } = agent;
  const [voted, large] = [best === id, maximised === id];
  return html`<div class="small-buttons">
    <${IconButton}
      icon="star"
      filled=${voted}
      class=${voted ? 'voted' : ''}
      label=${`Vote for ${title}`}
      aria-pressed=${voted}
      disabled=${!hasEnded(agent)}
      onClick=${() => act('vote', id)}
    />
    ${!open && steerable && agent.status === 'done' && html`<${IconButton} icon="retry" label=${`Ask ${title} again`} onClick=${() => act('anew', id)} />`}
    ${steerable && varies(id) && html`<${IconButton} icon="vary" label=${`Ask ${title} with other settings`} onClick=${() => act('vary', id)} />`}
    ${!first && !tabbed && html`<${IconButton} icon="left" class="move-left" label=${`Move ${title} to the left`} onClick=${() => act('left', id)} />`}
    <${IconButton} icon="copy" label=${`Copy ${title}'s answer`} disabled=${answerOf(agent).text === ''} onClick=${() => act('copy', id)} />
    <${IconButton}
      icon=${large ? 'shrink' : 'expand'}
      label=${large ? 'Show all columns' : `Maximise ${title}`}
      aria-pressed=${large}
      class="maximise"
      onClick=${() => act('maximise', id)}
    />
    <${IconButton} icon="hide" label=${`Hide ${title}`} onClick=${() => act('hide', id)} />
  </div>`;
}

/** @param {{agent: AgentState, face: Face}} props */
function Figures({ agent, face: { source, steerable, open } }) {
  useTick(!hasEnded(agent) && (open || !steerable), 200);
  return html`<dl class="figures">
    ${figures(agent, source.now()).map(
      ({ name, label, value }) => html`<div key=${name} title=${name}>
        <dt><span aria-hidden="true">${label}</span><span class="unseen">${name}</span></dt>
        <dd>${value}</dd>
      </div>`,
    )}
  </dl>`;
}

/** What could not be drawn is shown as it came; the other columns know nothing of it. @param {{agent: AgentState, face: Face}} props */
function Body(props) {
  const [failed] = useErrorBoundary();
  if (failed === undefined) return html`<${Drawn} ...${props} />`;
  const { title, text } = props.agent;
  return html`<div class="body" tabindex="0" role="group" aria-label=${`${title}'s answer`}>
    <div class="content prose">
      <p class="hint">This column could not be drawn, so it is shown as it came.</p>
      <div class="plain">${text}</div>
    </div>
  </div>`;
}

/** @param {{agent: AgentState, face: Face}} props */
function Drawn({ agent, face }) {
  const { box, content, atEnd, toEnd } = useStickToEnd(face.scrolls, face.open || face.earlier.length > 0);
  const { agent_id: id, title } = agent;
  const turns = face.earlier.filter((turn) => turn.agents[id]);
  const ended = hasEnded(agent);
  return html`<div class="body" ref=${box} tabindex="0" role="group" aria-label=${`${title}'s answer`}>
      <div class="content" ref=${content}>
        ${turns.map((turn) => html`<${EarlierTurn} key=${turn.run_id} turn=${turn} agentId=${id} face=${face} />`)}
        ${turns.length > 0 && html`<p class="question">${face.question}</p>`}
        ${agent.stage && html`<${Turns} agent=${agent} face=${face} />`}
        ${!face.speakers.includes(id) && html`<${Speech} agent=${agent} face=${face} />`}
      </div>
    </div>
    ${!atEnd &&
    html`<button type="button" class="to-end" onClick=${toEnd}>
      <${Icon} name="down" /> ${ended ? 'End' : 'Newest'}<span class="unseen"> of ${title}</span>
    </button>`}`;
}

/** What an agent does and says in this turn. @param {{agent: AgentState, face: Face}} props */
export function Speech({ agent, face }) {
  const { agent_id: id, title, error } = agent;
  return html`<${Reasoning} agent=${agent} />
    <${Tools} agent=${agent} />
    <${Said} agent=${agent} face=${face} />
    ${hasContent(agent) && html`<${Content} agent=${agent} />`}
    ${agent.approvals.length > 0 && html`<${Approvals} agent=${agent} approve=${face.steerable && face.approve} />`}
    ${error &&
    html`<div class="error" role=${face.announces(id) ? 'alert' : undefined}>
      <p><strong>${title} failed.</strong> ${error.message}</p>
      <p class="hint">
        <code>${error.code}</code>${error.error_id && html` · <code>${error.error_id}</code>`}${agent.text !== '' &&
        ' · what it said before is kept above'}
      </p>
    </div>`}
    ${agent.status === 'cancelled' &&
    html`<p class="hint stopped">■ Stopped${agent.note && agent.note !== 'requested' ? `: ${agent.note.replace('_', ' ')}` : ''}.</p>`}`;
}

/** @param {AgentState} agent */
function hasContent({ content }) {
  return 'output' in content || Object.values(content).some((list) => list.length > 0);
}

/** @param {{agent: AgentState, face: Face}} props */
function Said({ agent, face: { source, compareWith } }) {
  const ended = hasEnded(agent);
  const base = compareWith !== null && compareWith !== agent.agent_id ? source.getAgent(compareWith) : undefined;
  if (base !== undefined) {
    const both = ended && hasEnded(base);
    return html`<${Difference} text=${agent.text} base=${base.text} baseTitle=${base.title} ended=${both} />`;
  }
  if (agent.text === '' && agent.approvals.length > 0) return null;
  if (agent.text === '' && agent.status === 'done' && agent.note !== '') return html`<p class="hint">${agent.note}</p>`;
  if (agent.text === '' && !ended) return html`<p class="waiting"><span class="dots" aria-hidden="true" />${waitingFor(agent)}</p>`;
  if (agent.text === '' && agent.status === 'done') return html`<p class="hint">It said nothing.</p>`;
  return html`<${Answer} text=${agent.text} ended=${ended} />`;
}

/** @param {AgentState} agent */
function waitingFor({ status, note }) {
  if (status === 'cancelling') return 'Stopping…';
  if (note !== '') return note;
  return status === 'queued' ? 'Waiting for its turn' : 'Thinking';
}
