// npm run build: what is published, as JavaScript with types, into dist/.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, ROOT } from './lib/install.mjs';
import { toolPath } from './lib/tools.mjs';

ensureInstalled();
for (const folder of ['src', 'cli']) rmSync(join(ROOT, 'dist', folder), { recursive: true, force: true });
const tsc = [toolPath('typescript', 'tsc'), '-p', 'tsconfig.build.json'];
process.exitCode = spawnSync(process.execPath, tsc, { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
