// Runs TypeScript through esbuild, with a cache that cannot be stale: a bundle's name holds the hash of every source that
// could be in it.
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from './install.mjs';

const CACHE = join(ROOT, 'dist', '.bundles');
const UNUSED_MS = 24 * 60 * 60 * 1000;
/** Every kind of file that esbuild takes without being told how. */
const SOURCE = /\.([mc]?[jt]s|[jt]sx|json|css|txt)$/;
const ALWAYS = ['package.json', 'package-lock.json', 'tsconfig.json', 'scripts/lib/bundle.mjs'];
/** What an entry's folder uses beside `src` and `cli`: folders, and files of the top level. */
const USES = { bin: ['lib', 'lockstep.config.ts'], test: ['lib'] };

/**
 * Bundles a TypeScript file, unless that was done before, and imports it.
 *
 * @param {string} entry path from the repository's root, such as `cli/main.ts`
 */
export async function importTypeScript(entry) {
  const path = await bundle(entry.split(sep).join('/'));
  process.setSourceMapsEnabled(true);
  return import(pathToFileURL(path).href);
}

/** @returns {Promise<string>} the file to import */
async function bundle(entry) {
  if (!/^[^./][^/]*\/.+\.ts$/.test(entry) || !existsSync(join(ROOT, entry)))
    throw new Error(`${entry}: no TypeScript file in a folder of ${ROOT}`);
  const folder = entry.slice(0, entry.indexOf('/'));
  const folders = [...new Set(['src', 'cli', folder, ...(USES[folder] ?? [])])];
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    const hash = hashOf(entry, folders);
    const done = join(CACHE, `${entry.slice(0, -3).replaceAll('/', '-')}-${hash}`);
    if (markUsed(done)) return join(done, 'main.mjs');

    const draft = join(CACHE, `.draft-${randomUUID()}`);
    try {
      await build(entry, folders, draft);
      // A source that was saved meanwhile would be in the bundle of another hash.
      if (hashOf(entry, folders) !== hash) continue;
      moveInto(draft, done);
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
    removeUnused();
    return join(done, 'main.mjs');
  }
  throw new Error('the sources kept changing while they were bundled');
}

async function build(entry, folders, outdir) {
  const esbuild = await import('esbuild').catch(() => stop('esbuild is not installed: run `npm ci --include=dev`'));
  const { metafile } = await esbuild
    .build({
      absWorkingDir: ROOT,
      entryPoints: { main: entry },
      outdir,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      target: 'node20',
      sourcemap: true,
      sourcesContent: false,
      metafile: true,
      logLevel: 'warning',
    })
    .catch(() => stop(`${entry} cannot be bundled: see above`));
  const stray = Object.keys(metafile.inputs).find((path) => !folders.includes(path.split('/')[0]));
  if (stray !== undefined) throw new Error(`${entry} imports ${stray}, outside of ${folders.join(', ')}`);
}

function stop(reason) {
  console.error(reason);
  process.exit(1);
}

/** The whole folder appears at once. Another process may have been faster: its bundle is the same. */
function moveInto(draft, done) {
  try {
    renameSync(draft, done);
  } catch (error) {
    if (!existsSync(done)) throw error;
  }
}

function markUsed(folder) {
  try {
    const now = new Date();
    utimesSync(folder, now, now);
    return true;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    return existsSync(folder); // not ours to touch, but there
  }
}

function removeUnused() {
  for (const name of readdirSync(CACHE)) {
    const path = join(CACHE, name);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > UNUSED_MS) rmSync(path, { recursive: true, force: true });
  }
}

function hashOf(entry, folders) {
  const hash = createHash('sha256');
  hash.update(`${entry}\0`);
  for (const path of [...ALWAYS, ...folders.flatMap(sourcesIn)]) {
    const content = readFileSync(join(ROOT, path));
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex').slice(0, 32);
}

function sourcesIn(folder) {
  if (statSync(join(ROOT, folder)).isFile()) return [folder];
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true });
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return sourcesIn(path);
      return SOURCE.test(entry.name) ? [path] : [];
    });
}
