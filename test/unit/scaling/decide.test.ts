import fc from 'fast-check';
import { type Seen, type Standing, decide } from '../../../src/core/scaling/decide.js';
import { type PastChange, allowedStep, recentChanges } from '../../../src/core/scaling/limits.js';
import {
  type ScalingPolicy,
  type ScalingRoom,
  type ScalingRule,
  DEFAULT_RULES,
  problemsOf,
} from '../../../src/core/scaling/rules.js';
import { type MinuteLoad, NO_LOAD } from '../../../src/core/scaling/signals.js';

const HOUR_MS = 3_600_000;
const NOW_MS = 100 * 24 * HOUR_MS;
const ROOM: ScalingRoom = { maxShards: 200 };
const POLICY: ScalingPolicy = { shards: { min: 1, max: 32 } };
const standing = (shards: number, more: Partial<Standing> = {}): Standing => ({
  shards,
  changes: [],
  firedAtMs: {},
  ...more,
});
/** A minute in which so many shards would have been full. */
const minute = (demand: number, more: Partial<MinuteLoad> = {}): MinuteLoad => ({
  ...NO_LOAD,
  records: demand * 60_000,
  ...more,
});
const seen = (minutes: readonly MinuteLoad[], ahead?: number): Seen => ({
  nowMs: NOW_MS,
  minutes,
  forecast: () => ahead,
});
const hours = (demand: number, count = 2): readonly MinuteLoad[] =>
  Array.from({ length: count * 60 }, () => minute(demand));
const rule = (more: Partial<ScalingRule>): ScalingRule => ({
  name: 'mine',
  when: { signal: 'recordsPerSecond', above: 100 },
  then: { shards: { times: 2 } },
  ...more,
});

describe('a decision', () => {
  it('adds shards before the peak that is foreseen, and says why', () => {
    const { steps } = decide(POLICY, standing(4), seen(hours(1), 5));
    expect(steps).toEqual([
      {
        quantity: 'shards',
        from: 4,
        to: 7,
        rule: 'before the peak',
        why: 'before the peak: utilisation 1.25, 95 % forecast of the next 60 min, is above 0.85',
      },
    ]);
  });

  it('reacts where nothing was foreseen: to load, and to what was refused', () => {
    expect(decide(POLICY, standing(4), seen([minute(3.6)], 1)).steps).toMatchObject([{ to: 6, rule: 'under load' }]);
    const throttled = minute(1, { throttled: 600 });
    expect(decide(POLICY, standing(4), seen([throttled], 1)).steps).toMatchObject([{ to: 8, rule: 'throttled' }]);
  });

  it('of several rules that raise, takes the highest', () => {
    const { steps } = decide(POLICY, standing(4), seen([minute(3.6, { throttled: 600 })], 4.4));
    expect(steps).toMatchObject([{ to: 8, rule: 'throttled' }]);
  });

  it('lowers only what neither forecast nor load will raise again', () => {
    expect(decide(POLICY, standing(8), seen(hours(0.5), 1)).steps).toMatchObject([{ to: 4, rule: 'after the peak' }]);
    // 2 shards would be enough for the forecast; the last minute would fill them.
    const policy = { ...POLICY, shards: { min: 1, max: 32 } };
    const { steps } = decide(policy, standing(4), seen([...hours(0.5), minute(2.3)], 1.2));
    expect(steps).toMatchObject([{ to: 3, rule: 'after the peak' }]);
  });

  it('keeps between its bounds, and comes back to them', () => {
    expect(decide({ shards: { min: 1, max: 6 } }, standing(4), seen(hours(1), 30)).steps).toMatchObject([{ to: 6 }]);
    expect(decide({ shards: { min: 6, max: 9 } }, standing(4), seen(hours(3), 3)).steps).toMatchObject([
      { to: 6, why: 'outside of its bounds, 6 to 9' },
    ]);
  });

  it('lets a rule rest after it fired', () => {
    const rested = standing(4, { firedAtMs: { mine: NOW_MS - 299_000 } });
    const policy = { ...POLICY, rules: [rule({})] };
    expect(decide(policy, rested, seen([minute(1)])).steps).toEqual([]);
    expect(decide(policy, rested, seen([minute(1)])).findings).toMatchObject([{ state: 'resting' }]);
    const ready = standing(4, { firedAtMs: { mine: NOW_MS - 300_000 } });
    expect(decide(policy, ready, seen([minute(1)])).steps).toMatchObject([{ to: 8 }]);
  });

  it('looks at the mean of the window above, at its highest minute below, and not at half a window below', () => {
    const above = { ...POLICY, rules: [rule({ when: { signal: 'recordsPerSecond', overSeconds: 180, above: 100 } })] };
    expect(decide(above, standing(1), seen([minute(0), minute(0), minute(0.2)])).steps).toEqual([]);
    expect(decide(above, standing(1), seen([minute(0.2), minute(0), minute(0.2)])).steps).toMatchObject([{ to: 2 }]);
    const low = rule({
      when: { signal: 'recordsPerSecond', overSeconds: 180, below: 100 },
      then: { shards: { times: 0.5 } },
    });
    const below = { ...POLICY, rules: [low] };
    expect(decide(below, standing(4), seen([minute(0), minute(0), minute(0)])).steps).toMatchObject([{ to: 2 }]);
    expect(decide(below, standing(4), seen([minute(0.2), minute(0), minute(0)])).steps).toEqual([]);
    expect(decide(below, standing(4), seen([minute(0), minute(0)])).findings).toMatchObject([{ state: 'unknown' }]);
  });

  it('never flaps: under a steady load it comes to rest and stays there', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 20, noNaN: true }), fc.integer({ min: 1, max: 32 }), (demand, first) => {
        let now = standing(first);
        let atMs = NOW_MS;
        const moves: number[] = [];
        for (let round = 0; round < 30; round += 1) {
          atMs += 2 * HOUR_MS;
          const [step] = decide(POLICY, now, { ...seen(hours(demand), demand), nowMs: atMs }).steps;
          moves.push(step === undefined ? 0 : Math.sign(step.to - step.from));
          const changes = step && step.to !== step.from ? [...now.changes, { atMs, from: step.from, to: step.to }] : [];
          now = { ...now, shards: step?.to ?? now.shards, changes: recentChanges(changes, atMs) };
        }
        expect(new Set(moves.filter((move) => move !== 0)).size).toBeLessThanOrEqual(1);
        expect(moves.slice(-5)).toEqual([0, 0, 0, 0, 0]);
      }),
    );
  });
});

describe('the limits of Kinesis', () => {
  it('at most double, at least half, ten changes in any 24 hours', () => {
    expect(allowedStep(4, 20, [], NOW_MS)).toMatchObject({ to: 8, limit: 'at most doubled at a time' });
    expect(allowedStep(5, 1, [], NOW_MS)).toMatchObject({ to: 3, limit: 'at most halved at a time' });
    const ten: PastChange[] = Array.from({ length: 10 }, (_, n) => ({ atMs: NOW_MS - n * HOUR_MS, from: 4, to: 4 }));
    expect(allowedStep(4, 8, ten, NOW_MS)).toMatchObject({ to: 4 });
    expect(allowedStep(4, 8, ten, NOW_MS + 15 * HOUR_MS)).toEqual({ to: 8 });
  });

  it('however load and rules sway: no window of 24 hours has more than ten, and it never cannot come back up', () => {
    const day = 24 * HOUR_MS;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 5, max: 300 })), { maxLength: 200 }),
        (wishes) => {
          let [capacity, nowMs] = [1, NOW_MS];
          const changes: PastChange[] = [];
          for (const [wanted, minutes] of wishes) {
            nowMs += minutes * 60_000;
            const { to } = allowedStep(capacity, wanted, changes, nowMs);
            expect(to).toBeLessThanOrEqual(2 * capacity);
            expect(2 * to).toBeGreaterThanOrEqual(capacity);
            if (to === capacity) continue;
            const isLowered = to < capacity;
            changes.push({ atMs: nowMs, from: capacity, to });
            capacity = to;
            const recent = recentChanges(changes, nowMs);
            expect(recent.length).toBeLessThanOrEqual(10);
            const highest = Math.max(...recent.map(({ from }) => from), to);
            if (isLowered) expect(to * 2 ** (10 - recent.length - 2)).toBeGreaterThanOrEqual(highest);
          }
          expect(changes.every(({ atMs }) => changes.filter((c) => c.atMs > atMs - day && c.atMs <= atMs).length <= 10)).toBe(true); // prettier-ignore
        },
      ),
    );
  });
});

describe('rules that cannot be', () => {
  const problems = (policy: ScalingPolicy, room = ROOM) => problemsOf(policy, room).join('; ');

  it('the rules by default can', () => {
    expect(problems(POLICY)).toBe('');
    expect(DEFAULT_RULES.length).toBeGreaterThan(0);
    expect(problems({ mode: 'off' })).toBe('');
  });

  it.each<[string, ScalingPolicy, RegExp]>([
    ['unbounded', { rules: DEFAULT_RULES }, /rule "before the peak": then.shards: unbounded/],
    ['nothing at all', {}, /changes nothing/],
    ['off, and contradictory', { ...POLICY, mode: 'off', rules: [rule({}), rule({})] }, /two are named/],
    ['bounds upside down', { shards: { min: 4, max: 2 } }, /shards: min is above max/],
    ['more than there may be', { shards: { min: 1, max: 500 } }, /shards: at most 200/],
    ['above and below', { ...POLICY, rules: [rule({ when: { signal: 'utilisation', above: 1, below: 0.5 } })] }, /exactly one of above and below/], // prettier-ignore
    ['neither', { ...POLICY, rules: [rule({ when: { signal: 'utilisation' } })] }, /exactly one of above and below/],
    ['a forecast of what is not forecast', { ...POLICY, rules: [rule({ when: { signal: 'throttledPerSecond', above: 1, forecast: { quantile: 0.9 } } })] }, /throttledPerSecond is not forecast/], // prettier-ignore
    ['a window longer than what is kept', { ...POLICY, rules: [rule({ when: { signal: 'utilisation', above: 0.5, overSeconds: 9000 } })] }, /at most 7200/], // prettier-ignore
    ['nothing to do', { ...POLICY, rules: [rule({ then: {} })] }, /changes nothing/],
    ['two of one name', { ...POLICY, rules: [rule({}), rule({})] }, /two are named "mine"/],
    ['raising that lowers', { ...POLICY, rules: [rule({ then: { shards: { times: 0.5 } } })] }, /more than 1/],
    [
      'a number outside of the bounds',
      { ...POLICY, rules: [rule({ then: { shards: { to: 40 } } })] },
      /outside of 1 to 32/,
    ],
    ['what fires for ever', { ...POLICY, rules: [rule({ when: { signal: 'utilisation', above: 0.5 }, then: { shards: { utilisation: 0.6 } } })] }, /fires for ever/], // prettier-ignore
    ['a share of what is none', { ...POLICY, rules: [rule({ then: { shards: { utilisation: 0.6 } } })] }, /says nothing of it/], // prettier-ignore
    ['two that hold at once', { ...POLICY, rules: [rule({}), rule({ name: 'other', when: { signal: 'recordsPerSecond', below: 200 }, then: { shards: { times: 0.5 } } })] }, /both hold between 100 and 200/], // prettier-ignore
    ['two that set each other off', { ...POLICY, rules: [rule({ when: { signal: 'utilisation', above: 0.8 } }), rule({ name: 'other', when: { signal: 'utilisation', below: 0.5 }, then: { shards: { times: 0.5 } } })] }, /they would flap/], // prettier-ignore
  ])('%s', (_what, policy, problem) => {
    expect(problems(policy)).toMatch(problem);
  });
});
