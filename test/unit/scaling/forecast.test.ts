import fc from 'fast-check';
import {
  DAY_STEPS,
  SMOOTHING,
  STEP_MS,
  WEEK_STEPS,
  decodeModel,
  encodeModel,
  forecast,
  highestAhead,
  learn,
  newModel,
} from '../../../src/core/scaling/forecast.js';
import { arrivalsOf, seriesOf } from '../../benchmark/scaling/arrivals.js';
import { compareForecasts } from '../../benchmark/scaling/compare.js';

const trainedOn = (valueAt: (step: number) => number, steps: number) =>
  Array.from({ length: steps }, (_, step) => step).reduce(
    (model, step) => learn(model, step, valueAt(step)),
    newModel(),
  );
/** Office hours, but for the weekend. */
const office = (step: number): number => {
  const hour = (step % DAY_STEPS) / 4;
  return Math.floor(step / DAY_STEPS) % 7 < 5 && hour >= 8 && hour < 18 ? 9 : 0;
};

describe('the forecast of a load', () => {
  it('is better than the seasonal naive one on real arrivals, in its median and in its quantiles', () => {
    const { firstStep, values } = seriesOf(arrivalsOf('examples/helpdesk.csv'), 3_600_000);
    const { errors } = compareForecasts({ firstStep, values: values.slice(0, 20 * 168) });
    const of = (name: string) => errors.find(({ method }) => method === name)!;
    for (const baseline of ['naive', 'seasonal naive']) {
      expect(of('Lockstep').mae).toBeLessThan(0.85 * of(baseline).mae);
      expect(of('Lockstep').pinball).toBeLessThan(0.85 * of(baseline).pinball);
    }
  });

  it('knows the time of day and the weekend after four weeks', () => {
    const at = (day: number, hour: number) => {
      const step = 4 * WEEK_STEPS + day * DAY_STEPS + hour * 4;
      return forecast(trainedOn(office, step - 1), step, [0.5])[0]!;
    };
    expect(at(1, 12)).toBeGreaterThan(7);
    expect(at(1, 12)).toBeLessThan(11);
    expect(at(1, 3)).toBeLessThan(1);
    expect(at(6, 12)).toBeLessThan(1);
  });

  it('rises with the quantile, is never negative, and survives being written down', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }),
        (values) => {
          const model = values.reduce((before, value, step) => learn(before, step, value), newModel());
          const quantiles = forecast(model, values.length + 1, [0.1, 0.5, 0.9, 0.99]);
          expect([...quantiles].sort((a, b) => a - b)).toEqual(quantiles);
          expect(Math.min(...quantiles)).toBeGreaterThanOrEqual(0);
          const [again = 0] = forecast(decodeModel(encodeModel(model)), values.length + 1, [0.9]);
          expect(again).toBeCloseTo(quantiles[2]!, -Math.log10(1 + quantiles[2]! / 50));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('keeps what fits an item, however long it learns', () => {
    const model = trainedOn((step) => (step * 7919) % 1000, 3 * WEEK_STEPS);
    expect(model.errors).toHaveLength(SMOOTHING.errors);
    expect(encodeModel(model).length).toBeLessThan(40_000);
  });

  it('looks an hour ahead, over all of it; before it has seen a day it expects what was highest lately', () => {
    const model = trainedOn(office, 2 * WEEK_STEPS);
    const nowMs = (2 * WEEK_STEPS + 7 * 4 + 1) * STEP_MS;
    const ahead = highestAhead(model);
    expect(ahead(nowMs, 900, 0.5, 100)).toBeLessThan(2);
    expect(ahead(nowMs, 3600, 0.5, 100)).toBeGreaterThan(5);
    const young = highestAhead(trainedOn(office, 10));
    expect(young(nowMs, 3600, 0.5, 4)).toBe(4);
    expect(young(nowMs, 3600, 0.5)).toBeUndefined();
  });
});
