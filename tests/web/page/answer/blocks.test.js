/** Covers orchestrator/web/page/answer/blocks.js: a text cut anywhere gives the blocks of the whole text. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Blocks } from '../../../../orchestrator/web/page/answer/blocks.js';
import { Marked } from '../../../../orchestrator/web/vendor/marked.js';
import { seeded } from '../../support/harness.js';

const code = (language, text) => `<pre>${language}|${text.replace(/\n$/, '')}</pre>\n`;
const marked = new Marked({
  gfm: true,
  renderer: { code: ({ text, lang }) => code((lang ?? '').split(' ')[0], text) },
});

function lex(text, links) {
  const lexer = new marked.Lexer(marked.defaults);
  lexer.tokens.links = links;
  return lexer.lex(text);
}

const draw = (block) => (block.kind === 'code' ? code(block.language, block.text) : marked.parser(block.tokens));

const PARTS = [
  '# Title\n\n', 'A paragraph\nof two lines.\n\n', 'Setext\n===\n\n', '- a\n- b\n\n  c\n\n', '1. x\n\n2. y\n\n', '> quoted\nlazily\n\n',
  '| a | b |\n|---|---|\n| 1 | 2 |\n\n', 'text\n```js\nlet a = 1;\n\n# no heading\n```\nafter\n\n', '~~~~py x\n```\n~~~\n~~~~\n', '---\n\n',
  '- item\n\n      code in it\n\n- more\n  ```\n  fenced in a list\n  ```\n\n', '    indented\n\n    more\n\n', '<div>\nraw\n</div>\n\n',
  '   ```x\n   indented\n     fence\n   ```\n', '[r]: http://example.com\n\nsee [it][r]\n\n', '* star\n+ plus\n\n', 'end with `code` and **bold**\n\n',
  '```\n````\n```\n', '* * *\n\n', '1) other\n\n', '\n\n\n', '```a`b\nno fence\n\n', 'ünïcödé 🎉\n\n',
];

test('whatever the cuts, the blocks are those of the whole text', () => {
  const random = seeded(20);
  for (let round = 0; round < 300; round += 1) {
    const text = Array.from({ length: 1 + random(8) }, () => PARTS[random(PARTS.length)]).join('');
    const whole = new Blocks(lex);
    const expected = [...whole.push(text), ...whole.end()].map(draw).join('');
    assert.equal(squeezed(expected), squeezed(marked.parse(text)), 'and the whole is as marked draws it');
    const blocks = new Blocks(lex);
    let seen = '';
    for (let at = 0; at < text.length; ) {
      const end = at + 1 + random(9);
      seen += blocks.push(text.slice(at, end)).map(draw).join('');
      blocks.tail();
      at = end;
    }
    seen += blocks.end().map(draw).join('');
    assert.equal(seen, expected, JSON.stringify(text));
  }
});

const squeezed = (markup) => markup.replace(/\s+/g, ' ').trim();

test('however a line ends, and wherever that is cut, the blocks are the same', () => {
  const code = `\`\`\`js\n${'let a = 1;\n\n'.repeat(600)}\`\`\`\n`;
  const text = `# Title\n\n${'A **paragraph**.\n\n'.repeat(20)}${code}\n| a | b |\n|---|---|\n| 1 | 2 |\n\nend`;
  const whole = new Blocks(lex);
  const expected = [...whole.push(text), ...whole.end()].map(draw).join('');
  for (const end of ['\r\n', '\r']) {
    for (const size of [1, 4, 997]) {
      const blocks = new Blocks(lex);
      const pieces = text.replaceAll('\n', end).match(new RegExp(`[^]{1,${size}}`, 'g'));
      const seen = [...pieces.flatMap((piece) => blocks.push(piece)), ...blocks.end()].map(draw).join('');
      assert.equal(seen, expected, `${JSON.stringify(end)} in pieces of ${size}`);
    }
  }
});

test('signs that might begin code are no work as long as their line has not ended', () => {
  for (const signs of ['~'.repeat(100_000), '`'.repeat(100_000), `~~~${'x'.repeat(100_000)}`]) {
    const blocks = new Blocks((text) => [{ type: 'paragraph', raw: text, text }]);
    const drawn = [...blocks.push(signs), ...blocks.end()].flatMap((block) => block.tokens.map((token) => token.raw));
    assert.equal(drawn.join('').replaceAll('\\', ''), signs);
  }
});

test('a block is final once another begins, and only then', () => {
  const blocks = new Blocks(lex);
  assert.deepEqual(blocks.push('one\n\n'), []);
  const [first] = blocks.push('two\n');
  assert.equal(draw(first), '<p>one</p>\n');
  assert.equal(marked.parser(blocks.tail()), '<p>two</p>\n');
});

test('open code is told line by line and closed by its fence', () => {
  const blocks = new Blocks(lex);
  blocks.push('```js\nlet a');
  assert.deepEqual(blocks.open, { language: 'js', text: 'let a' });
  assert.deepEqual(blocks.push(' = 1;\n```\n'), [{ kind: 'code', language: 'js', text: 'let a = 1;\n' }]);
  assert.equal(blocks.open, null);
});

test('the whole is not read again for each piece', () => {
  let read = 0;
  const counting = (text, links) => {
    read += text.length;
    return lex(text, links);
  };
  const blocks = new Blocks(counting);
  const text = 'A paragraph of some words.\n\n'.repeat(1_000);
  for (let at = 0; at < text.length; at += 7) {
    blocks.push(text.slice(at, at + 7));
    blocks.tail();
  }
  assert.ok(read < text.length * 20, `${read / text.length} times`);
});

test('an answer that ends with its closing fence, without a line’s end, does not show it', () => {
  for (const marker of ['```', '~~~~', '`````']) {
    const blocks = new Blocks(lex);
    blocks.push(`${marker}js\nlet a = 1;\n`);
    for (const sign of marker) {
      blocks.push(sign);
      assert.equal(blocks.open.text, 'let a = 1;\n', 'nor while it comes');
    }
    assert.deepEqual(blocks.end(), [{ kind: 'code', language: 'js', text: 'let a = 1;\n' }]);
  }
  const blocks = new Blocks(lex);
  blocks.push('````md\n```');
  assert.deepEqual(blocks.end(), [{ kind: 'code', language: 'md', text: '```' }], 'a shorter one closes nothing');
});
