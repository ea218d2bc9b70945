import type { PredictionsAnswer } from '../../src/core/api.js';
import type { LockstepClient } from '../../src/client/index.js';

/** What became of what was foreseen during the tour. */
export interface PredictionsReport {
  readonly written: number;
  readonly confirmed: number;
  readonly wrong: number;
  readonly waitSavedMs: number;
}

/** Counts from now on: a deployment may have foreseen much before. A site that does not answer is left out meanwhile. */
export async function predictionsSince(
  client: Pick<LockstepClient, 'getPredictions'>,
): Promise<() => Promise<PredictionsReport>> {
  const before = reportOf(await client.getPredictions());
  return async () => {
    const now = reportOf(await client.getPredictions());
    const since = (name: keyof PredictionsReport) => Math.max(0, now[name] - before[name]);
    return {
      written: since('written'),
      confirmed: since('confirmed'),
      wrong: since('wrong'),
      waitSavedMs: since('waitSavedMs'),
    };
  };
}

const reportOf = ({ counts, waitSavedMs }: PredictionsAnswer): PredictionsReport => ({
  written: counts.written,
  confirmed: counts.confirmed,
  wrong: counts.wrong,
  waitSavedMs,
});
