import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { FAILED_ONCE } from './failed-seeds.js';

const ROOT = join(__dirname, '..', '..');

/** The command itself, in a process of its own. */
function simulate(...args: readonly string[]): { readonly status: number | null; readonly lines: readonly string[] } {
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--max-semi-space-size=64', 'scripts/run-ts.mjs', 'test/simulation/main.ts', ...args],
    { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  return { status, lines: stdout.trimEnd().split('\n') };
}

describe('the simulation', () => {
  it('finds nothing wrong in some hundred seeds', () => {
    const { status, lines } = simulate('--seeds', '150', '--workers', '1', '--json');
    expect({ status, told: lines.slice(0, -1) }).toEqual({ status: 0, told: [] });
    const told = JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>;
    expect(told).toMatchObject({ seeds: 150, violations: 0 });
  }, 120_000);

  it.each(FAILED_ONCE)('seed $seed: $found', ({ seed, theme }) => {
    const more = theme === undefined ? [] : ['--theme', theme];
    const { status, lines } = simulate('--from', `${seed}`, '--seeds', '1', ...more);
    expect({ status, told: lines.filter((line) => line.startsWith('seed')) }).toEqual({ status: 0, told: [] });
  });

  it('tells the same story of a seed byte for byte, in whatever process', () => {
    for (const seed of ['4', '11']) {
      const [once, again] = [simulate('--seed', seed, '--trace'), simulate('--seed', seed, '--trace')];
      expect(once.lines.length).toBeGreaterThan(500);
      expect(again).toEqual(once);
    }
  }, 60_000);

  it('says what is wrong with its arguments', () => {
    expect(simulate('--seeds', 'many').status).toBe(2);
    expect(simulate('--mutation', 'no such rule').status).toBe(2);
    expect(simulate('--help').status).toBe(0);
  }, 60_000);
});
