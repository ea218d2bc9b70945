import type { FinishedContext, SeenEvent } from '../../../src/core/prediction/context.js';
import type { Forecaster } from '../../../src/core/prediction/forecaster.js';
import { seeded } from '../../../src/core/prediction/seeded.js';
import { TRAINING, trainForecaster, type TrainingOptions } from '../../../src/core/prediction/training.js';
import { Track } from '../../../src/core/prediction/track.js';

const START_MS = Date.UTC(2026, 0, 5, 9);
const HOUR_MS = 3_600_000;

/** A transaction of these types, an hour apart. */
export function made(n: number, types: readonly string[], data: (i: number) => SeenEvent['data'] = () => ({})) {
  const startedAtMs = START_MS + n * HOUR_MS;
  const events = types.map((type, i): SeenEvent => {
    return { stream: 'log', key: `k-${n}`, type, data: data(i) ?? null, atMs: startedAtMs + i * HOUR_MS };
  });
  return {
    id: `t-${n}`,
    startedAtMs,
    endedAtMs: startedAtMs + types.length * HOUR_MS,
    events,
  } satisfies FinishedContext;
}

/** What came first decides what comes last, five events later: further than any path that is counted reaches. */
export function farReaching(n: number): FinishedContext {
  const first = seeded(n)() < 0.5 ? 'a' : 'b';
  return made(n, [first, 'm', 'm', 'm', 'm', 'm', first === 'a' ? 'x' : 'y']);
}

export function trained(transactions: readonly FinishedContext[], options: Partial<TrainingOptions> = {}): Forecaster {
  const work = trainForecaster(transactions, { ...TRAINING, ...options });
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

/** The probability of each type after these events. */
export function outlook(forecaster: Forecaster, { startedAtMs, events }: FinishedContext): (type: string) => number {
  const track = new Track(startedAtMs);
  for (const event of events) forecaster.append(track, event);
  const { probabilities } = forecaster.sequence.predict(track, forecaster.symbols.size);
  return (type) => probabilities[forecaster.symbols.find({ stream: 'log', type })] ?? 0;
}
