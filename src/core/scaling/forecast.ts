/**
 * What a stream will have to take: Holt–Winters with two additive seasons, a day and a week, on the square root of the
 * load, and quantiles from its own errors. Pure: a model and the next value give the next model.
 *
 * The square root makes the noise of counts the same at any height, so that one additive model fits nights and peaks
 * alike; quantiles survive the way back, which a mean would not. Errors depend on the height all the same: the quantile is
 * taken over past forecasts that were about as high.
 */
export interface ForecastModel {
  /** Values that it has learned from. */
  readonly count: number;
  readonly level: number;
  readonly day: readonly number[];
  readonly week: readonly number[];
  /** Past forecasts with what came instead, newest last. */
  readonly errors: readonly PastForecast[];
  /** Forecasts whose value has not come yet, the next one first; as many as steps that they looked ahead. */
  readonly awaited: readonly number[];
}

/** Square roots both. */
type PastForecast = readonly [forecast: number, error: number];

const STEPS_PER_HOUR = 4;
/** A model learns one value for each quarter of an hour. */
export const STEP_MS = 3_600_000 / STEPS_PER_HOUR;
export const DAY_STEPS = 24 * STEPS_PER_HOUR;
export const WEEK_STEPS = 7 * DAY_STEPS;

/** How fast a model follows, and how long it remembers: chosen on bpi_12_w, as `npm run bench:scaling` prints. */
export interface Smoothing {
  readonly dayLength: number;
  readonly weekLength: number;
  readonly level: number;
  readonly day: number;
  readonly week: number;
  /** How many steps ahead the errors are taken that quantiles come from. */
  readonly lead: number;
  readonly errors: number;
  /** Of them, so many that were about as high make a quantile. */
  readonly neighbours: number;
}

export const SMOOTHING: Smoothing = {
  dayLength: DAY_STEPS,
  weekLength: WEEK_STEPS,
  level: 0.05,
  day: 0.05,
  week: 0.2,
  lead: 2,
  errors: WEEK_STEPS,
  neighbours: 60,
};

export function newModel({ dayLength, weekLength }: Smoothing = SMOOTHING): ForecastModel {
  const zeros = (length: number): number[] => new Array<number>(length).fill(0);
  return { count: 0, level: 0, day: zeros(dayLength), week: zeros(weekLength), errors: [], awaited: [] };
}

/**
 * The model after the value of one more step.
 *
 * @param step number of the step since 1970: what it is in the day and the week @param value 0 or more
 */
export function learn(
  model: ForecastModel,
  step: number,
  value: number,
  smoothing: Smoothing = SMOOTHING,
): ForecastModel {
  const { lead, dayLength, weekLength } = smoothing;
  const root = Math.sqrt(Math.max(0, value));
  const surprise = model.count === 0 ? 0 : root - expected(model, step, smoothing);
  const [due, ...awaited] = model.awaited;
  const isDue = due !== undefined && model.awaited.length === lead;
  const next: ForecastModel = {
    count: model.count + 1,
    level: model.count === 0 ? root : model.level + smoothing.level * surprise,
    day: raised(model.day, step % dayLength, smoothing.day * surprise),
    week: raised(model.week, step % weekLength, smoothing.week * surprise),
    errors: isDue ? [...model.errors, [due, root - due] as const].slice(-smoothing.errors) : model.errors,
    awaited: isDue ? awaited : model.awaited,
  };
  return { ...next, awaited: [...next.awaited, expected(next, step + lead, smoothing)] };
}

/** The square root of what is most probable at a step. */
function expected({ level, day, week }: ForecastModel, step: number, { dayLength, weekLength }: Smoothing): number {
  return Math.max(0, level + (day[step % dayLength] ?? 0) + (week[step % weekLength] ?? 0));
}

function raised(list: readonly number[], at: number, by: number): readonly number[] {
  const next = [...list];
  next[at] = (next[at] ?? 0) + by;
  return next;
}

/**
 * What the load at a step will not exceed with each of these probabilities, by all that the model has learned.
 *
 * @param quantiles 0 to 1 each
 */
export function forecast(
  model: ForecastModel,
  step: number,
  quantiles: readonly number[],
  smoothing: Smoothing = SMOOTHING,
): readonly number[] {
  const height = expected(model, step, smoothing);
  const alike = nearest(model.errors, height, smoothing.neighbours).sort((a, b) => a - b);
  return quantiles.map((quantile) => Math.max(0, height + quantileOf(alike, quantile)) ** 2);
}

/**
 * The highest forecast of the time ahead, for a model that does not change meanwhile: each step is looked at once. Until
 * the model has seen a day, what was highest lately is expected to come again.
 *
 * @param lately what was highest lately; nothing where that is not known yet
 */
export function highestAhead(
  model: ForecastModel,
): (nowMs: number, aheadSeconds: number, quantile: number, lately?: number) => number | undefined {
  const known = new Map<string, number>();
  const at = (step: number, quantile: number): number => {
    const key = `${step}/${quantile}`;
    const value = known.get(key) ?? forecast(model, step, [quantile])[0] ?? 0;
    known.set(key, value);
    return value;
  };
  return (nowMs, aheadSeconds, quantile, lately) => {
    if (!isTrained(model)) return lately;
    let highest = 0;
    for (let step = stepOf(nowMs); step <= stepOf(nowMs + aheadSeconds * 1000); step += 1) {
      highest = Math.max(highest, at(step, quantile));
    }
    return highest;
  };
}

export const stepOf = (ms: number): number => Math.floor(ms / STEP_MS);

function nearest(errors: readonly PastForecast[], height: number, count: number): number[] {
  return [...errors]
    .sort(([a], [b]) => Math.abs(a - height) - Math.abs(b - height))
    .slice(0, count)
    .map(([, error]) => error);
}

/** Linear between two values; 0 of none. @param sorted ascending */
export function quantileOf(sorted: readonly number[], quantile: number): number {
  const at = quantile * Math.max(0, sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? 0;
  const above = sorted[Math.ceil(at)] ?? below;
  return below + (at - Math.floor(at)) * (above - below);
}

/** A day has been seen, so that the time of day means something. */
const isTrained = (model: ForecastModel): boolean => model.count >= model.day.length;

// --------------------------------------------------------------------------------------------------- as one text

/** Four digits are more than any load is known by: a model of a week fits an item many times over. */
export function encodeModel(model: ForecastModel): string {
  return JSON.stringify(model, (_, value: unknown) => (typeof value === 'number' ? rounded(value) : value));
}

const rounded = (value: number): number => (Number.isInteger(value) ? value : Number(value.toPrecision(4)));

export const decodeModel = (text: string): ForecastModel => JSON.parse(text) as ForecastModel;
