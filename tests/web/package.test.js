/** The client as it is published: packed by npm, unpacked into a project of somebody else's, and used there. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, 'node_modules');
let project = '';

before(async () => {
  project = await mkdtemp(join(tmpdir(), 'fanin-'));
  const place = join(project, 'node_modules', 'fanin-client');
  await mkdir(place, { recursive: true });
  const client = join(here, '..', '..', 'orchestrator', 'web', 'client');
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', project], { cwd: client });
  await run('tar', ['-xzf', join(project, stdout.trim()), '-C', place, '--strip-components=1']);
  // A copy of its own beside the client's, as a project has it: the client must find no other.
  await mkdir(join(project, 'node_modules', '@types'));
  for (const name of ['react', '@types/react', '@types/node', 'csstype', 'undici-types']) {
    await symlink(join(modules, name), join(project, 'node_modules', name));
  }
  await writeFile(join(project, 'package.json'), '{"type": "module"}');
});
after(() => rm(project, { recursive: true, force: true }));

const USE = `
import { ClientError, createClient } from 'fanin-client';
import { SseParser } from 'fanin-client/parser';
import { useAgent, useRun } from 'fanin-client/react';

export const client = createClient({ baseUrl: 'http://127.0.0.1:9' });
export const found = [ClientError, useAgent, useRun].map((each) => String(typeof each));
for (const event of new SseParser().feed('event: a.token\\ndata: 1\\n\\n')) found.push(event.event);
`;

test('it has its licence, its types, and nothing of the tests', async () => {
  const place = join(project, 'node_modules', 'fanin-client');
  const files = await readdir(place, { recursive: true });
  for (const needed of ['LICENSE', 'README.md', 'client.js', 'react.js', 'types/client.d.ts', 'types/react.d.ts']) assert.ok(files.includes(needed), needed);
  assert.deepEqual(files.filter((name) => /test|node_modules/.test(name)), []);
  const about = JSON.parse(await readFile(join(place, 'package.json'), 'utf8'));
  assert.equal(about.dependencies, undefined);
  for (const { types, default: code } of Object.values(about.exports).filter((entry) => typeof entry !== 'string')) {
    for (const file of [types, code]) assert.ok(files.includes(file.slice(2)), file);
  }
});

test('Node takes it as it is, with the project’s own React', async () => {
  await writeFile(join(project, 'use.mjs'), `${USE}\nconsole.log(JSON.stringify(found)); client.close();`);
  const { stdout } = await run(process.execPath, ['use.mjs'], { cwd: project });
  assert.deepEqual(JSON.parse(stdout), ['function', 'function', 'function', 'a.token']);
});

for (const [module, moduleResolution] of [['nodenext', 'nodenext'], ['esnext', 'bundler']]) {
  test(`its types are found and are strict with moduleResolution ${moduleResolution}`, async () => {
    const wrong = `${USE}\nimport type { AgentState, RunEvent, RunState } from 'fanin-client';\nconst run = await client.start({ message: 'hi', agents: ['a'] });\nconst agent: AgentState | undefined = run.getAgent('a');\nconst text: string | undefined = agent?.text;\nconst state: RunState = run.getSnapshot();\nrun.on('*', (event: RunEvent) => console.log(event.name, state.status));\n// @ts-expect-error a message is needed\nawait client.start({});\nexport { text };\n`;
    await writeFile(join(project, `${moduleResolution}.ts`), wrong);
    const options = { strict: true, noEmit: true, skipLibCheck: true, target: 'es2022', lib: ['es2023', 'dom', 'dom.iterable'], module, moduleResolution, types: [] };
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: [`${moduleResolution}.ts`] }));
    const compiler = join(modules, 'typescript', 'bin', 'tsc');
    const { stdout } = await run(process.execPath, [compiler, '-p', project]).catch((error) => error);
    assert.equal(stdout, '');
  });
}

test('esbuild bundles it for a browser with one React', async (t) => {
  const esbuild = await import('esbuild').catch(() => null);
  if (esbuild === null) return t.skip('esbuild is not installed here: npm ci');
  const entry = join(project, 'page.mjs');
  await writeFile(entry, `${USE}\nimport { version } from 'react';\nconsole.log(version, client, found);`);
  const { metafile, warnings } = await esbuild.build({ entryPoints: [entry], bundle: true, format: 'esm', platform: 'browser', write: false, metafile: true, absWorkingDir: project, logLevel: 'silent' });
  assert.deepEqual(warnings, []);
  const reacts = Object.keys(metafile.inputs).filter((name) => /react[/]index[.]js$/.test(name));
  assert.equal(reacts.length, 1);
});
