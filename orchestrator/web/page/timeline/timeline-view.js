/** Draws the timeline: a lane for each agent, speech, first tokens, tools, ends. */

import { isOpen } from '../../client/wire/cursor.js';
import { html, useTick } from '../html.js';
import { ticks } from './timeline.js';
import { AGENT_STATES, duration } from '../words.js';

const LANE_PX = 20;
const GLYPHS = { first: '▸', tool: '⚒', retry: '↻', done: '✓', error: '✗', cancelled: '■' };
const NAMES = { first: 'first token', tool: 'tool', retry: 'again', done: 'done', error: 'failed', cancelled: 'stopped' };

/**
 * @param {object} props
 * @param {import('../run/run-record.js').RunRecord} props.record
 * @param {number | null} props.at Where a replay stands.
 * @param {((t: number) => void) | null} props.seek
 */
export function TimelineView({ record, at, seek }) {
  const state = record.getSnapshot();
  const ids = state.agentIds.filter((id) => record.run.agents[id]);
  useTick(isOpen(state.status), 250);
  const now = record.now();
  const end = Math.max(now, 500) * 1.02;
  const x = (/** @type {number} */ t) => `${((t / end) * 100).toFixed(2)}%`;
  const height = ids.length * LANE_PX;
  const onClick = (/** @type {MouseEvent} */ event) => {
    const box = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
    seek?.(((event.clientX - box.left) / box.width) * end);
  };
  return html`<div class="timeline" tabindex="0" role="group" aria-label="Who spoke when">
    <div class="timeline-names" aria-hidden="true">
      ${ids.map((id) => html`<span key=${id}>${state.agents[id]?.title}</span>`)}
    </div>
    <svg
      class=${seek ? 'seekable' : ''}
      height=${height + 18}
      role="img"
      aria-label=${`Timeline. ${ids.map((id) => described(record, id)).join('; ')}`}
      onClick=${onClick}
    >
      ${ticks(end).map(
        (t) => html`<g class="tick" key=${t}>
          <line x1=${x(t)} x2=${x(t)} y1="0" y2=${height} />
          <text x=${x(t)} y=${height + 14}>${duration(t)}</text>
        </g>`,
      )}
      ${ids.map((id, n) => html`<${LaneView} key=${id} record=${record} id=${id} n=${n} hue=${state.agentIds.indexOf(id)} x=${x} end=${end} now=${now} />`)}
      ${at !== null && html`<line class="playhead" x1=${x(at)} x2=${x(at)} y1="0" y2=${height} />`}
    </svg>
  </div>`;
}

/** @param {{record: import('../run/run-record.js').RunRecord, id: string, n: number, hue: number, x: (t: number) => string, end: number, now: number}} props */
function LaneView({ record, id, n, hue, x, end, now }) {
  const lane = record.timeline.lanes.get(id);
  if (lane === undefined) return null;
  const y = n * LANE_PX;
  const width = (/** @type {{from: number, to: number}} */ { from, to }) => `${(Math.max((to - from) / end, 0.003) * 100).toFixed(2)}%`;
  return html`<g class="lane" data-hue=${hue % 8}>
    ${record.timeline.work(lane, now).map((stretch) => html`<rect class="work" x=${x(stretch.from)} y=${y + 8} width=${width(stretch)} height="4" rx="2" />`)}
    ${lane.speech.map((stretch) => html`<rect class="speech" x=${x(stretch.from)} y=${y + 4} width=${width(stretch)} height="12" rx="3" />`)}
    ${lane.marks.map(
      ({ t, kind }) => html`<text class=${`mark ${kind}`} x=${x(t)} y=${y + 14}>
        <title>${`${NAMES[kind]}, ${duration(t)}`}</title>${GLYPHS[kind]}
      </text>`,
    )}
  </g>`;
}

/**
 * @param {import('../run/run-record.js').RunRecord} record
 * @param {string} id
 */
function described(record, id) {
  const agent = record.getAgent(id);
  if (agent === undefined) return id;
  const first = agent.first_token_t === null ? '' : `, first token at ${duration(agent.first_token_t)}`;
  const end = agent.ended_t === null ? '' : ` at ${duration(agent.ended_t)}`;
  return `${agent.title}${first}, ${AGENT_STATES[agent.status][1]}${end}`;
}
