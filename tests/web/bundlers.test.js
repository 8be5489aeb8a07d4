/**
 * The packed client in projects of Vite, Next and webpack, each as their users begin one, and what they build opened in
 * Chromium, where it asks a server. `TEST_FOREIGN=1`: npm fetches them.
 */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { ProtocolServer } from './support/protocol-server.js';

const run = promisify(execFile);
const client = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'orchestrator', 'web', 'client');
const skip = process.env['TEST_FOREIGN'] ? false : 'TEST_FOREIGN is not set';
let folder = '';
let packed = '';

before(async () => {
  if (skip) return;
  folder = await mkdtemp(join(tmpdir(), 'fanin-bundlers-'));
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: client });
  packed = join(folder, stdout.trim());
});
after(() => folder && rm(folder, { recursive: true, force: true }));

const ASK = `'use client';
import { createClient, type Client } from 'fanin-client';
import { useAgent, useRun } from 'fanin-client/react';
import { useEffect } from 'react';

const client: Client = createClient({ baseUrl: globalThis.location?.origin ?? 'http://127.0.0.1:9' });

export function Ask() {
  const { run, status, start } = useRun({ client });
  const agent = useAgent(run, 'a');
  const text: string | undefined = agent?.text;
  useEffect(() => void start({ message: 'hi', agents: ['a'] }), [start]);
  useEffect(() => {
    if (status === 'completed') void fetch('/seen', { method: 'POST', body: JSON.stringify(document.querySelector('button')?.innerText) });
  }, [status, text]);
  return <button onClick={() => void start({ message: 'hi', agents: ['a'] })}>{status} {text}</button>;
}
`;

/**
 * Make a project of *files* with *packages*, and build it.
 * @param {string} name
 * @param {string[]} packages
 * @param {Record<string, string>} files
 * @param {string[]} build
 */
async function built(name, packages, files, build) {
  const project = join(folder, name);
  for (const [path, text] of Object.entries({ 'package.json': '{"private": true, "type": "module"}', ...files })) {
    await mkdir(dirname(join(project, path)), { recursive: true });
    await writeFile(join(project, path), text);
  }
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', CI: '1' };
  await run('npm', ['install', '--no-audit', '--no-fund', '--silent', packed, 'react@19', 'react-dom@19', 'typescript@5', '@types/react@19', '@types/node@20', ...packages], { cwd: project, env });
  const said = await run('npx', build, { cwd: project, env }).catch((error) => assert.fail(`${error.stdout}\n${error.stderr}`));
  return { project, said: `${said.stdout}\n${said.stderr}` };
}

/** Every script below *place*, as one text. @param {string} place */
async function scripts(place) {
  const names = (await readdir(place, { recursive: true })).filter((name) => /\.js$/.test(name));
  return (await Promise.all(names.map((name) => readFile(join(place, name), 'utf8')))).join('\n');
}

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/**
 * Open what was built in a browser, beside a server that answers; return what the page says once its run is over.
 * @param {string} place
 */
async function opened(place) {
  const server = await new ProtocolServer().listen();
  server.onStart = ({ id }) => void setTimeout(() => (server.answer(id, 'a', 'hello from afar'), server.end(id)));
  /** @type {(said: unknown) => void} */
  let tell = () => {};
  const told = new Promise((resolve) => (tell = resolve));
  server.intercept = async ({ url, body }, response) => {
    if (url.startsWith('/v1/')) return false;
    if (url === '/seen') tell(body);
    const file = url === '/' ? '/index.html' : new URL(url, server.url).pathname;
    const found = await readFile(join(place, file)).catch(() => null);
    response.writeHead(found === null ? 404 : 200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(found);
    return true;
  };
  const profile = await mkdtemp(join(folder, 'chromium-'));
  // As in CI: there the browser runs as root, where its sandbox does not start. The page is our own.
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run', `--user-data-dir=${profile}`, '--remote-debugging-port=0'];
  const browser = spawn('chromium', [...flags, server.url], { stdio: 'ignore' });
  const gone = new Promise((resolve) => browser.on('exit', resolve));
  try {
    return await Promise.race([told, gone.then(() => assert.fail('the browser has gone'))]);
  } finally {
    browser.kill();
    await gone;
    await server.close();
  }
}

test('Vite bundles it, and the worker that tabs share', { skip }, async () => {
  const { project, said } = await built('vite', ['vite@6', '@vitejs/plugin-react@4'], {
    'vite.config.js': "import react from '@vitejs/plugin-react';\nexport default { plugins: [react()] };\n",
    'index.html': '<div id="app"></div><script type="module" src="/main.tsx"></script>',
    'main.tsx': `import { createRoot } from 'react-dom/client';\nimport { Ask } from './ask';\ncreateRoot(document.getElementById('app')!).render(<Ask />);\n`,
    'ask.tsx': ASK,
  }, ['vite', 'build']);
  assert.doesNotMatch(said, /warn/i);
  assert.match(await scripts(join(project, 'dist')), /last-event-id/i);
  assert.equal(await opened(join(project, 'dist')), 'completed hello from afar');
});

test('Next builds a page that uses it, types checked', { skip }, async () => {
  const { project, said } = await built('next', ['next@16'], {
    'next.config.mjs': "export default { output: 'export' };\n",
    'app/layout.tsx': `export default function Layout({ children }: { children: React.ReactNode }) { return <html lang="en"><body>{children}</body></html>; }\n`,
    'app/page.tsx': `import { Ask } from './ask';\nexport default function Page() { return <Ask />; }\n`,
    'app/ask.tsx': ASK,
  }, ['next', 'build']);
  assert.match(said, /Finished TypeScript/);
  assert.match(await scripts(join(project, '.next', 'static')), /last-event-id/i);
  assert.equal(await opened(join(project, 'out')), 'completed hello from afar');
});

test('webpack bundles it without a warning', { skip }, async () => {
  const { project, said } = await built('webpack', ['webpack@5', 'webpack-cli@6'], {
    'dist/index.html': '<script src="main.js"></script>',
    'src/index.js': `import { createClient } from 'fanin-client';
import { useRun } from 'fanin-client/react';
const run = await createClient({ baseUrl: location.origin }).start({ message: 'hi', agents: ['a'] });
const { status, agents } = await run.result();
await fetch('/seen', { method: 'POST', body: JSON.stringify([typeof useRun, status, agents.a.text].join(' ')) });
`,
  }, ['webpack', 'build', '--mode', 'production']);
  assert.doesNotMatch(said, /warning/i);
  assert.match(await scripts(join(project, 'dist')), /last-event-id/i);
  assert.equal(await opened(join(project, 'dist')), 'function completed hello from afar');
});
