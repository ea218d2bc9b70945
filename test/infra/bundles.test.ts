/** The functions as they are deployed: small, and whole. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FUNCTIONS, type FunctionRole, TRAINER } from '../../src/adapters/aws/names.js';

const ROOT = join(__dirname, '..', '..');
const KB = 1000;
/** A cold start reads all of it; what is new has to be worth its bytes. */
const ALL = [...FUNCTIONS, TRAINER];
const LIMITS: Readonly<Record<FunctionRole | typeof TRAINER, number>> = {
  api: 700 * KB,
  'mirror-agent': 500 * KB,
  sweeper: 500 * KB,
  applier: 500 * KB,
  health: 500 * KB,
  // The predictor in process is a tenth of it, and it alone asks endpoints.
  backfill: 570 * KB,
  'workflow-step': 600 * KB,
  'stream-provisioner': 600 * KB,
  trainer: 500 * KB,
};

jest.setTimeout(120_000);
const folder = mkdtempSync(join(tmpdir(), 'lockstep-bundles-'));
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(() => {
  execFileSync(process.execPath, [join(ROOT, 'scripts', 'bundle-functions.mjs'), folder]);
});

test('there is one for each function, and nothing else', () => {
  expect(readdirSync(folder).sort()).toEqual([...ALL].sort());
  for (const role of ALL) expect(readdirSync(join(folder, role))).toEqual(['index.mjs']);
});

test.each(Object.entries(LIMITS))('%s has at most %d bytes', (role, limit) => {
  expect(statSync(join(folder, role, 'index.mjs')).size).toBeLessThanOrEqual(limit);
});

test('each loads by itself, with nothing installed, and has a handler', () => {
  const config = { deployment: 'orders', site: 'east', sites: [{ name: 'east', region: 'us-east-1' }] };
  const program = ALL.map(
    (role) => `console.log('${role}', typeof (await import('./${role}/index.mjs')).handler);`,
  ).join('');
  const env = { PATH: process.env['PATH'], AWS_REGION: 'us-east-1', LOCKSTEP_CONFIG: JSON.stringify(config) };
  const told = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: folder, env });
  expect(told.toString().trim().split('\n')).toEqual(ALL.map((role) => `${role} function`));
});

test('handlers are thin', () => {
  for (const role of ALL) {
    const source = readFileSync(join(ROOT, 'lambdas', role, 'index.ts'), 'utf8');
    expect(source.trimEnd().split('\n').length).toBeLessThan(40);
  }
});
