import { type ScalingPolicy, type ScalingRule, DEFAULT_RULES } from '../../../src/core/scaling/rules.js';
import { MINUTE_MS } from '../../../src/core/scaling/signals.js';
import { type Load, type Outcome, runStream } from './day.js';

const DAY_MINUTES = 1440;
/** Six weeks to learn from, then a week that counts: a day alone may be lucky. */
const WEEKS = 7;
const COUNTED_MINUTES = 7 * DAY_MINUTES;
const EVENT_MINUTES = 15;
const RECORDS_PER_MINUTE = 700 * 60;
/** A burst of every day at this time, or of one day in the middle of its peak: twice the load. */
const RECURRING_AT = 10 * 60;
const ONCE_AT = 20 * 60;
const BURST_MINUTES = 20;
const BURST_RECORDS = 8000 * 60;

export interface DayRow {
  readonly day: string;
  readonly policy: string;
  readonly outcome: Outcome;
}

const BOUNDS = { shards: { min: 1, max: 64 } };
const SHRINK: ScalingRule = {
  name: 'after the peak',
  when: { signal: 'utilisation', overSeconds: 3600, below: 0.45 },
  then: { shards: { utilisation: 0.7 } },
};

/** The same rules but for the forecast: what it looks at ahead, these look at behind. */
const REACTIVE: ScalingPolicy = {
  ...BOUNDS,
  rules: [...DEFAULT_RULES.filter(({ name }) => ['under load', 'throttled'].includes(name)), SHRINK],
};

const BURSTS = ['no burst', 'a burst each day', 'a burst once', 'both bursts'] as const;

export function days(arrivals: readonly number[]): readonly DayRow[] {
  return BURSTS.flatMap((day) => {
    const load = loadOf(arrivals, day);
    const countFrom = load.records.length - COUNTED_MINUTES;
    const run = (policy: ScalingPolicy | number): Outcome => runStream(load, policy, countFrom);
    const reactive = run(REACTIVE);
    // Fixed for the same money, and for the peak.
    const mean = Math.round(reactive.shardHours / (COUNTED_MINUTES / 60));
    const fixed = [mean, 2 * mean];
    return [
      { day, policy: 'forecast', outcome: run(BOUNDS) },
      { day, policy: 'reactive', outcome: reactive },
      ...fixed.map((shards) => ({ day, policy: `fixed ${shards}`, outcome: run(shards) })),
    ];
  });
}

function loadOf(arrivals: readonly number[], burst: (typeof BURSTS)[number]): Load {
  const firstMinute = Math.floor((arrivals[0] ?? 0) / MINUTE_MS);
  const records = new Array<number>(WEEKS * COUNTED_MINUTES).fill(0);
  for (const atMs of arrivals) {
    const at = Math.floor(atMs / MINUTE_MS) - firstMinute;
    for (let minute = at; minute < Math.min(at + EVENT_MINUTES, records.length); minute += 1) {
      records[minute] = (records[minute] ?? 0) + RECORDS_PER_MINUTE;
    }
  }
  const onceOnDay = busiestDay(records, firstMinute);
  return {
    firstMinute,
    records: records.map((count, index) => {
      const ofDay = (firstMinute + index) % DAY_MINUTES;
      const day = Math.floor((firstMinute + index) / DAY_MINUTES);
      const within = (at: number): boolean => ofDay >= at && ofDay < at + BURST_MINUTES;
      const recurring = burst !== 'no burst' && burst !== 'a burst once' && within(RECURRING_AT) ? BURST_RECORDS : 0;
      const once = (burst === 'a burst once' || burst === 'both bursts') && day === onceOnDay && within(ONCE_AT);
      return count * (once ? 2 : 1) + recurring;
    }),
  };
}

/** Of the days that count, the one with most to do when the burst comes. */
function busiestDay(records: readonly number[], firstMinute: number): number {
  const last = Math.floor((firstMinute + records.length) / DAY_MINUTES) - 1;
  const at = (day: number): number => records[day * DAY_MINUTES + ONCE_AT - firstMinute] ?? 0;
  const candidates = Array.from({ length: 6 }, (_, back) => last - back);
  return candidates.reduce((best, day) => (at(day) > at(best) ? day : best), last);
}
