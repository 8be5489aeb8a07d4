/** Lists what is attached to a question, and how a text that is not UTF-8 was read. */

import { html } from '../html.js';
import { IconButton } from '../icons.js';

/** @param {{attached: readonly import('./attachments.js').Attachment[], remove: (one: import('./attachments.js').Attachment) => void}} props */
export function AttachedList({ attached, remove }) {
  return html`<ul class="attached" aria-label="Attached">
    ${attached.map((one) => html`<li key=${one.name}>
      ${one.image === null ? html`<span>${one.name}${one.encoding && html` <small>${one.encoding}</small>`}</span>` : html`<img src=${one.image} alt=${one.name} title=${one.name} />`}
      <${IconButton} icon="close" label=${`Remove ${one.name}`} onClick=${() => remove(one)} />
    </li>`)}
  </ul>`;
}
