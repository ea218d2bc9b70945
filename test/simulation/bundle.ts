import { mkdirSync, mkdtempSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Plugin, build } from 'esbuild';
import { type Mutation, mutated } from '../mutations.js';

/** Where the repository lies: the launcher says so. */
const ROOT = process.env['LOCKSTEP_PACKAGE_ROOT'] ?? process.cwd();
const FOLDER = join(ROOT, 'dist', '.simulation');

/**
 * Bundles the simulator's worker with the sources as they are, or with one rule of the protocol broken.
 *
 * @returns the file for a worker process
 */
export async function bundleWorker(mutation?: Mutation): Promise<string> {
  mkdirSync(FOLDER, { recursive: true });
  const outfile = join(mkdtempSync(join(FOLDER, 'worker-')), 'worker.mjs');
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['test/simulation/worker.ts'],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
    plugins: mutation ? [breaking(mutation)] : [],
  });
  return outfile;
}

/** Replaces the text that keeps a rule while its file is read. */
function breaking(mutation: Mutation): Plugin {
  const path = resolve(ROOT, mutation.file);
  return {
    name: 'break a rule',
    setup: ({ onLoad }) => {
      onLoad({ filter: /\.ts$/ }, async (args) => {
        if (resolve(args.path) !== path) return undefined;
        return { contents: mutated(mutation, await readFile(path, 'utf8')), loader: 'ts' };
      });
    },
  };
}
