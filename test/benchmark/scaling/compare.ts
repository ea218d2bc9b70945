import {
  SMOOTHING,
  type Smoothing,
  forecast,
  learn,
  newModel,
  quantileOf,
} from '../../../src/core/scaling/forecast.js';
import type { Series } from './arrivals.js';

const DAY = 24;
const WEEK = 7 * DAY;
/** Three weeks to learn from before anything counts. */
const WARM_UP = 3 * WEEK;
const QUANTILES = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95];

export interface ForecastErrors {
  readonly method: string;
  readonly mae: number;
  readonly pinball: number;
}

/** What a method says of a step by what came before it: a value for each quantile. */
interface Method {
  readonly name: string;
  readonly forecast: (step: number) => readonly number[];
  readonly learn: (step: number, value: number) => void;
}

/** By the hour, one hour ahead. The baselines get quantiles from their own errors, too. */
export function compareForecasts({ firstStep, values }: Series): {
  readonly hours: number;
  readonly errors: readonly ForecastErrors[];
} {
  const methods = [ours(), baseline('naive', 1), baseline('seasonal naive', WEEK)];
  const errors = methods.map((method) => {
    let absolute = 0;
    let pinball = 0;
    values.forEach((value, index) => {
      const step = firstStep + index;
      if (index >= WARM_UP) {
        const forecasts = method.forecast(step);
        absolute += Math.abs(value - (forecasts[QUANTILES.indexOf(0.5)] ?? 0));
        pinball += forecasts.reduce((sum, each, at) => sum + loss(QUANTILES[at] ?? 0, value - each), 0);
      }
      method.learn(step, value);
    });
    const counted = values.length - WARM_UP;
    return { method: method.name, mae: absolute / counted, pinball: pinball / counted / QUANTILES.length };
  });
  return { hours: values.length, errors };
}

const loss = (quantile: number, error: number): number => (error >= 0 ? quantile * error : (quantile - 1) * error);

function ours(): Method {
  const smoothing: Smoothing = { ...SMOOTHING, dayLength: DAY, weekLength: WEEK, lead: 1 };
  let model = newModel(smoothing);
  return {
    name: 'Lockstep',
    forecast: (step) => forecast(model, step, QUANTILES, smoothing),
    learn: (step, value) => {
      model = learn(model, step, value, smoothing);
    },
  };
}

/** What was there one period before; its errors of the last four weeks make quantiles. The median is the value itself. */
function baseline(name: string, period: number): Method {
  const values = new Map<number, number>();
  const errors: number[] = [];
  return {
    name,
    forecast: (step) => {
      const before = values.get(step - period) ?? 0;
      const sorted = [...errors].sort((a, b) => a - b);
      return QUANTILES.map((quantile) =>
        quantile === 0.5 ? before : Math.max(0, before + quantileOf(sorted, quantile)),
      );
    },
    learn: (step, value) => {
      const before = values.get(step - period);
      if (before !== undefined) errors.push(value - before);
      if (errors.length > 4 * WEEK) errors.shift();
      values.set(step, value);
    },
  };
}
