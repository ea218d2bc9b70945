// npm run build: what is published, as JavaScript with types, into dist/.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, ROOT } from './lib/install.mjs';
import { toolPath } from './lib/tools.mjs';

ensureInstalled();
for (const folder of ['src', 'cli', 'lib', 'lambdas'])
  rmSync(join(ROOT, 'dist', folder), { recursive: true, force: true });
const tsc = [toolPath('typescript', 'tsc'), '-p', 'tsconfig.build.json'];
process.exitCode = spawnSync(process.execPath, tsc, { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
if (process.exitCode === 0) {
  // The functions as they are deployed by whoever uses the construct from the package.
  const bundle = [join('scripts', 'bundle-functions.mjs'), join(ROOT, 'dist', 'lambdas')];
  process.exitCode = spawnSync(process.execPath, bundle, { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
}
if (process.exitCode === 0) {
  const container = [join('scripts', 'bundle-container.mjs')];
  process.exitCode = spawnSync(process.execPath, container, { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
}
