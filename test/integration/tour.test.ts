import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { runCli } from '../../cli/program.js';
import { openLocalDeployment } from '../../cli/tour/deployment.js';
import { readEventLog } from '../../cli/tour/event-log.js';
import { isFaultless, type TourReport } from '../../cli/tour/report.js';
import type { TourView } from '../../cli/tour/state.js';
import { runTour } from '../../cli/tour/tour.js';
import type { Io } from '../../cli/ui/terminal.js';
import { LockstepClient } from '../../src/client/index.js';
import { type EmbeddedServer, serveEmbedded } from '../../src/embedded/serve.js';

const CASES = 60;
const SILENT: TourView = { update: () => undefined, happened: () => undefined, end: () => undefined };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-tour-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Cases of 1 to 7 events with every kind of stream among them, their rows mixed. */
function writeLog(): string {
  const rows = Array.from({ length: 7 }, (_, place) =>
    Array.from({ length: CASES }, (_, i) =>
      place <= i % 7 ? `${i},${'abc'[(i + place) % 3]},2026-01-0${place + 1}\n` : '',
    ),
  );
  const file = join(folder, 'log.csv');
  writeFileSync(file, `case,activity,time\n${rows.flat().join('')}`);
  return file;
}

test('the tour: switchover and takeover on the way, and every event of every case exactly once on both sites', async () => {
  const file = writeLog();
  const log = await readEventLog(file);
  const deployment = await openLocalDeployment({ port: 0, roundTripMs: 2 });
  try {
    const { report, verdict, reconciliationId } = await runTour({
      log,
      readLog: () => readEventLog(file),
      clients: 8,
      deployment,
      view: SILENT,
      signal: new AbortController().signal,
    });
    expect(verdict.findings).toEqual([]);
    expect(report).toEqual({
      transactions: { committed: CASES, aborted: 0 },
      events: { input: log.eventCount, delivered: log.eventCount, lost: 0, duplicated: 0, torn: 0 },
      switchover: { detectedMs: expect.any(Number), firstCommitMs: expect.any(Number) },
      takeover: { detectedMs: expect.any(Number), firstCommitMs: expect.any(Number) },
      failedRequests: expect.any(Number),
      predictions: {
        ...{ written: expect.any(Number), confirmed: expect.any(Number) },
        ...{ wrong: expect.any(Number), waitSavedMs: expect.any(Number) },
      },
      reconciliation: { copied: expect.any(Number), overruled: expect.any(Number), conflicts: 0, digestsEqual: true },
      durationMs: expect.any(Number),
    });
    expect(isFaultless(report)).toBe(true);
    const { incidents } = await deployment.client.listIncidents({ limit: 1_000 });
    expect(incidents.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['switchover', 'takeover', 'return']));
    expect(await deployment.client.getReconciliation(reconciliationId ?? '')).toMatchObject({ status: 'done' });
  } finally {
    await deployment.close();
  }
}, 120_000);

describe('the tour of a deployment that is there', () => {
  let server: EmbeddedServer;
  afterEach(() => server.close());

  /** What is printed, as a program reads it. */
  async function tour(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const texts = { stdout: '', stderr: '' };
    const io: Io = {
      stdin: Readable.from([]),
      stdout: { write: (text) => void (texts.stdout += text) },
      stderr: { write: (text) => void (texts.stderr += text) },
      env: { LOCKSTEP_PACKAGE_ROOT: process.env['LOCKSTEP_PACKAGE_ROOT'] },
      interrupted: new AbortController().signal,
    };
    const code = await runCli(['tour', '--once', '--log', writeLog(), '--clients', '8', ...args], io);
    return { code, ...texts };
  }

  const reportIn = (stdout: string) => JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as TourReport;
  const clientAt = (site: string) => new LockstepClient({ endpoints: [`${server.url}/sites/${site}`] });
  const faultless = (cases: number) => ({
    transactions: { committed: cases, aborted: 0 },
    events: { lost: 0, duplicated: 0, torn: 0 },
    switchover: { detectedMs: expect.any(Number), firstCommitMs: expect.any(Number) },
    takeover: { detectedMs: expect.any(Number), firstCommitMs: expect.any(Number) },
    reconciliation: { conflicts: 0, digestsEqual: true },
  });

  test('breaks nothing and asks for the changes, also where it was before, at endpoints of any sites', async () => {
    server = await serveEmbedded({ port: 0, sites: ['east', 'west', 'north'], creationMs: 400 });
    const endpoint = ['east', 'west'].map((site) => `${server.url}/sites/${site}`).join(',');
    const first = await tour('--endpoint', endpoint, '--json');
    expect([first.code, reportIn(first.stdout)]).toMatchObject([0, faultless(CASES)]);
    expect(await clientAt('north').getRoute()).toMatchObject({ home: 'west', active: { 'tour-steps': 'west' } });
    // What was asked for at 75 %, and once more at the end.
    const { streams } = await clientAt('east').listStreams();
    expect(streams.map(({ name, mirrors }) => [name, mirrors.length])).toEqual(
      ['closings', 'openings', 'rework', 'steps'].map((name) => [`tour-${name}`, 2]),
    );
    // One endpoint is enough, and what the first tour left behind is no matter.
    const second = await tour('--endpoint', `${server.url}/sites/north`, '--cases', '20', '--json');
    expect([second.code, reportIn(second.stdout)]).toMatchObject([0, faultless(20)]);
    expect((await clientAt('east').getRoute()).home).not.toBe('west');
    const { incidents } = await clientAt('east').listIncidents({ limit: 1_000 });
    expect([...new Set(incidents.map(({ kind }) => kind))].sort()).toEqual(['planned-move', 'switchover']);
  }, 120_000);

  test('tells a person what stays', async () => {
    server = await serveEmbedded({ port: 0 });
    const { code, stdout } = await tour('--endpoint', server.url, '--cases', '10', '--prefix', 'mine.');
    expect(code).toBe(0);
    expect(stdout).toContain('10 committed, 0 aborted');
    expect(stdout).toContain('Home is at west now: `lockstep move-home east` moves it back.');
    expect(stdout).toContain('mine.openings, mine.steps, mine.rework, mine.closings');
  }, 60_000);

  test('is refused where there is no second site, and leaves no stream', async () => {
    server = await serveEmbedded({ port: 0, sites: ['east'] });
    const { code, stderr } = await tour('--endpoint', server.url, '--json');
    expect([code, stderr]).toEqual([1, expect.stringContaining('"code":"NotEnoughReplicas"')]);
    expect((await clientAt('east').listStreams()).streams).toEqual([]);
  });

  test('takes no options of a server that it would start itself', async () => {
    server = await serveEmbedded({ port: 0 });
    for (const given of [
      ['--data', folder],
      ['--port', '15099'],
      ['--round-trip-ms', '5'],
    ]) {
      const { code, stderr } = await tour('--endpoint', server.url, ...given);
      expect([code, stderr]).toEqual([2, expect.stringContaining(`${given[0]} is of a server`)]);
    }
    expect((await tour('--endpoint', server.url, '--prefix', 'a b')).code).toBe(2);
  });
});
