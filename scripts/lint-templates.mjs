// npm run lint:templates: synthesises the stacks, for AWS with all that there is and for an emulator, and has cfn-lint look at the templates.
//
// cfn-lint is a Python program. It is installed once, into a folder of its own in the user's cache; where there is no
// Python, that is said and nothing is linted. Arguments are folders with templates, to be linted as they are.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureInstalled, ROOT } from './lib/install.mjs';

const VERSION = '1.58.0';
/** W3005: CDK names every dependency in full, also those that follow from others. */
const IGNORED = ['W3005'];
const VARIANTS = { aws: { endpoint: 'true' }, emulator: { local: 'true' } };

const venv = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'lockstep', `cfn-lint-${VERSION}`);
const bin = join(venv, process.platform === 'win32' ? 'Scripts' : 'bin');

ensureInstalled();
const python = ['python3', 'python'].find((name) => run(name, ['-m', 'venv', '--help'], 'ignore') === 0);
if (python === undefined) {
  console.log('There is no Python with venv here: the templates are not linted.\n0 passed, 0 failed, 1 skipped');
} else if (!install(python)) {
  console.log(`cfn-lint ${VERSION} cannot be installed: see above.\n0 passed, 1 failed`);
  process.exitCode = 1;
} else {
  const given = process.argv.slice(2);
  const results = given.length > 0 ? given.map((folder) => lint(folder)) : Object.entries(VARIANTS).map(synthAndLint);
  const passed = results.filter(Boolean).length;
  console.log(`${passed} passed, ${results.length - passed} failed`);
  process.exitCode = passed === results.length ? 0 : 1;
}

function install(python) {
  if (existsSync(join(bin, 'cfn-lint')) || existsSync(join(bin, 'cfn-lint.exe'))) return true;
  console.log(`Installing cfn-lint ${VERSION} into ${venv} …`);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `cfn-lint==${VERSION}`];
  const installed = run(python, ['-m', 'venv', venv]) === 0 && run(join(bin, 'python'), pip) === 0;
  if (!installed) rmSync(venv, { recursive: true, force: true });
  return installed;
}

function synthAndLint([name, context]) {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-templates-'));
  try {
    console.log(`--- ${name}`);
    const env = { CDK_OUTDIR: folder, CDK_CONTEXT_JSON: JSON.stringify(context) };
    if (run(process.execPath, ['scripts/run-ts.mjs', 'bin/lockstep.ts'], 'inherit', env) !== 0) return false;
    return lint(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function lint(folder) {
  const templates = readdirSync(folder).filter((file) => file.endsWith('.template.json'));
  const parameters = ['--ignore-checks', ...IGNORED, '--', ...templates.map((file) => join(folder, file))];
  const ok = templates.length > 0 && run(join(bin, 'cfn-lint'), parameters) === 0;
  console.log(`${templates.length} templates ${ok ? 'are fine' : 'are not'}`);
  return ok;
}

function run(command, parameters, stdio = 'inherit', env = {}) {
  return spawnSync(command, parameters, { cwd: ROOT, stdio, env: { ...process.env, ...env } }).status ?? 1;
}
