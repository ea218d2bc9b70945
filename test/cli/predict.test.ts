import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { runCli } from '../../cli/program.js';

let folder: string;
let log: string;

/** 120 tickets, each with its own pace; every third is reopened. */
function tickets(): string {
  const rows = ['Ticket;Status;When;Team'];
  for (let n = 0; n < 120; n += 1) {
    const kinds = n % 3 === 0 ? ['open', 'work', 'reopen', 'work', 'close'] : ['open', 'work', 'close'];
    for (const [i, kind] of kinds.entries()) {
      const at = new Date(Date.UTC(2026, 0, 1) + n * 7_200_000 + i * 3_600_000).toISOString();
      rows.push(`${n};${kind};${at};${n % 3 === 0 ? 'blue' : 'red'}`);
    }
  }
  return `${rows.join('\n')}\n`;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-predict-'));
  log = join(folder, 'tickets.csv');
  writeFileSync(log, tickets());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const texts = { stdout: '', stderr: '' };
  const code = await runCli(['predict', ...args], {
    stdin: Readable.from([]),
    stdout: { write: (text) => void (texts.stdout += text) },
    stderr: { write: (text) => void (texts.stderr += text) },
    env: { LOCKSTEP_PACKAGE_ROOT: process.env['LOCKSTEP_PACKAGE_ROOT'] },
    interrupted: new AbortController().signal,
  });
  return { code, ...texts };
}

interface Step {
  readonly came: { readonly type: string };
  readonly expected: readonly { readonly voices: readonly { readonly weight: number }[] }[];
}

const columns = ['--case', 'ticket', '--activity', 'status', '--timestamp', 'when'];
const share = { asymmetricMatch: (value: unknown) => typeof value === 'number' && value >= 0 && value <= 1 };

describe('lockstep predict', () => {
  it.each(['tax', 'chronological'])('evaluates a log it has never seen: %s', async (split) => {
    const { code, stdout, stderr } = await run('evaluate', '--log', log, ...columns, '--split', split, '--json');
    expect([code, stderr]).toEqual([0, expect.stringContaining('training')]);
    const figures = {
      accuracy: share,
      top3: share,
      logLoss: expect.any(Number),
      maeDays: expect.any(Number),
    };
    const answer = JSON.parse(stdout);
    expect(answer).toMatchObject({
      log,
      split,
      ...figures,
      calibrationError: share,
      precisionTopQuarter: share,
      suffixSimilarity: share,
      usPerPrediction: expect.any(Number),
      usPerUpdate: expect.any(Number),
      baselines: { mostFrequent: figures, markov1: figures },
    });
    expect(answer.accuracy).toBeGreaterThanOrEqual(answer.baselines.mostFrequent.accuracy);
    // Every pause is an hour.
    expect(answer.maeDays).toBeLessThan(0.01);
  });

  it('draws what it found', async () => {
    const plots = join(folder, 'plots');
    const { code, stdout } = await run('evaluate', '--log', log, ...columns, '--plots', plots);
    expect([code, stdout]).toEqual([0, expect.stringContaining('Markov-1')]);
    for (const kind of ['accuracy', 'reliability']) {
      const svg = readFileSync(join(plots, `tickets-chronological-${kind}.svg`), 'utf8');
      expect(svg).toMatch(/^<svg xmlns[^]*<\/svg>\n$/);
      expect(svg).not.toContain('NaN');
    }
  });

  it('trains a model into a file, and explains a case with it, or without', async () => {
    const out = join(folder, 'model.json');
    const trained = await run('train', '--log', log, ...columns, '--out', out, '--epochs', '2', '--json');
    expect(trained.code).toBe(0);
    expect(JSON.parse(trained.stdout)).toMatchObject({ format: 'lockstep-prediction-model', file: out });
    for (const more of [['--model', out], []]) {
      const { code, stdout } = await run('explain', '7', '--log', log, ...columns, ...more, '--json');
      expect(code).toBe(0);
      const { steps } = JSON.parse(stdout) as { readonly steps: readonly Step[] };
      expect(steps.map(({ came }: Step) => came.type)).toEqual(['open', 'work', 'close']);
      const likely = steps[1]!.expected[0]!;
      expect(likely).toMatchObject({
        kind: { stream: 'log', type: 'work' },
        payload: { key: '7', data: { Team: 'red' } },
        sources: { key: { source: expect.stringMatching(/first:key|latest|previous:key/) } },
      });
      expect(likely.voices.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 6);
    }
    const told = await run('explain', '7', '--log', log, ...columns);
    expect(told.stdout).toMatch(/2\. log work\n {3}expected, half of the time within 1\.0 hours:\n.*log work/);
  });

  it('says what is wrong, and writes nothing', async () => {
    const bad = join(folder, 'bad.json');
    writeFileSync(bad, '{"format":"lockstep-prediction-model"');
    const out = join(folder, 'nothing.json');
    const cases: [string[], number, RegExp][] = [
      [['explain', '7', '--log', log, ...columns, '--model', bad], 1, /ModelCorrupt: .*cut off/],
      [['explain', 'nobody', '--log', log, ...columns], 1, /UnknownTransaction: there is no case "nobody"/],
      [['train', '--log', log, '--out', out], 1, /no column for the case was found/],
      [['train', '--log', join(folder, 'none.csv'), '--out', out], 1, /cannot be read/],
      [['evaluate', '--split', 'random'], 2, /tax, chronological/],
      [['train', '--networks', '99'], 2, /whole number, 0 to 8/],
    ];
    for (const [args, code, message] of cases) {
      expect(await run(...args)).toMatchObject({ code, stderr: expect.stringMatching(message) });
    }
    expect(existsSync(out)).toBe(false);
  });

  it('takes a log of one event', async () => {
    const one = join(folder, 'one.csv');
    writeFileSync(one, 'case,activity,timestamp\n1,a,2026-01-01 00:00:00\n');
    const { code, stdout } = await run('evaluate', '--log', one, '--json');
    expect([code, JSON.parse(stdout).predictions]).toEqual([0, 0]);
  });
});
