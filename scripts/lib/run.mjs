// Runs tools and jest for the scripts, and says how it went.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './install.mjs';
import { toolPath } from './tools.mjs';

/** Runs jest with these arguments and counts its tests. */
export async function runJest(args) {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-test-'));
  try {
    const report = join(folder, 'jest.json');
    const { ok, ms } = await run('jest', 'tests', [toolPath('jest'), ...args, '--json', '--outputFile', report]);
    return { name: 'jest', ms, ...countsOf(report, ok) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A test file that cannot run, or jest failing for a reason of its own, is a failure too. */
function countsOf(report, ok) {
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0 };
  const counts = JSON.parse(readFileSync(report, 'utf8'));
  const failed = counts.numFailedTests + counts.numRuntimeErrorTestSuites;
  return {
    passed: counts.numPassedTests,
    failed: failed === 0 && !ok ? 1 : failed,
    skipped: counts.numPendingTests + counts.numTodoTests,
  };
}

/** Runs a script with Node, its output shown. */
export async function run(name, what, command) {
  console.log(`\n--- ${name}: ${what}`);
  const start = performance.now();
  const status = await new Promise((resolve) => {
    const child = spawn(process.execPath, command, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', () => resolve(1)).once('exit', (code) => resolve(code ?? 1));
  });
  const ms = performance.now() - start;
  console.log(`${status === 0 ? 'ok' : 'FAILED'} after ${seconds(ms)}`);
  return { ok: status === 0, ms };
}

/** The counts as the last line of a script. */
export function line(passed, failed, skipped) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
