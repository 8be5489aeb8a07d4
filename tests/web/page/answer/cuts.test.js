/** Covers orchestrator/web/page/answer/cuts.js: what is too long for one task is cut, and still read as what it is. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Blocks, MAX_BLOCK_CHARS, MAX_BLOCK_LINES } from '../../../../orchestrator/web/page/answer/blocks.js';
import { carriedInto, cutOf } from '../../../../orchestrator/web/page/answer/cuts.js';
import { Marked } from '../../../../orchestrator/web/vendor/marked.js';

const marked = new Marked({ gfm: true });

function lex(text, links) {
  const lexer = new marked.Lexer(marked.defaults);
  lexer.tokens.links = links;
  return lexer.lex(text);
}

/** Every block of a text that comes in pieces of *size*. */
function blocksOf(text, size = 4_000) {
  const blocks = new Blocks(lex);
  const found = [];
  for (let at = 0; at < text.length; at += size) found.push(...blocks.push(text.slice(at, at + size)));
  return [...found, ...blocks.end()];
}

const words = (blocks) => blocks.map((block) => (block.kind === 'code' ? block.text : marked.parser(block.tokens))).join('')
  .replace(/<thead>[^]*?<\/thead>|<[^>]+>/g, ' ').replace(/\s+/g, ' ').trim();

const LONG = {
  paragraph: 'Some words of a paragraph that never ends. '.repeat(500),
  'a line without a space': 'x'.repeat(20_000),
  'lines without a blank one': 'One more line of it.\n'.repeat(1_000),
  list: Array.from({ length: 900 }, (_, n) => `- item ${n} with some words`).join('\n'),
  'a counted list': Array.from({ length: 900 }, (_, n) => `${n + 1}. item with some words`).join('\n'),
  'a list in a list': `- outer\n${Array.from({ length: 900 }, (_, n) => `    - inner ${n} with words`).join('\n')}`,
  quote: '> quoted words in a line\n'.repeat(900),
  table: `| a | b |\n| --- | --- |\n${Array.from({ length: 900 }, (_, n) => `| ${n} | some words |`).join('\n')}\n`,
  html: '<div>raw</div>\n'.repeat(1_500),
  'items of one letter': '- x\n'.repeat(3_000),
  'rows of one letter': `|a|\n|-|\n${'|b|\n'.repeat(3_000)}`,
  'quotes of one letter': '> q\n'.repeat(3_000),
};

for (const [name, text] of Object.entries(LONG)) {
  test(`no piece of ${name} is longer than a task can draw, and no word is lost`, () => {
    const blocks = blocksOf(text);
    assert.ok(blocks.length > 3, `${blocks.length} blocks`);
    for (const { tokens } of blocks) {
      const length = tokens.reduce((sum, { raw }) => sum + raw.length, 0);
      assert.ok(length <= MAX_BLOCK_CHARS * 1.5, `${length} characters in one piece`);
      const lines = tokens.reduce((sum, { raw }) => sum + raw.split('\n').length, 0);
      assert.ok(lines <= MAX_BLOCK_LINES * 1.5, `${lines} lines in one piece`);
    }
    assert.ok(blocks.slice(1).every(({ goesOn }) => goesOn));
    const whole = marked.parse(text).replace(/<thead>[^]*?<\/thead>|<[^>]+>/g, ' ').replace(/\s+/g, ' ').trim();
    const joined = (said) => said.replaceAll(' ', '');
    assert.equal(joined(words(blocks)), joined(whole));
  });

  test(`${name} is cut at the same places, however it comes`, () => {
    assert.deepEqual(blocksOf(text, 4_000).map(({ tokens }) => tokens.map(({ raw }) => raw)), blocksOf(text, 997).map(({ tokens }) => tokens.map(({ raw }) => raw)));
  });
}

for (const sign of ['- ', '* ', '1. ', '12) ', '> ', '# ', '```\n', '~~~\n', '---\n', '===\n']) {
  test(`a paragraph that is cut before ${JSON.stringify(sign)} is still one`, () => {
    const text = `${'w '.repeat(MAX_BLOCK_CHARS / 2)}${sign}${'more words '.repeat(500)}`;
    const kinds = new Set(blocksOf(text).flatMap(({ kind, tokens = [] }) => [kind, ...tokens.map(({ type }) => type)]));
    assert.deepEqual(kinds, new Set(['tokens', 'paragraph']));
    const joined = (said) => said.replaceAll(/\s/g, '').replaceAll('&gt;', '>');
    assert.equal(joined(words(blocksOf(text))), joined(text));
  });
}

test('what goes on is of the same kind', () => {
  const kinds = (text) => new Set(blocksOf(text).map(({ tokens }) => tokens.find(({ type }) => type !== 'space').type));
  assert.deepEqual([...kinds(LONG.table)], ['table']);
  assert.deepEqual([...kinds(LONG.list)], ['list']);
  assert.deepEqual([...kinds(LONG['a list in a list'])], ['list']);
  assert.deepEqual([...kinds(LONG.quote)], ['blockquote']);
});

test('counting goes on, also if each item is called 1.', () => {
  const text = Array.from({ length: 900 }, () => '1. item with some words').join('\n');
  const [first, second] = blocksOf(text).map(({ tokens }) => tokens[0]);
  assert.equal(first.start, 1);
  assert.equal(second.start, first.items.length + 1);
});

test('code in a list or a quote goes on as code', () => {
  for (const [before, indent] of [['- item\n\n', '  '], ['1. a\n   - b\n\n', '     '], ['', '> ']]) {
    const code = Array.from({ length: 600 }, (_, n) => `${indent}line_${n} = 1`).join('\n');
    const blocks = blocksOf(`${before}${indent}\`\`\`py\n${code}\n${indent}\`\`\`\n`);
    const shown = blocks.map(({ tokens }) => marked.parser(tokens)).join('');
    const inCode = [...shown.matchAll(/<code class="language-py">([^]*?)<\/code>/g)].map(([, text]) => text.trim()).join('\n');
    assert.equal(inCode, Array.from({ length: 600 }, (_, n) => `line_${n} = 1`).join('\n'), JSON.stringify(before));
  }
});

test('a cut never parts the two halves of a sign', () => {
  assert.equal(cutOf('🎉'.repeat(10), 7), 6);
  assert.equal(cutOf('ab cd ef', 7), 6);
  assert.equal(carriedInto('    words', 'words ', { type: 'paragraph', raw: 'words ' }), 'words');
});

test('each cut leaves less to read, however deep lists are', () => {
  for (const text of [
    Array.from({ length: 300 }, (_, n) => `${'  '.repeat(n)}- x`).join('\n'),
    `| ${'head '.repeat(900)} |\n| --- |\n${'| x |\n'.repeat(900)}`,
    `> ~~~ ${'info '.repeat(900)}\n${'> x\n'.repeat(900)}`,
  ]) {
    const blocks = blocksOf(text);
    assert.ok(blocks.length < text.length / 500, `${blocks.length} blocks`);
  }
});
