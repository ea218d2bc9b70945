import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** The command as a user has it, in a process of its own; all else is tested in process, which is faster. */
const lockstep = (...args: string[]) => {
  const launcher = join(process.env['LOCKSTEP_PACKAGE_ROOT']!, 'cli', 'lockstep.mjs');
  return spawnSync(process.execPath, [launcher, ...args], { encoding: 'utf8', timeout: 60_000 });
};

test('the launcher passes on arguments, output and exit codes', () => {
  expect(lockstep('--version')).toMatchObject({
    status: 0,
    stderr: '',
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
  });
  expect(lockstep('tour', '--help')).toMatchObject({ status: 0, stderr: '' });
  expect(lockstep('nonsense')).toMatchObject({ status: 2, stdout: '' });
}, 120_000);

test('a log that is not there ends the tour before anything is opened', () => {
  const { status, stdout, stderr } = lockstep('tour', '--log', '/nowhere/none.csv', '--once');
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^lockstep: EventLogError: \/nowhere\/none\.csv cannot be read: ENOENT/);
}, 60_000);
