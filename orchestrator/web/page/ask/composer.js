/** Draws the ask box: the question, who is asked, and how. */

import { html, useEffect, useRef, useState } from '../html.js';
import { Icon } from '../icons.js';
import { lazy } from '../lazy.js';
import { Menu } from '../menu.js';
import { AttachButton, useAttachments } from './attach-button.js';
import { Chips } from './chips.js';
import { NO_PANEL, tooFew } from './methods.js';
import { PanelPicker } from './panel-picker.js';
import { draft, settings } from '../storage.js';
import { count } from '../words.js';

const SetItems = lazy(async () => (await import('./sets.js')).SetItems);
const AttachedList = lazy(async () => (await import('./attached-list.js')).AttachedList);

/** @typedef {import('../../client/types.js').AgentInfo} AgentInfo */

/** As the styles have it: there the box stands over the answers while it has the focus. */
const LOW = '(max-height: 560px)';

const MAX_MESSAGE_CHARS = 100_000;

/**
 * @param {object} props
 * @param {readonly AgentInfo[]} props.agents
 * @param {readonly import('../../client/types.js').PanelListing[]} props.panels
 * @param {readonly {panel_id: string, reason: string}[]} props.leftOutPanels
 * @param {readonly import('./methods.js').PanelMethod[]} props.methods
 * @param {readonly {agent_id: string, reason: string}[]} props.leftOut
 * @param {readonly string[]} props.chosen
 * @param {(agents: string[]) => void} props.choose
 * @param {(agentId: string) => void} props.vary Have an agent changed.
 * @param {(name: string) => void} props.drop Forget a changed agent.
 * @param {boolean} props.followUp Whether the question goes on with the conversation that is shown.
 * @param {{id: string | null, panel: import('./methods.js').PanelChoice, blind: boolean}} props.origin The run that a follow-up goes on with, and how it was asked.
 * @param {string | null} props.busy Why nothing can be asked now.
 * @param {{text: string, panel: import('./methods.js').PanelChoice | null, instead: string | null, n: number}} props.proposal A question to put into the box, whenever *n* changes; *instead*: the run in whose place it is asked.
 * @param {(text: string) => void} props.say
 * @param {(message: string, how: {blind: boolean, panel: import('./methods.js').PanelChoice, images: string[], instead: string | null}) => Promise<boolean>} props.ask True if it was taken.
 */
export function Composer({ agents, leftOut, panels, leftOutPanels, methods, chosen, choose, vary, drop, followUp: onScreen, origin, busy: waits, proposal, say, ask }) {
  const [message, setMessage] = useState(draft.get);
  const [blind, setBlind] = useState(false);
  const [panel, setPanel] = useState(NO_PANEL);
  const [instead, setInstead] = useState(/** @type {string | null} */ (null));
  const { attached, add, remove, clear, ...takes } = useAttachments(say);
  const followUp = onScreen && instead === null;
  const together = panel.panel !== '' || panel.method !== '';
  const busy = waits ?? tooFew(methods.find(({ method }) => method === panel.method), chosen.length) ?? tooLong(message);
  const box = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const write = (/** @type {string} */ text) => {
    setMessage(text);
    draft.set(text);
  };
  useEffect(() => {
    if (proposal.n === 0) return;
    if (proposal.text !== '') write(proposal.text);
    if (proposal.panel !== null) setPanel(proposal.panel);
    setInstead(proposal.instead);
    box.current?.focus();
  }, [proposal.n]);
  // A follow-up is asked as the question before it was, whatever was chosen for other ones.
  useEffect(() => setInstead(null), [origin.id]);
  useEffect(() => {
    if (origin.id === null) return;
    setPanel(origin.panel);
    setBlind(origin.blind);
  }, [origin.id, origin.blind, JSON.stringify(origin.panel)]);
  const takePanel = (/** @type {import('./methods.js').PanelChoice} */ choice) => {
    setPanel(choice);
    if (choice !== NO_PANEL) setBlind(false);
    const listed = panels.find(({ panel_id }) => panel_id === choice.panel);
    if (listed && listed.panel_id !== panel.panel) choose(listed.members);
  };
  const ready = (message.trim() !== '' || attached.some(({ image }) => image === null)) && chosen.length > 0 && busy === null;
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!ready) return;
    const whole = attached.length === 0 ? message.trim() : (await import('./attachments.js')).withTexts(message.trim(), attached);
    const long = tooLong(whole);
    if (long !== null) return say(long);
    const images = attached.flatMap(({ image }) => image ?? []);
    if (!(await ask(whole, { blind, panel, images, instead }))) return;
    // What was written meanwhile is the next question.
    const now = box.current?.value ?? '';
    write(now.startsWith(message) ? now.slice(message.length) : now);
    clear();
    // There the box folds, so that the answers are seen.
    if (matchMedia(LOW).matches) box.current?.blur();
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    // While signs are put together (Japanese, Chinese), Enter takes one of them; Safari says so by 229 alone.
    const composing = event.isComposing || event.keyCode === 229;
    const plain = !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key === 'Enter' && plain && !composing && settings.get().enterSends) void submit(event);
  };
  return html`<form class="composer" onSubmit=${submit} ...${takes}>
    ${attached.length > 0 && html`<${AttachedList} attached=${attached} remove=${remove} />`}
    <label class="unseen" for="message">${followUp ? 'Follow-up question' : 'Question'}</label>
    <textarea
      id="message"
      ref=${box}
      rows="1"
      value=${message}
      placeholder=${followUp ? 'Ask a follow-up: everyone remembers their own answers' : 'Ask several agents at once'}
      onInput=${(/** @type {any} */ event) => write(event.target.value)}
      onKeyDown=${onKeyDown}
    ></textarea>
    ${onScreen && instead !== null && html`<p class="hint anew">Asked in place of that question, which stays. <button type="button" class="menu-button" onClick=${() => setInstead(null)}>Follow up instead</button></p>`}
    <div class="composer-row">
      <${Chips} agents=${agents} leftOut=${leftOut} chosen=${chosen} choose=${choose} />
      <${AttachButton} add=${add} />
      <${Sets} agents=${agents} chosen=${chosen} choose=${choose} vary=${vary} drop=${drop} />
      <${PanelPicker} agents=${agents} panels=${panels} leftOut=${leftOutPanels} methods=${methods} members=${chosen} choice=${panel} choose=${takePanel} />
      <label class="chip blind" title=${together ? 'Who works together is no secret' : 'Hides names and numbers until you have voted'}>
        <input type="checkbox" checked=${blind} disabled=${together} onChange=${() => setBlind(!blind)} />
        <span class="tick" aria-hidden="true"></span>Blind
      </label>
      <button class="ask" disabled=${!ready} title=${busy ?? (settings.get().enterSends ? 'Enter' : 'Ctrl+Enter')}>
        <${Icon} name="send" filled /> <span>${followUp ? 'Follow up' : 'Ask'}</span><kbd aria-hidden="true">${settings.get().enterSends ? '⏎' : 'Ctrl ⏎'}</kbd>
      </button>
    </div>
    ${busy !== null && message.trim() !== '' && html`<p class="hint busy">${busy}</p>`}
  </form>`;
}

/** A longer question is kept and refused, not cut without a word. @param {string} message */
function tooLong(message) {
  if (message.length <= MAX_MESSAGE_CHARS) return null;
  const chars = [...message.trim()].length;
  if (chars <= MAX_MESSAGE_CHARS) return null;
  return `The question has ${count(chars)} characters, ${count(chars - MAX_MESSAGE_CHARS)} more than can be asked.`;
}

/** @param {{agents: readonly AgentInfo[], chosen: readonly string[], choose: (agents: string[]) => void, vary: (agentId: string) => void, drop: (name: string) => void}} props */
function Sets(props) {
  return html`<${Menu} label="Sets" icon="sets" up=${true}>
    ${(/** @type {() => void} */ close) => html`<${SetItems} ...${props} close=${close} />`}
  <//>`;
}
