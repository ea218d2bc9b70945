/** Every function as one small file: in a checkout made from the sources as they are now, in the package made before. */
import { existsSync, mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as Esbuild from 'esbuild';
import { FUNCTIONS } from '../src/adapters/aws/names.js';

/** The file in each function's folder, and what Lambda calls in it. */
export const BUNDLE_FILE = 'index.mjs';
export const HANDLER = 'index.handler';

/** Once for all stacks of a process. */
let made: string | undefined;

/** @returns a folder with a folder per function */
export function bundles(root: string): string {
  const built = join(root, 'dist', 'lambdas');
  if (!existsSync(join(root, 'lambdas'))) return built;
  made ??= bundleFunctions(root, mkdtempSync(join(tmpdir(), 'lockstep-lambdas-')));
  return made;
}

export function bundleFunctions(root: string, outdir: string): string {
  const { buildSync } = createRequire(join(root, 'package.json'))('esbuild') as typeof Esbuild;
  buildSync({ ...bundleOptions(root), outdir });
  return outdir;
}

/** Whatever makes a bundle small makes a cold start short. */
export function bundleOptions(root: string): Esbuild.BuildOptions {
  return {
    absWorkingDir: root,
    entryPoints: Object.fromEntries(FUNCTIONS.map((role) => [`${role}/index`, `lambdas/${role}/index.ts`])),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    minify: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    // ES modules first: only of them can what is not used be left out.
    mainFields: ['module', 'main'],
    conditions: ['module', 'import'],
    legalComments: 'none',
    // What is still CommonJS inside asks for Node's own modules by `require`.
    banner: { js: "import{createRequire as r}from'node:module';const require=r(import.meta.url);" },
    logLevel: 'warning',
  };
}
