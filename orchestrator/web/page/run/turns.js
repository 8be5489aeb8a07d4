/** Draws an agent's turns in a panel: earlier ones folded, and what each was given to read. */

import { Answer } from '../answer/answer.js';
import { html } from '../html.js';
import { isAnswer, stageWord } from '../panel/roles.js';
import { MISSING_STATES } from '../panel/words.js';
import { AGENT_STATES, count } from '../words.js';

/** @typedef {import('../../client/types.js').AgentState} AgentState */

/** So long the style is waited for. */
const STYLE_MS = 3_000;

/** Most visits see no panel, so its style is fetched with it. Until it counts nothing is drawn: it would have another size. */
export const styled = new Promise((done) => {
  setTimeout(done, STYLE_MS); // all connections may be taken by streams: without a style is better than not at all
  const link = document.createElement('link');
  link.onload = link.onerror = done;
  Object.assign(link, { rel: 'stylesheet', href: new URL('./panel.css', import.meta.url).href });
  document.head.append(link);
});

/**
 * What an agent said before, and what it speaks about now. Its answer is open if it now speaks about answers.
 * @param {{agent: AgentState, face: import('./column.js').Face}} props
 */
export function Turns({ agent, face: { speakers, title } }) {
  const { stage, turns } = agent;
  const open = isAnswer(stage) ? -1 : turns.findLastIndex((turn) => isAnswer(turn.stage));
  return html`${turns.map((turn, n) => html`<${EarlierSpeech} key=${n} turn=${turn} name=${stageWord(turn)} open=${n === open} />`)}
    ${speakers.includes(agent.agent_id)
      ? html`<p class="hint">Has the last word, above.</p>`
      : html`${turns.length > 0 && html`<h3 class="stage-name">${stageWord(agent)}</h3>`}
          <${Inputs} agent=${agent} lettered=${!isAnswer(stage)} title=${title} />`}`;
}

/** @param {{turn: import('../../client/types.js').Turn, name: string, open?: boolean}} props */
export function EarlierSpeech({ turn: { status, text }, name, open = false }) {
  const [glyph, word] = AGENT_STATES[status];
  return html`<details class="part speech" open=${open}>
    <summary><strong>${name}</strong> <span class="hint">${status === 'done' ? `${count(text.length)} characters` : `${glyph} ${word}`}</span></summary>
    <div class="speech-text"><${Answer} text=${text} ended=${true} /></div>
  </details>`;
}

/**
 * What an agent was given to read, and whose answers it had to do without.
 * @param {object} props
 * @param {AgentState} props.agent
 * @param {boolean} props.lettered Whether it knew the answers by letters.
 * @param {(agentId: string) => string} props.title
 */
export function Inputs({ agent: { inputs, missing }, lettered, title }) {
  if (inputs.length + missing.length === 0) return null;
  return html`<ul class="inputs" aria-label="Read">
    ${inputs.map(
      ({ agent, chars, of_chars: whole }, n) => html`<li key=${agent} class=${whole === undefined ? '' : 'cut'}>
        ${lettered && html`<b>${String.fromCharCode(65 + (n % 26))}</b>`} ${title(agent)}${' '}
        <span class="hint">${whole === undefined ? count(chars) : `cut: ${count(chars)} of ${count(whole)}`} chars</span>
      </li>`,
    )}
    ${missing.map(
      ({ agent, status }) => html`<li key=${agent} class="without">${title(agent)} <span class="hint">${MISSING_STATES[status]}</span></li>`,
    )}
  </ul>`;
}
