/** Draws who is better: what votes and verdicts came to, as a plot and as tables, and exports them. */

import { download } from '../history/export.js';
import { html, useEffect, useState } from '../html.js';
import { Icon } from '../icons.js';
import { count, duration, money } from '../words.js';

/** @typedef {import('../../client/scores.js').Scores} Scores */
/** @typedef {import('../../client/scores.js').ScoredAgent} ScoredAgent */
/** @typedef {import('../../client/scores.js').ScoredQuestion} ScoredQuestion */

const SAYS = [['', 'Everybody'], ['vote', 'Votes'], ['judge', 'Judges'], ['rank', 'Rankings']];

/** Beside this script, wherever that is served from. */
const STYLE = new URL('./scores.css', import.meta.url).href;

/** How long nobody types before what is sought is fetched. */
const PAUSE_MS = 300;

/**
 * @param {object} props
 * @param {(sought: {by?: string, q?: string}) => Promise<Scores>} props.fetchScores
 * @param {(path: string) => Promise<string>} props.fetchText
 */
export function ScorePage({ fetchScores, fetchText }) {
  const [by, setBy] = useState('');
  const [text, setText] = useState('');
  const [scores, setScores] = useState(/** @type {Scores | null} */ (null));
  const [failed, setFailed] = useState('');
  const query = new URLSearchParams({ ...(by === '' ? {} : { by }), ...(text.trim() === '' ? {} : { q: text.trim() }) });
  useEffect(() => {
    let left = false;
    const take = (/** @type {Scores | null} */ found, /** @type {string} */ words) => {
      if (left) return;
      setScores(found);
      setFailed(words);
    };
    const fetch = () => fetchScores(Object.fromEntries(query)).then((found) => take(found, ''), (error) => take(null, error.message));
    const timer = setTimeout(fetch, scores === null ? 0 : PAUSE_MS);
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [String(query)]);
  const save = async (/** @type {string} */ path, /** @type {string} */ name, /** @type {string} */ type) => {
    try {
      download(name, type, await fetchText(`${path}?${query}`));
    } catch (error) {
      setFailed(/** @type {Error} */ (error).message);
    }
  };
  return html`<div class="score-page" tabindex="0" role="region" aria-label="Scores">
    <link rel="stylesheet" href=${STYLE} />
    <div class="scores-head">
      <h1>Who is better</h1>
      <select aria-label="Who says so" value=${by} onChange=${(/** @type {any} */ event) => setBy(event.target.value)}>
        ${SAYS.map(([value, words]) => html`<option key=${value} value=${value}>${words}</option>`)}
      </select>
      <input type="search" aria-label="Questions with" placeholder="Questions with…" value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)} />
      <button type="button" class="menu-button" onClick=${() => save('/v1/scores.csv', 'scores.csv', 'text/csv')}><${Icon} name="download" />CSV</button>
      <button type="button" class="menu-button" onClick=${() => save('/v1/scores/pairs', 'pairs.jsonl', 'application/jsonl')}><${Icon} name="download" />Preference pairs</button>
    </div>
    ${failed !== '' && html`<p class="error" role="alert">${failed}</p>`}
    ${scores !== null && (scores.agents.length === 0 ? html`<p class="hint">Nothing was compared yet. Vote for an answer (☆), say that none wins, or let a judge decide.</p>` : html`<${Found} scores=${scores} />`)}
  </div>`;
}

/** @param {{scores: Scores}} props */
function Found({ scores: { compared, agents, questions } }) {
  return html`<p class="hint" role="status">${compared === 1 ? '1 comparison' : `${count(compared)} comparisons`}. Bradley-Terry ratings around 1000, with their 95 % intervals: 400 more is ten to one.</p>
    <div class="table" tabindex="0" role="region" aria-label="Plot"><${Plot} agents=${agents.filter(({ rating }) => rating !== null)} /></div>
    <div class="table" tabindex="0" role="region" aria-label="Agents">
      <table>
        <thead><tr>${['Agent', 'Rating', 'Won', 'Lost', 'Tied', 'Both bad', 'Time', 'Tokens', 'Cost'].map((head) => html`<th key=${head} scope="col">${head}</th>`)}</tr></thead>
        <tbody>${agents.map((agent, n) => html`<${Row} key=${n} agent=${agent} />`)}</tbody>
      </table>
    </div>
    <h2>Questions</h2>
    <div class="table" tabindex="0" role="region" aria-label="Questions">
      <table>
        <thead><tr><th scope="col">Question</th><th scope="col">Won</th><th scope="col">Tied</th><th scope="col">Both bad</th></tr></thead>
        <tbody>
          ${questions.map((each) => html`<tr key=${each.question}><th scope="row">${each.question}</th><td>${Object.entries(each.wins).map(([id, wins]) => `${id} ${wins}`).join(', ')}</td><td>${each.ties}</td><td>${each.both_bad}</td></tr>`)}
        </tbody>
      </table>
    </div>`;
}

/** @param {{agent: ScoredAgent}} props */
function Row({ agent }) {
  const { title, variant, rating, low, high, wins, losses, ties, both_bad: bad, duration_ms: ms, output_tokens: tokens, cost } = agent;
  const span = rating === null || low === null || high === null ? '–' : `${Math.round(rating)} (${Math.round(low)} to ${Math.round(high)})`;
  return html`<tr>
    <th scope="row" title=${variant ? JSON.stringify(variant.changes) : agent.agent_id}>${title}</th>
    <td>${span}</td><td>${wins}</td><td>${losses}</td><td>${ties}</td><td>${bad}</td>
    <td>${ms === null ? '–' : duration(ms)}</td><td>${tokens === null ? '–' : count(Math.round(tokens))}</td><td>${cost === null ? '–' : money(cost)}</td>
  </tr>`;
}

const LANE = 26;
const NAMES = 190;
const WIDTH = 680;

/** Ratings as points on lines as long as their intervals. The table has the same in words. @param {{agents: readonly ScoredAgent[]}} props */
function Plot({ agents }) {
  const { at, marks } = scaleOf(agents);
  const height = agents.length * LANE + 24;
  return html`<svg class="plot" viewBox=${`0 0 ${WIDTH} ${height}`} role="img" aria-label="Ratings with their intervals; the table has the same">
    ${marks.map((mark) => html`<g key=${mark} class="mark"><line x1=${at(mark)} x2=${at(mark)} y1="0" y2=${height - 20} /><text x=${at(mark)} y=${height - 5} text-anchor="middle">${mark}</text></g>`)}
    ${agents.map(({ agent_id: id, title, rating, low, high }, n) => {
      const y = n * LANE + LANE / 2;
      return html`<g key=${`${id} ${n}`} data-hue=${n % 8}>
        <text x="0" y=${y + 4}>${title.length > 26 ? `${title.slice(0, 25)}…` : title}</text>
        <line class="span" x1=${at(low ?? 0)} x2=${at(high ?? 0)} y1=${y} y2=${y} />
        <circle cx=${at(rating ?? 0)} cy=${y} r="5"><title>${title}: ${Math.round(rating ?? 0)}</title></circle>
      </g>`;
    })}
  </svg>`;
}

/**
 * Return what places a rating on the plot, and the round ratings that are marked.
 * @param {readonly {low: number | null, high: number | null}[]} agents
 */
export function scaleOf(agents) {
  const low = Math.min(900, ...agents.map((agent) => agent.low ?? 1000));
  const high = Math.max(1100, ...agents.map((agent) => agent.high ?? 1000));
  const step = [50, 100, 200, 500, 1000].find((each) => (high - low) / each <= 8) ?? 2000;
  const first = Math.ceil(low / step) * step;
  const marks = Array.from({ length: Math.floor((high - first) / step) + 1 }, (_, n) => first + n * step);
  return { marks, at: (/** @type {number} */ rating) => NAMES + 20 + ((rating - low) / (high - low)) * (WIDTH - NAMES - 45) };
}
