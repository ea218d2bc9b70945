import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { LocalFaults, RequestedChanges } from '../../cli/tour/disruptions.js';
import { caseIndexOf, transactionIdOf } from '../../cli/tour/mapping.js';
import { incidentsSince } from '../../cli/tour/incidents.js';
import { NOT_MEASURED, Outage } from '../../cli/tour/outage.js';
import { predictionsSince } from '../../cli/tour/predictions.js';
import { Pace, planStages } from '../../cli/tour/pace.js';
import { isFaultless, summariseProofs, type TourReport } from '../../cli/tour/report.js';
import { collectProofs } from '../../cli/tour/settle.js';
import type { Incident, IncidentKind, LocalControls, PredictionsAnswer, Proof } from '../../src/core/api.js';
import { LockstepError } from '../../src/core/errors.js';
import { createApp } from '../../src/http/app.js';
import { serve } from '../../src/http/server.js';
import { FakeDeployment } from './fake-service.js';

describe('the proofs', () => {
  const deployment = (reconcile: () => Promise<{ id: string }>) => {
    const client = { reconcile, getReconciliation: async (id: string) => ({ id, status: 'failed', problem: 'why' }) };
    return { client, streams: [], disruptions: { site: 'west' } } as unknown as Parameters<typeof collectProofs>[0];
  };
  const { signal } = new AbortController();

  test('a site that cannot be compared is an outcome, and what was written is told all the same', async () => {
    let asked = 0;
    const refused = deployment(() => {
      asked += 1;
      return Promise.reject(new LockstepError('SiteNotInSync', 'west is not in sync'));
    });
    expect(await collectProofs(refused, [], signal, 0)).toEqual({
      proofs: [],
      problem: 'west cannot be compared: west is not in sync',
    });
    expect(asked).toBe(3);
  });

  test('a comparison that fails is begun again, and the last one is told', async () => {
    let begun = 0;
    const failing = deployment(() => Promise.resolve({ id: `r${(begun += 1)}` }));
    const problem = 'the comparison r3 failed: why';
    expect(await collectProofs(failing, [], signal, 0)).toEqual({ id: 'r3', proofs: [], problem });
  });
});

describe('the pace', () => {
  test('in a large log the gates lie a round of clients behind', () => {
    expect(planStages(3_000, 32).map(({ due, gate }) => [due, gate])).toEqual([
      [1_200, 1_232],
      [1_800, 1_832],
      [2_250, 2_282],
    ]);
  });

  test('in a small one half of what lies before the next stage is kept back', () => {
    expect(planStages(60, 32).map(({ due, gate }) => [due, gate])).toEqual([
      [24, 30],
      [36, 40],
      [45, 52],
    ]);
  });

  test('whatever the size, all stages come in order and every case is written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 40 }), async (cases, clients) => {
        const stages = planStages(cases, clients);
        const pace = new Pace(stages);
        const order: string[] = [];
        let next = 0;
        const write = async (): Promise<void> => {
          while (next < cases) {
            const index = next;
            next += 1;
            await pace.mayBegin(index);
            pace.finish();
          }
        };
        const direct = async (): Promise<void> => {
          for (const [index, { name, due }] of stages.entries()) {
            await pace.whenFinished(due);
            order.push(name);
            pace.openGate(index);
          }
        };
        await Promise.all([direct(), ...Array.from({ length: clients }, write)]);
        expect(pace.finished).toBe(cases);
        expect(order).toEqual(['streams-fail', 'site-fails', 'all-returns']);
      }),
    );
  });

  test('breaking off leaves nobody waiting', async () => {
    const pace = new Pace(planStages(100, 4));
    const waiting = Promise.all([pace.mayBegin(99), pace.whenFinished(50)]);
    pace.breakOff();
    await expect(waiting).resolves.toBeDefined();
  });
});

describe('measuring an outage', () => {
  const incident = (kind: IncidentKind, startedAt: number): Incident => ({
    id: kind,
    kind,
    site: 'east',
    startedAt: new Date(startedAt).toISOString(),
    timeline: [],
  });

  test('takes the first incident of its kind since, and the first commit since that', async () => {
    const known: Incident[] = [];
    let asked = 0;
    const outage = new Outage({
      kinds: ['takeover'],
      timeoutMs: 5_000,
      listIncidents: async () => {
        asked += 1;
        if (asked === 1) throw new Error('nobody answers');
        return known;
      },
    });
    outage.committed();
    await setTimeout(60);
    const startedAt = Date.now();
    known.push(
      incident('switchover', startedAt),
      incident('takeover', startedAt + 100),
      incident('takeover', startedAt),
    );
    const measuring = outage.end();
    await setTimeout(80);
    outage.committed();
    const { times, incident: found } = await measuring;
    expect(found).toBe(known[2]);
    expect(times.detectedMs).toBe(startedAt - outage.brokenAt);
    expect(times.firstCommitMs).toBeGreaterThanOrEqual(times.detectedMs! + 60);
  });

  test.each([
    ['behind', -3_600_000],
    ['ahead of', 3_600_000],
  ])('does not mind a deployment whose clock is %s ours', async (_, byMs) => {
    const found: Incident[] = [];
    const outage = new Outage({ kinds: ['switchover'], timeoutMs: 5_000, listIncidents: async () => found });
    found.push(incident('switchover', Date.now() + byMs));
    const measuring = outage.end();
    const commits = setInterval(() => outage.committed(), 10);
    const { times } = await measuring;
    clearInterval(commits);
    expect(times.detectedMs).toBeGreaterThanOrEqual(0);
    expect(times.firstCommitMs).toBeGreaterThanOrEqual(times.detectedMs!);
  });

  test('incidents since are those that were not there before', async () => {
    const incidents = [incident('takeover', 1)];
    const since = await incidentsSince({ listIncidents: async () => ({ incidents: [...incidents] }) });
    expect(await since()).toEqual([]);
    incidents.push(incident('switchover', 0));
    expect(await since()).toEqual([incidents[1]]);
  });

  test('says so where there was none, and where no commit came', async () => {
    const none = new Outage({ kinds: ['takeover'], timeoutMs: 50, listIncidents: async () => [] });
    await expect(none.end()).resolves.toEqual({ times: NOT_MEASURED, incident: undefined });
    const known: Incident[] = [];
    const noCommit = new Outage({ kinds: ['takeover'], timeoutMs: 50, listIncidents: async () => known });
    known.push(incident('takeover', noCommit.brokenAt));
    expect((await noCommit.end()).times).toEqual({ detectedMs: 0, firstCommitMs: null });
  });
});

describe('disruptions', () => {
  test('throw the switches of a local server', async () => {
    const set: unknown[] = [];
    const controls = { setFaults: (faults) => (set.push(faults), faults) } as Partial<LocalControls> as LocalControls;
    const server = await serve({ app: createApp({ service: new FakeDeployment().service, controls }), port: 0 });
    try {
      const faults = new LocalFaults(server.url, 'east');
      await faults.failStreams();
      await faults.failSite();
      await faults.returnAll();
    } finally {
      await server.close();
    }
    expect(set).toEqual([[{ site: 'east', part: 'streams', kind: 'down' }], [{ site: 'east', kind: 'down' }], []]);
  });

  test('of a deployment that is there are requests', async () => {
    const deployment = new FakeDeployment();
    const changes = new RequestedChanges(deployment.service, { site: 'east', other: 'west', streams: ['a', 'b'] });
    await changes.failStreams();
    await changes.failSite();
    expect(await changes.returnAll()).toEqual([expect.any(String)]);
    expect(deployment.requests).toEqual([
      ['switchover', ['a', {}]],
      ['switchover', ['b', {}]],
      ['moveHome', { to: 'west' }],
      ['reconcile', { site: 'east', streams: ['a', 'b'] }],
    ]);
  });

  test('ask again where no replica is level just now, and not where they are refused', async () => {
    const { service } = new FakeDeployment();
    const answers = [new LockstepError('ReplicaBehind', 'a lags'), new LockstepError('InvalidRequest', 'no')];
    let asked = 0;
    const moveHome = (): Promise<Incident> => Promise.reject(answers[Math.min(asked++, 1)]!);
    const changes = new RequestedChanges(
      { switchover: service.switchover, moveHome, reconcile: service.reconcile },
      { site: 'east', other: 'west', streams: [] },
    );
    await expect(changes.failSite()).rejects.toMatchObject({ code: 'InvalidRequest' });
    expect(asked).toBe(2);
  });
});

test('a transaction id leads back to its case, and only in its own run', () => {
  expect(caseIndexOf('tour-a', transactionIdOf('tour-a', 42))).toBe(42);
  expect(caseIndexOf('tour-a', transactionIdOf('tour-b', 42))).toBeUndefined();
  expect(caseIndexOf('tour-a', 'tour-a-x')).toBeUndefined();
});

describe('the report', () => {
  const digests = (text: string) => ({ log: text, stream: text });
  const proof = (east: string, west: string, more: Partial<Proof> = {}): Proof => ({
    sites: ['east', 'west'],
    windows: [
      {
        stream: 's',
        from: '0',
        to: '1',
        hashRange: { from: '0', to: 'f' },
        before: {},
        after: { east: digests(east), west: digests(west) },
      },
    ],
    copied: 1,
    overruled: [],
    conflicts: [],
    gaps: [],
    seal: '',
    ...more,
  });

  test('adds up what reconciliations did; how both sides stand the last comparison says', () => {
    const proofs = [
      proof('a', 'b', { overruled: ['t1'] }),
      proof('c', 'c', { overruled: ['t1', 't2'], conflicts: ['k'] }),
    ];
    expect(summariseProofs(proofs)).toEqual({ copied: 2, overruled: 2, conflicts: 1, digestsEqual: true });
    expect(summariseProofs([...proofs, proof('x', 'y', { windows: [] })]).digestsEqual).toBe(true);
    expect(summariseProofs([...proofs].reverse()).digestsEqual).toBe(false);
  });

  test('nothing compared is nothing proven', () => {
    expect(summariseProofs([]).digestsEqual).toBe(false);
    expect(summariseProofs([proof('a', 'a', { windows: [] })]).digestsEqual).toBe(false);
  });

  const good: TourReport = {
    transactions: { committed: 5, aborted: 0 },
    events: { input: 9, delivered: 9, lost: 0, duplicated: 0, torn: 0 },
    switchover: NOT_MEASURED,
    takeover: NOT_MEASURED,
    failedRequests: 3,
    predictions: { written: 3, confirmed: 2, wrong: 1, waitSavedMs: 40 },
    reconciliation: { copied: 1, overruled: 1, conflicts: 0, digestsEqual: true },
    durationMs: 1,
  };

  test('is faultless when nothing is lost, doubled, torn, aborted or unequal', () => {
    expect(isFaultless(good)).toBe(true);
    for (const fault of ['lost', 'duplicated', 'torn']) {
      expect(isFaultless({ ...good, events: { ...good.events, [fault]: 1 } })).toBe(false);
    }
    expect(isFaultless({ ...good, transactions: { committed: 4, aborted: 1 } })).toBe(false);
    expect(isFaultless({ ...good, reconciliation: { ...good.reconciliation, digestsEqual: false } })).toBe(false);
  });
});

test('predictions are counted from the beginning of the tour, and never below it', async () => {
  const answer = (confirmed: number): PredictionsAnswer => ({
    model: { name: 'predictor', version: '1', metrics: {} },
    counts: { written: confirmed + 1, confirmed, wrong: 1, expired: 0 },
    bytes: { written: 100, wasted: 10 },
    waitSavedMs: confirmed * 20,
  });
  const answers = [answer(5), answer(12), answer(3)];
  const since = await predictionsSince({ getPredictions: () => Promise.resolve(answers.shift() ?? answer(0)) });
  expect(await since()).toEqual({ written: 7, confirmed: 7, wrong: 0, waitSavedMs: 140 });
  // A site that is down just now has not counted less.
  expect(await since()).toEqual({ written: 0, confirmed: 0, wrong: 0, waitSavedMs: 0 });
});
