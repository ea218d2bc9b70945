import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openExistingDeployment, openLocalDeployment } from '../../cli/tour/deployment.js';
import { readEventLog } from '../../cli/tour/event-log.js';
import { isFaultless } from '../../cli/tour/report.js';
import type { TourView } from '../../cli/tour/state.js';
import { runTour } from '../../cli/tour/tour.js';

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
      reconciliation: { copied: expect.any(Number), overruled: expect.any(Number), conflicts: 0, digestsEqual: true },
      durationMs: expect.any(Number),
    });
    expect(isFaultless(report)).toBe(true);
    const { incidents } = await deployment.client.listIncidents({ limit: 1_000 });
    expect(incidents.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['switchover', 'takeover', 'return']));
    expect(await deployment.client.getReconciliation(reconciliationId)).toMatchObject({ status: 'done' });
  } finally {
    await deployment.close();
  }
}, 120_000);

test('the tour of a deployment that is there breaks nothing and asks for the changes', async () => {
  const file = writeLog();
  const local = await openLocalDeployment({ port: 0, roundTripMs: 0 });
  try {
    const deployment = await openExistingDeployment([local.url]);
    const { report, verdict } = await runTour({
      log: await readEventLog(file),
      readLog: () => readEventLog(file),
      clients: 8,
      deployment,
      view: SILENT,
      signal: new AbortController().signal,
    });
    expect(verdict.findings).toEqual([]);
    expect(isFaultless(report)).toBe(true);
    expect(await local.client.getRoute()).toMatchObject({
      home: 'west',
      inSync: expect.arrayContaining(['east', 'west']),
    });
  } finally {
    await local.close();
  }
}, 120_000);
