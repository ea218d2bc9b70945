/** The rules of .dependency-cruiser.cjs, each tried on a file that breaks it: a rule that never fires protects nothing. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = join(__dirname, '..', '..');
const FOLDERS = ['src', 'cli', 'examples', 'test', 'bin', 'lib', 'lambdas'];

/** File, what it imports, and the rule that has to refuse it. */
const REFUSED: readonly (readonly [file: string, imported: string, rule: string])[] = [
  ['src/core/from-app.ts', '../app/use-case.js', 'layer-core'],
  ['src/core/types-from-app.ts', 'type ../app/use-case.js', 'layer-core'],
  ['src/core/from-ports.ts', '../ports/port.js', 'layer-core'],
  ['src/core/from-fs.ts', 'node:fs', 'packages-core'],
  ['src/core/from-timers.ts', 'node:timers/promises', 'packages-core'],
  ['src/core/from-hono.ts', 'hono', 'packages-core'],
  ['src/ports/from-app.ts', '../app/use-case.js', 'layer-ports'],
  ['src/ports/from-zod.ts', 'zod', 'packages-(ports|app|workflows)'],
  ['src/app/from-adapter.ts', '../adapters/embedded/store.js', 'layer-app'],
  ['src/app/from-crypto.ts', 'node:crypto', 'packages-(ports|app|workflows)'],
  ['src/workflows/from-http.ts', '../http/api.js', 'layer-workflows'],
  ['src/adapters/embedded/from-app.ts', '../../app/use-case.js', 'layer-adapters'],
  ['src/adapters/aws/from-embedded.ts', '../embedded/store.js', 'adapters-apart'],
  ['src/aws/from-embedded.ts', '../embedded/index.js', 'engines-apart'],
  ['src/embedded/from-aws.ts', '../adapters/aws/from-embedded.js', 'engines-apart'],
  ['src/app/from-aws.ts', '@aws-sdk/client-kinesis', 'aws-outside'],
  ['src/http/from-adapter.ts', '../adapters/embedded/store.js', 'layer-http'],
  ['src/http/from-commander.ts', 'commander', 'packages-http'],
  ['src/client/from-app.ts', '../app/use-case.js', 'layer-client'],
  ['src/client/from-hono.ts', 'hono', 'packages-client'],
  ['src/embedded/from-cli.ts', '../../cli/command.js', 'src-inward'],
  ['src/embedded/from-test.ts', '../../test/helper.js', 'src-inward'],
  ['src/http/from-cdk.ts', 'aws-cdk-lib', 'cdk-outside'],
  ['lambdas/api/from-cdk.ts', 'aws-cdk-lib', 'cdk-outside'],
  ['lambdas/api/from-lib.ts', '../../lib/construct.js', 'lambdas-apart'],
  ['lib/from-config.ts', '../lockstep.config.js', 'constructs-alone'],
  ['lib/from-app.ts', '../src/app/use-case.js', 'constructs-alone'],
  ['src/http/from-sdk.ts', '@aws-sdk/client-kinesis', 'aws-outside'],
  ['cli/from-test.ts', '../test/helper.js', 'tests-last'],
  ['cli/from-lmdb.ts', 'lmdb', 'lmdb-embedded'],
  ['cli/from-fast-check.ts', 'fast-check', 'declared'],
  ['cli/from-nowhere.ts', 'no-such-package', 'resolvable'],
  ['examples/from-inside.ts', '../src/app/use-case.js', 'examples-public'],
  ['src/http/cycle-a.ts', './cycle-b.js', 'no-cycles'],
];

const ALLOWED: readonly (readonly [file: string, imported: string])[] = [
  ['src/core/digest.ts', 'node:crypto'],
  ['src/core/schema.ts', 'zod'],
  ['src/ports/port.ts', '../core/digest.js'],
  ['src/app/use-case.ts', '../ports/port.js'],
  ['src/workflows/steps.ts', '../app/use-case.js'],
  ['src/adapters/embedded/store.ts', 'lmdb'],
  ['src/adapters/embedded/implements.ts', '../../ports/port.js'],
  ['src/http/api.ts', 'hono'],
  ['src/http/calls.ts', '../app/use-case.js'],
  ['src/client/files.ts', 'node:fs'],
  ['src/embedded/index.ts', '../adapters/embedded/store.js'],
  ['cli/command.ts', '../src/embedded/index.js'],
  ['examples/hello.ts', 'lockstep-streams/embedded'],
  ['test/helper.ts', 'lmdb'],
  ['lib/construct.ts', 'aws-cdk-lib'],
  ['lib/names.ts', '../src/core/digest.js'],
  ['bin/deploy.ts', '../lockstep.config.js'],
  ['lockstep.config.ts', 'aws-cdk-lib'],
  ['lambdas/api/index.ts', '../../src/app/use-case.js'],
  ['src/adapters/aws/tables.ts', '@aws-sdk/client-dynamodb'],
];

describe('the rules on who may import whom', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-layers-'));
  let broken: Map<string, string[]>;

  beforeAll(() => {
    for (const file of ['package.json', 'tsconfig.json']) copyFileSync(join(ROOT, file), join(folder, file));
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    for (const [file, imported] of [...REFUSED, ...ALLOWED]) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      const [, kind, path] = /^(type )?(.+)$/.exec(imported)!;
      writeFileSync(join(folder, file), `import ${kind ?? ''}* as it from '${path}';\nexport type It = typeof it;\n`);
    }
    writeFileSync(join(folder, 'src', 'http', 'cycle-b.ts'), "export * from './cycle-a.js';\n");
    writeFileSync(join(folder, 'src', 'core', 'alone.ts'), 'export const alone = 1;\n');
    broken = cruise(folder);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(REFUSED)('%s may not import %s (%s)', (file, _imported, rule) => {
    expect(broken.get(file)).toContain(rule);
  });

  test.each(ALLOWED)('%s may import %s', (file) => {
    expect(broken.get(file)).toBeUndefined();
  });

  test('a file without any connection is refused', () => {
    expect(broken.get('src/core/alone.ts')).toEqual(['no-orphans']);
  });
});

/** The names of the rules that each file breaks. */
function cruise(folder: string): Map<string, string[]> {
  const tool = join(ROOT, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
  const config = join(ROOT, '.dependency-cruiser.cjs');
  const parameters = [tool, ...FOLDERS, '--config', config, '--output-type', 'json'];
  const report = JSON.parse(execFileSync(process.execPath, parameters, { cwd: folder, encoding: 'utf8' })) as {
    summary: { violations: { from: string; rule: { name: string } }[] };
  };
  const broken = new Map<string, string[]>();
  for (const { from, rule } of report.summary.violations) broken.set(from, [...(broken.get(from) ?? []), rule.name]);
  return broken;
}
