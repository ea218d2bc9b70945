// npm run measure:init: bundles the functions and tells how many bytes each has and how long Node takes to load it, the
// median of several processes. It is to stay under 250 ms; nothing fails here, since machines differ.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, ROOT } from './lib/install.mjs';

const RUNS = 7;
const CONFIG = { deployment: 'orders', site: 'east', sites: [{ name: 'east', region: 'us-east-1' }] };

ensureInstalled();
const folder = mkdtempSync(join(tmpdir(), 'lockstep-init-'));
try {
  spawnSync(process.execPath, [join(ROOT, 'scripts', 'bundle-functions.mjs'), folder], { stdio: 'inherit' });
  for (const name of readdirSync(folder)) {
    const file = join(folder, name, 'index.mjs');
    const times = Array.from({ length: RUNS }, () => load(file)).sort((a, b) => a - b);
    const median = times[Math.floor(RUNS / 2)];
    console.log(
      `${name.padEnd(20)}${String(statSync(file).size).padStart(9)} bytes${median.toFixed(0).padStart(6)} ms`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function load(file) {
  const program = `const t = performance.now(); await import(${JSON.stringify(pathToFileURL(file).href)}); console.log(performance.now() - t);`;
  const env = { ...process.env, AWS_REGION: 'us-east-1', LOCKSTEP_CONFIG: JSON.stringify(CONFIG) };
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: folder, env });
  return Number(stdout.toString());
}
