import fc from 'fast-check';
import { ownPredictor } from '../../../src/app/own-predictor.js';
import type { FinishedContext, ForeseenEvent, OpenContext, SeenEvent } from '../../../src/core/prediction/context.js';
import { Forecaster } from '../../../src/core/prediction/forecaster.js';

const START_MS = Date.UTC(2026, 0, 5, 9);
const MINUTE_MS = 60_000;

/** An order: opened, paid, shipped; each event a minute after the one before. */
function order(n: number, ...more: Partial<SeenEvent>[]): FinishedContext {
  const startedAtMs = START_MS + n * 3 * MINUTE_MS;
  const events: SeenEvent[] = [
    { stream: 'orders', key: `c-${n % 7}`, type: 'opened', data: { order: n, total: 10 * n, currency: 'EUR' } },
    { stream: 'payments', key: `c-${n % 7}`, type: 'paid', data: { of: n, amount: 10 * n, attempt: 1 } },
    { stream: 'parcels', key: `c-${n % 7}`, type: 'shipped', data: { of: n, weights: [1, 2.5], express: true } },
  ].map((event, i) => ({ ...event, atMs: startedAtMs + (i + 1) * MINUTE_MS, ...more[i] }));
  return { id: `tx-${n}`, startedAtMs, endedAtMs: startedAtMs + 3 * MINUTE_MS, events };
}

function after(finished: FinishedContext, written: number): OpenContext {
  const { id, startedAtMs, events } = finished;
  const seen = events.slice(0, written);
  return {
    id,
    startedAtMs,
    streams: ['orders', 'payments', 'parcels'],
    nowMs: seen.at(-1)?.atMs ?? startedAtMs,
    events: seen,
  };
}

function taught(count: number): Forecaster {
  const forecaster = new Forecaster();
  for (let n = 0; n < count; n += 1) forecaster.learn(order(n));
  return forecaster;
}

/** Of these only questions are asked: one is enough. */
const TAUGHT = taught(150);

function firstStep(foreseen: readonly ForeseenEvent[]): ForeseenEvent | undefined {
  return foreseen.find(({ step }) => step === 1);
}

const STREAMS = ['a', 'b', 'c'];
const json = fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' });
const event: fc.Arbitrary<SeenEvent> = fc.record({
  stream: fc.constantFrom(...STREAMS),
  key: fc.string({ minLength: 1, maxLength: 4 }),
  type: fc.constantFrom('x', 'y', 'z/with/slashes', ''),
  data: json as fc.Arbitrary<NonNullable<SeenEvent['data']>>,
  atMs: fc.oneof(fc.integer({ min: 0, max: 4e12 }), fc.constantFrom(Number.NaN, -1, 8.64e15)),
});
const transactions = fc.array(fc.array(event, { maxLength: 6 }), { maxLength: 12 });

describe('a forecaster', () => {
  it('says nothing before it has learned', () => {
    expect(new Forecaster().foresee(after(order(1), 1))).toEqual([]);
    expect(new Forecaster().describe()).toEqual({ version: 'online-0', metrics: {} });
  });

  it('foresees the next event with its key and payload: copied, constant, usual', () => {
    const next = firstStep(TAUGHT.foresee(after(order(177), 1)));
    const { atMs: _atMs, ...payment } = order(177).events[1]!;
    expect(next).toMatchObject({ ...payment, step: 1, expectedInMs: MINUTE_MS });
    expect(next!.probability).toBeGreaterThan(0.85);
    expect(next!.probability).toBeLessThan(1);
  });

  it('foresees several steps, each with what the step before would hold, and when', () => {
    const foreseen = TAUGHT.foresee(after(order(177), 1));
    const { atMs: _atMs, ...parcel } = order(177).events[2]!;
    const shipped = foreseen.find(({ type }) => type === 'shipped');
    expect(shipped).toMatchObject({ ...parcel, step: 2, expectedInMs: 2 * MINUTE_MS });
  });

  it('gives a payload that it cannot know next to no probability', () => {
    const forecaster = new Forecaster();
    const salted = (n: number): FinishedContext => order(n, {}, { data: { nonce: `${(n * 7919) % 10_007}-x` } });
    for (let n = 0; n < 200; n += 1) forecaster.learn(salted(n));
    const paid = forecaster.foresee(after(salted(300), 1)).find(({ type }) => type === 'paid');
    expect(paid?.probability ?? 0).toBeLessThan(0.05);
  });

  it('foresees nothing on a stream that the transaction did not name', () => {
    const open = { ...after(order(177), 1), streams: ['orders', 'parcels'] };
    expect(
      taught(150)
        .foresee(open)
        .filter(({ stream }) => stream === 'payments'),
    ).toEqual([]);
  });

  it('takes a transaction up where it was left, and gives what it would give from its beginning', () => {
    const followed = taught(150);
    followed.foresee(after(order(177), 1));
    expect(followed.foresee(after(order(177), 2))).toEqual(taught(150).foresee(after(order(177), 2)));
    // And back again, as after a takeover by a site that holds less.
    expect(followed.foresee(after(order(177), 1))).toEqual(taught(150).foresee(after(order(177), 1)));
  });

  it('gets better as it learns', () => {
    const probability = (count: number): number =>
      firstStep(taught(count).foresee(after(order(177), 1)))?.probability ?? 0;
    expect([probability(3), probability(10), probability(150)]).toEqual(
      [probability(3), probability(10), probability(150)].sort((a, b) => a - b),
    );
    expect(probability(150) - probability(3)).toBeGreaterThan(0.3);
  });

  it('follows a change of what comes', () => {
    const forecaster = taught(200);
    for (let n = 200; n < 260; n += 1)
      forecaster.learn(order(n, {}, { stream: 'parcels', type: 'collected', data: { of: n } }));
    const next = firstStep(forecaster.foresee(after(order(260), 1)));
    expect(next).toMatchObject({ stream: 'parcels', type: 'collected' });
  });

  it('takes anything, deterministically, with probabilities between 0 and 1', () => {
    fc.assert(
      fc.property(transactions, (all) => {
        const one = new Forecaster();
        const other = new Forecaster();
        all.forEach((events, n) => {
          const open = { id: `t-${n}`, streams: STREAMS, startedAtMs: 0, nowMs: 5, events };
          const foreseen = one.foresee(open);
          expect(foreseen).toEqual(other.foresee(open));
          for (const { probability, expectedInMs } of foreseen) {
            expect(probability).toBeGreaterThanOrEqual(0);
            expect(probability).toBeLessThanOrEqual(1);
            expect(expectedInMs ?? 0).not.toBeNaN();
          }
          one.learn({ ...open, endedAtMs: 10 });
          other.learn({ ...open, endedAtMs: 10 });
        });
        expect(one.describe().metrics).toEqual(other.describe().metrics);
      }),
      { numRuns: 25 },
    );
  });
});

describe('a predictor of its own', () => {
  it('foresees as many events ahead as it is told to', async () => {
    const furthest = async (steps: number) => {
      const [foreseen = []] = await ownPredictor({ forecaster: TAUGHT, steps }).predict([after(order(200), 1)]);
      return Math.max(0, ...foreseen.map(({ step }) => step));
    };
    expect([await furthest(0), await furthest(1), await furthest(2)]).toEqual([0, 1, 2]);
  });

  it('answers for each context, and says what it has learned from', async () => {
    const predictor = ownPredictor();
    await predictor.learn(Array.from({ length: 40 }, (_, n) => order(n)));
    const [one, two] = await predictor.predict([after(order(50), 1), after(order(50), 2)]);
    expect([firstStep(one!)?.type, firstStep(two!)?.type]).toEqual(['paid', 'shipped']);
    expect(await predictor.describe()).toMatchObject({
      version: 'online-160',
      metrics: { steps: 160 },
      trainingWindow: { from: '2026-01-05T09:00:00.000Z', to: '2026-01-05T11:00:00.000Z' },
    });
  });
});
