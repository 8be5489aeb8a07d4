/** Covers page/ask/attachments.js: how the bytes of an attached text are read. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decoded } from '../../../../orchestrator/web/page/ask/attachments.js';

const UTF8 = new TextEncoder();
const utf16 = (/** @type {string} */ text, /** @type {boolean} */ bigEnd) => {
  const view = new DataView(new ArrayBuffer(2 * text.length));
  [...text].forEach((sign, n) => view.setUint16(2 * n, sign.charCodeAt(0), !bigEnd));
  return new Uint8Array(view.buffer);
};
const western = (/** @type {number[]} */ ...bytes) => new Uint8Array(bytes);

for (const [name, bytes, text, encoding] of /** @type {[string, Uint8Array, string, string][]} */ ([
  ['plain ASCII', UTF8.encode('a\tb\r\n'), 'a\tb\r\n', ''],
  ['UTF-8', UTF8.encode('naïve 日本 🙂'), 'naïve 日本 🙂', ''],
  ['UTF-8 with its mark', UTF8.encode('\ufeffnaïve'), 'naïve', ''],
  ['UTF-16 as Windows saves it', utf16('\ufeffnaïve 日本', false), 'naïve 日本', 'UTF-16LE'],
  ['UTF-16, big end first', utf16('\ufeffnaïve', true), 'naïve', 'UTF-16BE'],
  ['Latin-1', western(0x6e, 0x61, 0xef, 0x76, 0x65, 0x20, 0xdc, 0x62, 0x65, 0x72), 'naïve Über', 'Windows-1252'],
  ['a log in colours, of Latin-1', western(0x1b, 0x5b, 0x6d, 0xe9), '\x1b[mé', 'Windows-1252'],
  ['UTF-8 that was cut within a sign', UTF8.encode('日本 naïve 🙂').slice(0, -1), '日本 naïve \ufffd', 'UTF-8, not all of it readable'],
  ['nothing at all', western(), '', ''],
  ['UTF-8 with a sign for what could not be read', UTF8.encode('log: \ufffd ok'), 'log: \ufffd ok', ''],
  ['UTF-8 of two signs, the second cut', UTF8.encode('price — 5 €').slice(0, -1), 'price — 5 \ufffd', 'UTF-8, not all of it readable'],
  ['UTF-8 with its mark and one bad byte', western(0xef, 0xbb, 0xbf, 0x61, 0xe9), 'a\ufffd', 'UTF-8, not all of it readable'],
])) {
  test(`${name} is read as what it is`, () => assert.deepEqual(decoded(bytes), { text, encoding }));
}

for (const [name, bytes] of /** @type {[string, Uint8Array][]} */ ([
  ['a program', western(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0xff)],
  ['bytes that are none of any text', western(0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1)],
  ['UTF-16 with a sign of no text', utf16('\ufeffa\0b', false)],
])) {
  test(`${name} is no text`, () => assert.equal(decoded(bytes), null));
}
