/**
 * Makes what a browser is served as the page out of `orchestrator/web/page`: one script and one style, beside them
 * the SharedWorker, and what is fetched only when it is wanted. Run `npm run bundle` after changing anything in
 * `orchestrator/web`; `bundle.test.js` holds both together. `npm run bundle -- --watch` goes on doing so, and `--plain`
 * leaves the names as they are, for a debugger. The JavaScript client itself needs none of this.
 */

import { mkdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

import { rollup } from '@rollup/wasm-node';
import { minify } from 'terser';

const web = join(dirname(fileURLToPath(import.meta.url)), '../../orchestrator/web');
export const folder = join(web, 'bundle');

const STYLES = ['page.css', 'prose.css'];

/** Styles of what most visits never open: fetched with the script beside which they lie. */
const LATE_STYLES = ['scores/scores.css', 'history/history.css', 'run/panel.css', 'dialogs.css'];

/** Libraries keep their names, versions and licences beside the bundle, where they are served too. */
const BANNER = '/*! Licences: ../vendor/manifest.json */';

/**
 * Name a script after its source: `page/panel/card.js` is `panel-card.js`. A name that changed with the content would
 * rename thirty files for one changed line; browsers ask by ETag whether they have the newest.
 * @param {import('@rollup/wasm-node').PreRenderedChunk} chunk
 */
function nameOf({ facadeModuleId }) {
  if (facadeModuleId === null) return 'shared.js'; // what the page and the worker both need
  const folders = relative(web, dirname(facadeModuleId)).split(sep).slice(1);
  const file = basename(facadeModuleId, '.js');
  const room = folders.at(-1) ?? file;
  return file === room || file.startsWith(`${room}-`) ? `${file}.js` : `${room}-${file}.js`;
}

/** In the page's own files nothing but htm's templates is indented for the eye, and htm does not need it. */
const withoutIndents = {
  name: 'without-indents',
  transform: (/** @type {string} */ code, /** @type {string} */ id) =>
    id.startsWith(join(web, 'page')) ? { code: code.replace(/\n[ \t]+/g, '\n'), map: null } : null,
};

const minified = {
  name: 'minified',
  async renderChunk(/** @type {string} */ code, /** @type {import('@rollup/wasm-node').RenderedChunk} */ { moduleIds }) {
    const preamble = moduleIds.some((id) => id.startsWith(join(web, 'vendor'))) ? BANNER : '';
    const compress = { passes: 3, ecma: 2020, pure_getters: true };
    const small = await minify(code, { module: true, ecma: 2020, compress, format: { preamble, comments: false } });
    return { code: `${small.code}\n`, map: null };
  },
};

/**
 * Return every file of the bundle by its name.
 * @param {{plain?: boolean}} options plain: readable, for a debugger; not to be committed.
 * @returns {Promise<Map<string, string>>}
 */
export async function bundle({ plain = false } = {}) {
  const made = await rollup({
    input: { page: join(web, 'page/main.js'), 'shared-worker': join(web, 'client/sharing/shared-worker.js') },
    plugins: plain ? [] : [withoutIndents, minified],
    onwarn: ({ message }) => {
      throw new Error(message);
    },
  });
  const { output } = await made.generate({
    format: 'es',
    entryFileNames: '[name].js',
    chunkFileNames: nameOf,
    // A page that stays open while the server gets a newer one fetches newer parts. By their real names, a part finds
    // what it was written for, or it fails to load and the page says so (`lazy.js`); by letters it would find others.
    minifyInternalExports: false,
    hoistTransitiveImports: false,
  });
  await made.close();
  const scripts = output.filter((part) => part.type === 'chunk');
  const style = minifyStyle(STYLES.map((name) => read(`page/${name}`)).join('\n'));
  const page = scripts.find(({ fileName }) => fileName === 'page.js');
  if (page === undefined) throw new Error('there is no page');
  return new Map([
    ['index.html', pointTo(read('index.html'), page)],
    ['page.css', style],
    ...LATE_STYLES.map((name) => /** @type {[string, string]} */ ([basename(name), minifyStyle(read(`page/${name}`))])),
    ['icon.svg', read('page/icon.svg')],
    ...scripts.map(({ fileName, code }) => /** @type {[string, string]} */ ([fileName, code])),
  ]);
}

/** @param {string} path */
const read = (path) => readFileSync(join(web, path), 'utf8');

/**
 * Have the markup of the sources load the bundle.
 * @param {string} markup
 * @param {import('@rollup/wasm-node').OutputChunk} page
 */
function pointTo(markup, page) {
  const [first, ...others] = STYLES.map((name) => `<link rel="stylesheet" href="web/page/${name}">\n`);
  const script = '<script type="module" src="web/page/main.js"></script>\n';
  const preloads = page.imports.map((name) => `<link rel="modulepreload" href="web/bundle/${name}">\n`);
  const changes = [
    ['href="web/page/icon.svg"', 'href="web/bundle/icon.svg"'],
    [first, '<link rel="stylesheet" href="web/bundle/page.css">\n'],
    ...others.map((link) => [link, '']),
    [script, `${preloads.join('')}<script type="module" src="web/bundle/${page.fileName}"></script>\n`],
  ];
  return changes.reduce((text, [before = '', after = '']) => {
    if (text.split(before).length !== 2) throw new Error(`index.html should have once: ${before}`);
    return text.replace(before, () => after);
  }, markup);
}

/** Drop comments and spaces that mean nothing; strings in our styles hold none of these. @param {string} style */
export function minifyStyle(style) {
  return `${style
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{};,]) ?/g, '$1')
    .replace(/([a-z-]): /g, '$1:')
    .replaceAll(';}', '}')
    .trim()}\n`;
}

/** @param {string} text Bytes that go over the wire. */
export function packed(text) {
  return gzipSync(text, { level: 9 }).length;
}

async function write() {
  const files = await bundle({ plain: process.argv.includes('--plain') });
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of files) {
    writeFileSync(join(folder, name), text);
    console.log(`${String(packed(text)).padStart(7)}  ${name}`);
  }
  console.log(`${String([...files.values()].reduce((sum, text) => sum + packed(text), 0)).padStart(7)}  in all, compressed`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await write();
  if (process.argv.includes('--watch')) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let soon;
    const again = () => {
      clearTimeout(soon);
      soon = setTimeout(() => void write().catch(({ message }) => console.error(message)), 100);
    };
    for (const sources of ['client', 'page']) watch(join(web, sources), { recursive: true }, again);
    // Not all that lies here: the bundle, which is written by this, would be made for ever.
    watch(web, (_event, name) => void (name === 'index.html' && again()));
  }
}
