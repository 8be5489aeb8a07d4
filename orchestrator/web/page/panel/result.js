/** Draws a panel's result beside its verdict: scores as bars, who was missing or late. */

import { html } from '../html.js';
import { MISSING_STATES, scores, traitsOf } from './words.js';
import { count } from '../words.js';

/** @typedef {import('../../client/types.js').PanelState} PanelState */
/** @typedef {import('../../client/types.js').RunState} RunState */

/** @param {{panel: PanelState, run: RunState, title: (agentId: string) => string}} props */
export function PanelResult({ panel, run, title }) {
  const { result, late } = panel;
  if (result === null) return null;
  const missing = untold(panel, run);
  return html`<div class="panel-result">
    <${Scores} panel=${panel} run=${run} title=${title} />
    ${result.revision !== undefined && html`<p class="hint">Spoken once more, after a late answer.</p>`}
    ${missing.map(({ agent, status }) => html`<p class="hint" key=${agent}>Without ${title(agent)}: ${MISSING_STATES[status]}</p>`)}
    ${late.map(({ agent, chars }) => html`<p class="hint" key=${agent}>Late: ${title(agent)}, ${count(chars)} characters</p>`)}
  </div>`;
}

/** Whether there is anything to show. @param {PanelState} panel @param {RunState} run */
export function hasResult(panel, run) {
  const { result, late } = panel;
  if (result === null) return false;
  return result.revision !== undefined || untold(panel, run).length + late.length + scores(panel, run).length > 0;
}

/**
 * Who is missing, but for those that are late, or lost a race, or that the last word heard of: it shows them itself.
 * @param {PanelState} panel
 * @param {RunState} run
 */
function untold({ method, result, late }, { agents }) {
  const shown = [...late, ...(agents[result?.by ?? '']?.missing ?? [])].map(({ agent }) => agent);
  return traitsOf(method).first ? [] : (result?.missing ?? []).filter(({ agent }) => !shown.includes(agent));
}

/** @param {{panel: PanelState, run: RunState, title: (agentId: string) => string}} props */
function Scores({ panel, run, title }) {
  const rows = scores(panel, run);
  if (rows.length === 0) return null;
  const most = Math.max(...rows.map(({ score }) => score), 1);
  const head = traitsOf(panel.method).head ?? 'Score';
  return html`<table class="scores">
    <thead><tr><th scope="col"><span class="unseen">What</span></th><th scope="col">${head}</th></tr></thead>
    <tbody>
      ${rows.map(
        ({ key, score, agent }) => html`<tr key=${key} data-hue=${agent === null ? undefined : run.agentIds.indexOf(agent) % 8}>
          <th scope="row">${agent === null ? key : title(agent)}</th>
          <td><div>
            <svg aria-hidden="true" height="10"><rect width="100%" height="10" rx="5" /><rect class="bar" width=${`${(score / most) * 100}%`} height="10" rx="5" /></svg>
            <span>${Number(score.toFixed(2))}</span>
          </div></td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}
