// npm test: every check of this repository and all tests. `npm test -- commit` runs only the tests that jest finds for
// these arguments, `npm run check` only the static checks. The last line counts: each test, and each check as one.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureInstalled, ROOT } from './lib/install.mjs';
import { toolPath } from './lib/tools.mjs';

const CODE = ['src', 'cli', 'examples', 'test', 'bin', 'lib', 'lambdas'].filter((folder) =>
  existsSync(join(ROOT, folder)),
);

/** Name, what it looks for, package, command, arguments. */
const CHECKS = [
  ['prettier', 'formatting (npm run format)', 'prettier', 'prettier', ['--check', '--log-level=warn', '.']],
  ['eslint', 'code rules', 'eslint', 'eslint', ['.']],
  [
    'layers',
    'who may import whom',
    'dependency-cruiser',
    'depcruise',
    [...CODE, '--config', '.dependency-cruiser.cjs'],
  ],
  ['knip', 'unused files, exports and packages', 'knip', 'knip', ['--no-progress', '--no-config-hints']],
  ['tsc', 'types, tests included', 'typescript', 'tsc', cached('tsconfig.json')],
  ['tsc (build)', 'types of what is published', 'typescript', 'tsc', [...cached('tsconfig.build.json'), '--noEmit']],
];

const parameters = process.argv.slice(2);
const checksOnly = parameters[0] === '--checks-only';
const testsOnly = parameters.length > 0 && !checksOnly;

ensureInstalled();
const results = [];
if (!testsOnly) {
  for (const [name, what, packageName, command, args] of CHECKS) {
    const { ok, ms } = await run(name, what, [toolPath(packageName, command), ...args]);
    results.push({ name, ms, passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 });
  }
}
if (!checksOnly) results.push(await runJest(parameters));
summarise(results);

async function runJest(args) {
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

async function run(name, what, command) {
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

function summarise(rows) {
  console.log('');
  for (const { name, ms, passed, failed, skipped } of rows) {
    console.log(
      `${failed === 0 ? 'ok    ' : 'FAILED'} ${name.padEnd(12)}${seconds(ms).padStart(8)}   ${line(passed, failed, skipped)}`,
    );
  }
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  console.log(`\n${line(sum('passed'), sum('failed'), sum('skipped'))}`);
  process.exitCode = sum('failed') === 0 ? 0 : 1;
}

function line(passed, failed, skipped) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** tsc remembers what it checked; it notices every change by content. */
function cached(project) {
  return ['-p', project, '--incremental', '--tsBuildInfoFile', `node_modules/.cache/tsc/${project}.tsbuildinfo`];
}
