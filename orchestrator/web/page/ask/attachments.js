/** Reads files that are attached to a question: images as they are sent, texts as a part of the question. */

/**
 * @typedef {object} Attachment
 * @property {string} name
 * @property {string | null} image A data: URL; null for a text.
 * @property {string} text Empty for an image.
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
      else await imageOf(file).then((image) => read.push({ name, image, text: '' }), () => wrong.push(`${name} is no image that can be read`));
    } else if (file.size > MAX_TEXT_BYTES) wrong.push(`${name} is too long`);
    else {
      const text = await file.text();
      // A file that is no text has signs that no text has.
      if (/[\0\ufffd]/.test(text.slice(0, 10_000))) wrong.push(`${name} is neither a text nor a PNG, JPEG, GIF or WebP image`);
      else read.push({ name, image: null, text });
    }
  }
  return { read, wrong };
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
