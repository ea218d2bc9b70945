/** Every function as one small file, and the program of the predictor's container: in a checkout made from the sources as they are now, in the package made before. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where Lambda finds a function: in the file `index.mjs` of its folder. */
export const HANDLER = 'index.handler';

/** Once for all stacks of a process. */
let made: string | undefined;
let madeContainer: string | undefined;

/** @returns a folder with a folder per function */
export function bundles(root: string): string {
  return isCheckout(root) ? (made ??= bundleSources(root, 'functions')) : join(root, 'dist', 'lambdas');
}

/** @returns a folder with all that the image of the predictor is built from */
export function containerBundle(root: string): string {
  return isCheckout(root) ? (madeContainer ??= bundleSources(root, 'container')) : join(root, 'dist', 'container');
}

const isCheckout = (root: string): boolean => existsSync(join(root, 'lambdas'));

/** By a process of its own: constructs cannot wait for a promise. */
function bundleSources(root: string, what: 'functions' | 'container'): string {
  const folder = mkdtempSync(join(tmpdir(), `lockstep-${what}-`));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const script = join(root, 'scripts', `bundle-${what}.mjs`);
  const { status } = spawnSync(process.execPath, [script, folder], { stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`the ${what} cannot be bundled: see above`);
  return folder;
}
