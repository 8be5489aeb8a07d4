/** Draws what an agent says beyond text: bars while it works, then files, data, numbered sources, a structured answer. */

import { html } from '../html.js';
import { pretty } from './activity.js';

/** @typedef {import('../../client/types.js').AgentState} AgentState */

/** @param {{agent: AgentState}} props */
export function Content({ agent }) {
  const { progress, data, sources, files } = agent.content;
  const working = agent.status === 'running' || agent.status === 'cancelling';
  return html`${working && progress.map((bar) => html`<${Bar} key=${bar.progress_id ?? ''} bar=${bar} />`)}
    ${files.map((file, n) => html`<${File} key=${`${file.file_id}-${n}`} file=${file} />`)}
    ${data.map((entry, n) => html`<${Json} key=${`data-${n}`} name=${entry.name} value=${entry.value} />`)}
    ${'output' in agent.content && html`<${Json} name="Structured answer" value=${agent.content.output} />`}
    ${sources.length > 0 &&
    html`<ol class="sources" aria-label="Sources">
      ${sources.map((source, n) => html`<li key=${n}><${Source} source=${source} /></li>`)}
    </ol>`}`;
}

/** @param {{bar: import('../../client/types.js').Progress}} props */
function Bar({ bar: { label, fraction, step, steps } }) {
  const counted = step != null && steps ? step / steps : null;
  const part = fraction ?? counted;
  const words = step == null ? (part == null ? '' : `${Math.round(part * 100)} %`) : steps ? `${step} of ${steps}` : String(step);
  return html`<div class="progress">
    <span>${label}</span> <span class="hint">${words}</span>
    <progress aria-label=${label || 'Progress'} max="1" value=${part ?? undefined} />
  </div>`;
}

/** @param {{file: import('../../client/types.js').FilePart}} props */
function File({ file: { name, media_type, url } }) {
  const own = /^data:/i.test(url);
  // Only what came whole is drawn in place: an address elsewhere would tell that site who reads.
  const image = own && /^image\/(png|jpeg|gif|webp|avif)/i.test(media_type) && /^data:image\//i.test(url);
  const link = own || /^https:\/\//i.test(url);
  return html`<figure class="file">
    ${image && html`<img src=${url} alt=${name} />`}
    <figcaption>
      ${link ? html`<a href=${url} download=${own ? name : undefined} target="_blank" rel="noopener noreferrer">${name}</a>` : name}
      <span class="hint"> ${media_type}</span>
    </figcaption>
  </figure>`;
}

/** @param {{source: import('../../client/types.js').SourcePart}} props */
function Source({ source: { url, document, title, quote } }) {
  const words = title || url || document || '';
  const web = url !== undefined && url !== null && /^https?:\/\//i.test(url);
  return html`${web ? html`<a href=${url} target="_blank" rel="noopener noreferrer">${words}</a>` : words}
    ${quote && html`<q class="hint">${quote}</q>`}`;
}

/** @param {{name: string, value: unknown}} props */
function Json({ name, value }) {
  const rows = tableOf(value);
  return html`<details class="part data">
    <summary><code>${name}</code> <span class="hint">${JSON.stringify(value)?.slice(0, 60)}</span></summary>
    <div class="part-text">
      ${rows === null
        ? html`<pre tabindex="0">${pretty(JSON.stringify(value))}</pre>`
        : html`<table>
            <thead><tr>${rows.keys.map((key) => html`<th key=${key}>${key}</th>`)}</tr></thead>
            <tbody>
              ${rows.items.map((item, n) => html`<tr key=${n}>${rows.keys.map((key) => html`<td key=${key}>${cell(item[key])}</td>`)}</tr>`)}
            </tbody>
          </table>`}
    </div>
  </details>`;
}

/**
 * Read a list of flat objects of the same keys as a table; null for any other value.
 * @param {unknown} value
 * @returns {{keys: string[], items: Record<string, unknown>[]} | null}
 */
export function tableOf(value) {
  if (!Array.isArray(value) || value.length === 0 || value.length > 200) return null;
  const flat = value.every(
    (item) => item !== null && typeof item === 'object' && !Array.isArray(item) && Object.values(item).every((each) => each === null || typeof each !== 'object'),
  );
  if (!flat) return null;
  const keys = [...new Set(value.flatMap((item) => Object.keys(item)))];
  return keys.length > 0 && keys.length <= 12 ? { keys, items: value } : null;
}

/** @param {unknown} value */
function cell(value) {
  return value === undefined || value === null ? '' : String(value);
}
