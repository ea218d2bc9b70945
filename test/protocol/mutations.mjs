/**
 * Whether the tests of the protocol would notice: each rule (test/mutations.ts) is broken in a copy of the sources, and
 * some test has to fail; where none names the rule, the simulation has to find it. `node test/protocol/mutations.mjs
 * [--only NAME] [--seeds 100]`
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importTypeScript } from '../../scripts/lib/bundle.mjs';

const ROOT = join(import.meta.dirname, '../..');
/** What a test run may take that nothing is broken in. A broken rule may hang: then it is found by the time limit. */
const SANE_LIMIT_MS = 600_000;
/** So many times as long as without a mutation, on this machine and now. */
const LIMIT_FACTOR = 4;
let limitMs = SANE_LIMIT_MS;

function argument(name) {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

/** A copy of what the tests need; the working tree is never touched. */
function copyTree() {
  const copy = mkdtempSync(join(tmpdir(), 'lockstep-mutations-'));
  for (const name of ['src', 'test/protocol', 'test/support', 'jest.config.mjs', 'package.json', 'tsconfig.json']) {
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** The scenarios first: they name the rule. The simulation only where no scenario fails. */
function firstFailure(copy, name, seeds) {
  return firstScenario(copy) ?? (name === undefined ? undefined : firstSeed(name, seeds));
}

function firstScenario(copy) {
  const jest = join(copy, 'node_modules/jest/bin/jest.js');
  const ended = run([jest, 'test/protocol', '--bail', '--silent', '--runInBand'], copy);
  if (ended.error?.code === 'ETIMEDOUT') return 'the time limit';
  if (ended.status === 0) return undefined;
  const output = `${ended.stdout}\n${ended.stderr}`;
  const failed = /● .*›.*|● Test suite failed to run[\s\S]{0,300}/.exec(output)?.[0];
  return failed?.replace(/^●\s*/, '') ?? output.slice(0, 300);
}

function firstSeed(name, seeds) {
  const simulate = ['scripts/run-ts.mjs', 'test/simulation/main.ts', '--mutation', name, '--seeds', seeds, '--first'];
  const { status, stdout } = run(simulate, ROOT);
  return status === 0 ? undefined : `the simulation: ${/^seed \d+: .*/m.exec(stdout)?.[0] ?? stdout.slice(0, 300)}`;
}

function run(args, cwd) {
  return spawnSync(process.execPath, args, {
    cwd,
    encoding: 'utf8',
    timeout: limitMs,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function tryMutation(mutation, copy, seeds) {
  const { name, file } = mutation;
  const path = join(copy, file);
  const before = readFileSync(path, 'utf8');
  writeFileSync(path, mutated(mutation, before));
  const found = firstFailure(copy, name, seeds);
  writeFileSync(path, before);
  const broken = found?.startsWith('Test suite failed') ?? false;
  return { name, file, found: broken ? undefined : found, why: broken ? found : 'no test fails' };
}

const only = argument('--only');
const seeds = argument('--seeds') ?? '100';
const { MUTATIONS, mutated } = await importTypeScript('test/mutations.ts');
const copy = copyTree();
let tried = 0;
let missed = 0;
try {
  const startMs = Date.now();
  const sane = firstFailure(copy);
  limitMs = LIMIT_FACTOR * (Date.now() - startMs);
  if (sane !== undefined) {
    console.log(`without any mutation a test fails: ${sane}`);
    process.exit(1);
  }
  console.log('rule | mutation | found by');
  for (const mutation of MUTATIONS.filter(({ name }) => only === undefined || name.startsWith(only))) {
    const { name, file, found, why } = tryMutation(mutation, copy, seeds);
    tried += 1;
    if (found === undefined) missed += 1;
    console.log(`${name} | ${file} | ${found ?? `NOT FOUND: ${why}`}`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`${tried - missed} of ${tried} found`);
process.exit(missed === 0 && tried > 0 ? 0 : 1);
