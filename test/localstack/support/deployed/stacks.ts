import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SITES } from './names.js';

const ROOT = join(__dirname, '..', '..', '..', '..');
const APP = 'node scripts/run-ts.mjs test/localstack/support/deployed/app.ts';
const ACCOUNT = '000000000000';

export interface Stacks {
  /** Where each site's API is, by the site's name. */
  readonly endpoints: Readonly<Record<string, string>>;
  destroy(): Promise<void>;
}

/** Deploys the app of this test as anyone would: `cdklocal bootstrap`, `cdklocal deploy --all`. */
export async function deployStacks(environment: Readonly<Record<string, string>>): Promise<Stacks> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-deployed-'));
  const outputs = join(folder, 'outputs.json');
  const cdklocal = (...args: string[]) => run(args, environment);
  const app = ['--app', APP, '--output', join(folder, 'cdk.out')];
  await cdklocal('bootstrap', ...SITES.map(({ region }) => `aws://${ACCOUNT}/${region}`), '--app', '');
  await cdklocal('deploy', '--all', '--require-approval', 'never', '--outputs-file', outputs, ...app);
  const stacks = Object.values(JSON.parse(readFileSync(outputs, 'utf8')) as Record<string, Record<string, string>>);
  const endpoints = SITES.map(({ name }) => {
    const stack = stacks.find(({ AlarmTopic }) => AlarmTopic?.endsWith(`-${name}-alarms`));
    return [name, stack?.['Endpoint'] ?? ''] as const;
  });
  return {
    endpoints: Object.fromEntries(endpoints),
    destroy: async () => {
      await cdklocal('destroy', '--all', '--force', ...app);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** @throws Error with all that it said, where it fails */
async function run(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<void> {
  const said: Buffer[] = [];
  const command = join(ROOT, 'node_modules', '.bin', 'cdklocal');
  const child = spawn(command, args, {
    cwd: ROOT,
    env: {
      ...process.env,
      AWS_REGION: SITES[0].region,
      AWS_DEFAULT_REGION: SITES[0].region,
      CI: 'true',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => said.push(chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`cdklocal ${args[0]} ended with ${String(code)}:\n${Buffer.concat(said).toString()}`);
}
