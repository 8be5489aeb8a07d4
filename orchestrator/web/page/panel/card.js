/** Draws the card above the columns: how far a panel is, who has the last word and says what, what came of it. */

import { Answer } from '../answer/answer.js';
import { MainButton, Speech } from '../run/column.js';
import { html, useState, useTick, useValue } from '../html.js';
import { IconButton } from '../icons.js';
import { PanelResult, hasResult } from './result.js';
import { panelProgress, traitsOf, verdict } from './words.js';
import { EarlierSpeech, Inputs } from '../run/turns.js';
import { AGENT_STATES, figures, hasEnded } from '../words.js';

export { styled } from '../run/turns.js';

/** @typedef {import('../../client/types.js').AgentState} AgentState */
/** @typedef {import('../../client/types.js').PanelState} PanelState */
/** @typedef {import('../run/column.js').Face} Face */

/**
 * @param {{panel: PanelState, speakers: readonly string[], face: Face}} props *speakers*: who has, or tried to have, the
 *   last word, the newest last.
 */
export function PanelCard({ panel, speakers, face }) {
  const [folded, fold] = useState(false);
  const run = face.source.getSnapshot();
  const speaker = speakers.at(-1);
  const [glyph, word] = panel.result ? verdict(panel.result, face.title) : ['●', panelProgress(panel, run)];
  const kind = face.methods.find(({ method }) => method === panel.method)?.title;
  const name = panel.panel_id === null && panel.title === panel.method ? (kind ?? panel.title) : panel.title;
  const scored = hasResult(panel, run);
  return html`<section
    class=${scored && speaker !== undefined ? 'panel-card two' : 'panel-card'}
    aria-labelledby="panel-title"
    data-agent=${speaker}
    data-status=${panel.result?.status ?? 'running'}
  >
    <header>
      <h2 id="panel-title">${name}</h2>
      ${kind && kind !== name && html`<span class="hint">${kind}</span>`}
      <p class="panel-state state"><span class="glyph" aria-hidden="true">${glyph}</span> <span class="word">${word}</span></p>
      <div class="panel-tools">
        ${speaker !== undefined && html`<${SpeakerLine} agentId=${speaker} face=${face} />`}
        ${(speaker !== undefined || scored) &&
      html`<${IconButton} icon=${folded ? 'down' : 'up'} label=${folded ? 'Unfold the panel' : 'Fold the panel'} aria-expanded=${!folded} onClick=${() => fold(!folded)} />`}
      </div>
    </header>
    ${!folded &&
    (speaker !== undefined || scored) &&
    html`<div class="panel-body" tabindex="0" role="group" aria-label=${`${name}: what came of it`}>
      ${speakers.slice(0, -1).map((id) => html`<${Failed} key=${id} agentId=${id} face=${face} />`)}
      ${speaker !== undefined && html`<${LastWord} key=${speaker} agentId=${speaker} face=${face} method=${panel.method} />`}
      ${scored && html`<${PanelResult} panel=${panel} run=${run} title=${face.title} />`}
    </div>`}
  </section>`;
}

/** Who has the last word, in figures and with its buttons. @param {{agentId: string, face: Face}} props */
function SpeakerLine({ agentId, face }) {
  const agent = useValue(face.source.subscribe, () => face.source.getAgent(agentId));
  useTick(!hasEnded(agent) && (face.open || !face.steerable), 200);
  if (agent === undefined) return null;
  const wanted = figures(agent, face.source.now()).filter(({ label, value }) => ['first', 'tokens', 'time'].includes(label) && value !== '–');
  return html`<p class="hint speaker">
      <span>by ${agent.title}</span>
      ${wanted.map(({ name, label, value }) => html`<span key=${name} title=${name}>${label === 'first' ? 'first ' : ''}${value}${label === 'tokens' ? ' tokens' : ''}</span>`)}
    </p>
    ${(face.open || !hasEnded(agent)) && html`<${MainButton} agent=${agent} face=${face} />`}
    <${IconButton} icon="copy" label=${`Copy ${agent.title}'s last word`} disabled=${agent.text === ''} onClick=${() => face.act('copy-last', agentId)} />`;
}

/** @param {{agentId: string, face: Face, method: string}} props */
function LastWord({ agentId, face, method }) {
  const agent = useValue(face.source.subscribe, () => face.source.getAgent(agentId));
  if (agent === undefined) return null;
  const before = agent.turns.filter(({ stage }) => stage === 'final');
  const { lettered = false } = traitsOf(method);
  return html`<div class="last-word">
    ${face.earlier.map(
      (turn) => turn.agents[agentId] && html`<details class="part speech" key=${turn.run_id}>
        <summary>${turn.message}</summary>
        <div class="speech-text"><${Answer} text=${turn.agents[agentId]?.text ?? ''} ended=${true} /></div>
      </details>`,
    )}
    <${Inputs} agent=${agent} lettered=${lettered} title=${face.title} />
    ${before.map((turn, n) => html`<${EarlierSpeech} key=${n} turn=${turn} name=${lettered ? 'In the other order' : 'Before'} />`)}
    <${Speech} agent=${agent} face=${{ ...face, compareWith: null }} />
  </div>`;
}

/** Somebody whose last word another one had to speak. @param {{agentId: string, face: Face}} props */
function Failed({ agentId, face }) {
  const agent = face.source.getAgent(agentId);
  if (agent === undefined) return null;
  const [glyph, word] = AGENT_STATES[agent.status];
  return html`<p class="hint failed-speaker">
    ${glyph} ${agent.title} ${word}${agent.error && `: ${agent.error.message}`}
  </p>`;
}
