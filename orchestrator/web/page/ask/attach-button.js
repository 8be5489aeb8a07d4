/** Lets files be attached to a question: chosen, pasted or dropped. */

import { html, useRef, useState } from '../html.js';
import { IconButton } from '../icons.js';
import { NOT_FETCHED } from '../lazy.js';

/** @typedef {import('./attachments.js').Attachment} Attachment */

/**
 * Keep what is attached. *say* hears what could not be.
 * @param {(text: string) => void} say
 */
export function useAttachments(say) {
  const [attached, setAttached] = useState(/** @type {Attachment[]} */ ([]));
  const latest = useRef(attached);
  latest.current = attached;
  const add = async (/** @type {Iterable<File>} */ files) => {
    const given = [...files];
    if (given.length === 0) return;
    try {
      const { readFiles } = await import('./attachments.js');
      const { read, wrong } = await readFiles(given, latest.current.filter(({ image }) => image !== null).length);
      setAttached([...latest.current, ...read]);
      if (wrong.length > 0) say(`${wrong.join('; ')}.`);
    } catch {
      say(NOT_FETCHED);
    }
  };
  const take = (/** @type {any} */ event, /** @type {DataTransfer | null} */ data) => {
    if (!data || data.files.length === 0) return;
    event.preventDefault();
    void add(data.files);
  };
  return {
    attached,
    add,
    remove: (/** @type {Attachment} */ one) => setAttached(attached.filter((other) => other !== one)),
    clear: () => setAttached([]),
    onPaste: (/** @type {ClipboardEvent} */ event) => take(event, event.clipboardData),
    onDrop: (/** @type {DragEvent} */ event) => take(event, event.dataTransfer),
    // Without this a browser opens what is dropped instead of giving it to the page.
    onDragOver: (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files') && event.preventDefault(),
  };
}

/** @param {{add: (files: Iterable<File>) => void}} props */
export function AttachButton({ add }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const pick = (/** @type {any} */ { target }) => {
    add([...target.files]);
    target.value = '';
  };
  return html`<input ref=${input} type="file" multiple hidden onChange=${pick} />
    <${IconButton} icon="attach" label="Attach images or text files" onClick=${() => input.current?.click()} />`;
}
