/** Reads files that are attached to a question: images as they are sent, texts as a part of the question. */

/**
 * @typedef {object} Attachment
 * @property {string} name
 * @property {string | null} image A data: URL; null for a text.
 * @property {string} text Empty for an image.
 * @property {string} encoding How the bytes of a text were read, unless they were UTF-8; else empty.
 */

const IMAGES = /^image\/(?:png|jpeg|gif|webp)$/;

/** A larger image is made smaller: a request has at most 8 MB, and models look at no more pixels than this. */
const MAX_IMAGE_BYTES = 700_000;
const MAX_SIDE = 2_048;
const MAX_IMAGES = 8;
const MAX_TEXT_BYTES = 400_000;

/**
 * Read *files*; *wrong* says of each that cannot be attached why.
 * @param {readonly File[]} files
 * @param {number} images How many images are attached already.
 * @returns {Promise<{read: Attachment[], wrong: string[]}>}
 */
export async function readFiles(files, images) {
  /** @type {Attachment[]} */
  const read = [];
  const wrong = [];
  for (const file of files) {
    const name = file.name || 'pasted';
    if (IMAGES.test(file.type)) {
      if (images + read.filter(({ image }) => image !== null).length >= MAX_IMAGES) wrong.push(`${name}: a question has at most ${MAX_IMAGES} images`);
      else await imageOf(file).then((image) => read.push({ name, image, text: '', encoding: '' }), () => wrong.push(`${name} is no image that can be read`));
    } else if (file.size > MAX_TEXT_BYTES) wrong.push(`${name} is too long`);
    else {
      const found = decoded(new Uint8Array(await file.arrayBuffer()));
      if (found === null) wrong.push(`${name} is neither a text nor a PNG, JPEG, GIF or WebP image`);
      else read.push({ name, image: null, ...found });
    }
  }
  return { read, wrong };
}

/** What says at a text's beginning how it is encoded. */
const MARKS = /** @type {const} */ ([
  ['utf-8', [0xef, 0xbb, 0xbf]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
]);

/** Signs that are in no text of Windows, but in programs' files. */
const NO_TEXT = /[\0-\x07\x0e-\x19\x1c-\x1f]/;

/**
 * Read the bytes of a text as its mark says, else as UTF-8, else as Windows writes the languages of western Europe;
 * null if they are none. What Latin-1 prints is the same there; browsers read it so, too.
 * @param {Uint8Array} bytes
 * @returns {{text: string, encoding: string} | null}
 */
export function decoded(bytes) {
  const mark = MARKS.find(([, begins]) => begins.every((byte, n) => bytes[n] === byte))?.[0];
  const name = mark ?? 'utf-8';
  const text = new TextDecoder(name).decode(bytes);
  if (text.includes('\0')) return null;
  const encoding = name === 'utf-8' ? '' : name.toUpperCase();
  if (isWhole(name, bytes)) return { text, encoding };
  // A log that was cut within a sign, or a few bytes gone wrong, do not make it another encoding.
  const faults = text.match(/\ufffd/g)?.length ?? 0;
  const foreign = text.match(/[^\0-\x7f\ufffd]/gu)?.length ?? 0;
  if (mark !== undefined || faults <= foreign) return { text, encoding: `${encoding || 'UTF-8'}, not all of it readable` };
  const western = new TextDecoder('windows-1252').decode(bytes);
  return NO_TEXT.test(western) ? null : { text: western, encoding: 'Windows-1252' };
}

/**
 * Whether all of *bytes* can be read so.
 * @param {string} encoding
 * @param {Uint8Array} bytes
 */
function isWhole(encoding, bytes) {
  try {
    new TextDecoder(encoding, { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/**
 * Put texts below the question, each in a fence that nothing in it closes.
 * @param {string} message
 * @param {readonly Attachment[]} attachments
 */
export function withTexts(message, attachments) {
  const texts = attachments.filter(({ image }) => image === null).map(({ name, text }) => {
    const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((marks) => marks.length));
    const fence = '`'.repeat(longest + 1);
    const language = /\.([a-z0-9]{1,10})$/i.exec(name)?.[1] ?? '';
    return `${name}:\n${fence}${language}\n${text.replace(/\n$/, '')}\n${fence}`;
  });
  return [message, ...texts].filter(Boolean).join('\n\n');
}

/** @param {File} file @returns {Promise<string>} */
async function imageOf(file) {
  const bitmap = await createImageBitmap(file);
  if (file.size <= MAX_IMAGE_BYTES) return dataUrl(file);
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext('2d')?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/jpeg', 0.85);
}

/** @param {File} file @returns {Promise<string>} */
function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
