/** Owns the ask box: the question, who is asked, saved sets of agents. */

import { html, useEffect, useRef, useState } from './html.js';
import { Icon, IconButton } from './icons.js';
import { Menu } from './menu.js';
import { draft, sets as savedSets } from './remember.js';

/** @typedef {import('../types.js').AgentInfo} AgentInfo */

const MAX_MESSAGE_CHARS = 100_000;

/**
 * @param {object} props
 * @param {readonly AgentInfo[]} props.agents
 * @param {readonly string[]} props.chosen
 * @param {(agents: string[]) => void} props.choose
 * @param {boolean} props.followUp Whether the question goes on with the conversation that is shown.
 * @param {string | null} props.busy Why nothing can be asked now.
 * @param {{text: string, n: number}} props.proposal A question to put into the box, whenever *n* changes.
 * @param {boolean} props.canBlind Whether the server can hide who is who until the vote.
 * @param {(message: string, blind: boolean) => Promise<boolean>} props.ask True where it was taken.
 */
export function Composer({ agents, chosen, choose, followUp, busy, proposal, canBlind, ask }) {
  const [message, setMessage] = useState(draft.get);
  const [blind, setBlind] = useState(false);
  const box = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const write = (/** @type {string} */ text) => {
    setMessage(text);
    draft.set(text);
  };
  useEffect(() => {
    if (proposal.n === 0) return;
    write(proposal.text);
    box.current?.focus();
  }, [proposal.n]);
  const ready = message.trim() !== '' && chosen.length > 0 && busy === null;
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (ready && (await ask(message.trim(), canBlind && blind))) write('');
  };
  return html`<form class="composer" onSubmit=${submit}>
    <label class="unseen" for="message">${followUp ? 'Follow-up question' : 'Question'}</label>
    <textarea
      id="message"
      ref=${box}
      rows="1"
      maxlength=${MAX_MESSAGE_CHARS}
      value=${message}
      placeholder=${followUp ? 'Ask a follow-up: everyone remembers their own answers' : 'Ask several agents at once'}
      onInput=${(/** @type {any} */ event) => write(event.target.value)}
    ></textarea>
    <div class="composer-row">
      <${Chips} agents=${agents} chosen=${chosen} choose=${choose} />
      <${Sets} agents=${agents} chosen=${chosen} choose=${choose} />
      ${canBlind &&
      html`<label class="chip" title="Hides names and numbers until you have voted">
        <input type="checkbox" checked=${blind} onChange=${() => setBlind(!blind)} />
        <span class="tick" aria-hidden="true"></span>Blind
      </label>`}
      <button class="ask" disabled=${!ready} title=${busy ?? 'Ctrl+Enter'}>
        <${Icon} name="send" filled /> <span>${followUp ? 'Follow up' : 'Ask'}</span><kbd aria-hidden="true">Ctrl ⏎</kbd>
      </button>
    </div>
    ${busy !== null && message.trim() !== '' && html`<p class="hint busy">${busy}</p>`}
  </form>`;
}

/** @param {{agents: readonly AgentInfo[], chosen: readonly string[], choose: (agents: string[]) => void}} props */
function Chips({ agents, chosen, choose }) {
  const toggle = (/** @type {string} */ id) =>
    choose(chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id]);
  return html`<fieldset class="chips">
    <legend class="unseen">Who is asked</legend>
    ${agents.map(
      ({ agent_id: id, title, description, model }) => html`<label
        key=${id}
        class="chip"
        title=${[description, model].filter(Boolean).join(' · ')}
      >
        <input type="checkbox" value=${id} checked=${chosen.includes(id)} onChange=${() => toggle(id)} />
        <span class="tick" aria-hidden="true"></span>${title}
      </label>`,
    )}
  </fieldset>`;
}

/** @param {{agents: readonly AgentInfo[], chosen: readonly string[], choose: (agents: string[]) => void}} props */
function Sets({ agents, chosen, choose }) {
  const [sets, setSets] = useState(savedSets.get);
  const [name, setName] = useState('');
  const keep = (/** @type {import('./remember.js').AgentSet[]} */ next) => {
    savedSets.set(next);
    setSets(next);
  };
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    event.stopPropagation();
    const wanted = name.trim();
    if (wanted === '' || chosen.length === 0) return;
    keep([...sets.filter((set) => set.name !== wanted), { name: wanted, agents: [...chosen] }]);
    setName('');
  };
  const known = new Set(agents.map(({ agent_id }) => agent_id));
  return html`<${Menu} label="Sets" icon="sets" up=${true}>
    ${(/** @type {() => void} */ close) => {
      const take = (/** @type {readonly string[]} */ ids) => {
        choose(ids.filter((id) => known.has(id)));
        close();
      };
      return html`
        <button type="button" onClick=${() => take(agents.map(({ agent_id }) => agent_id))}>Everyone</button>
        ${sets.map(
          (set) => html`<div class="menu-pair" key=${set.name}>
            <button type="button" onClick=${() => take(set.agents)}>
              ${set.name} <span class="hint">${set.agents.length} agents</span>
            </button>
            <${IconButton} icon="trash" label=${`Delete the set ${set.name}`} onClick=${() => keep(sets.filter((other) => other !== set))} />
          </div>`,
        )}
        <div class="menu-form">
          <label for="set-name">Save this choice as</label>
          <input
            id="set-name"
            value=${name}
            maxlength="40"
            onInput=${(/** @type {any} */ event) => setName(event.target.value)}
            onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === 'Enter' && save(event)}
          />
          <button type="button" onClick=${save} disabled=${name.trim() === '' || chosen.length === 0}>Save</button>
        </div>
      `;
    }}
  <//>`;
}
