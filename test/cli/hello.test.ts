import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

test('examples/hello.ts, the first program of the README, does what it says', () => {
  const root = process.env['LOCKSTEP_PACKAGE_ROOT']!;
  const program = [join(root, 'scripts', 'run-ts.mjs'), join(root, 'examples', 'hello.ts')];
  const { status, stdout, stderr } = spawnSync(process.execPath, program, { encoding: 'utf8', timeout: 60_000 });
  expect(stderr).toBe('');
  expect(stdout).toBe(
    [
      'committed 2 events, held by 2 sites',
      'west has order.placed of order-1: { total: 40 }',
      'west has payment.requested of order-1: { amount: 40 }',
      '',
    ].join('\n'),
  );
  expect(status).toBe(0);
}, 60_000);
