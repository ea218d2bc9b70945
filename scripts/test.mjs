// npm test: every check of this repository and all tests. `npm test -- commit` runs only the tests that jest finds for
// these arguments, `npm run check` only the static checks. The last line counts: each test, and each check as one.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, ROOT } from './lib/install.mjs';
import { line, run, runJest, seconds } from './lib/run.mjs';
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

/** tsc remembers what it checked; it notices every change by content. */
function cached(project) {
  return ['-p', project, '--incremental', '--tsBuildInfoFile', `node_modules/.cache/tsc/${project}.tsbuildinfo`];
}
