/** Every function as one small file: in a checkout made from the sources as they are now, in the package made before. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where Lambda finds a function: in the file `index.mjs` of its folder. */
export const HANDLER = 'index.handler';

/** Once for all stacks of a process. */
let made: string | undefined;

/** @returns a folder with a folder per function */
export function bundles(root: string): string {
  return existsSync(join(root, 'lambdas')) ? (made ??= bundleSources(root)) : join(root, 'dist', 'lambdas');
}

/** By a process of its own: constructs cannot wait for a promise. */
function bundleSources(root: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-lambdas-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const script = join(root, 'scripts', 'bundle-functions.mjs');
  const { status } = spawnSync(process.execPath, [script, folder], { stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error('the functions cannot be bundled: see above');
  return folder;
}
