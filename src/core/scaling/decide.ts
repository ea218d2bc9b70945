import { type PastChange, allowedStep } from './limits.js';
import {
  type Bounds,
  type Change,
  type ScalingPolicy,
  type ScalingRule,
  cooldownOf,
  rulesOf,
  windowOf,
} from './rules.js';
import { type MinuteLoad, signalOf } from './signals.js';

/** What a stream has now. */
export interface Standing {
  readonly shards: number;
  /** How its shards were changed within the last 24 hours. */
  readonly changes: readonly PastChange[];
  /** When each rule changed something last, by name. */
  readonly firedAtMs: Readonly<Record<string, number>>;
}

/** What is known of its load. */
export interface Seen {
  readonly nowMs: number;
  /** Complete minutes, newest last. */
  readonly minutes: readonly MinuteLoad[];
  /** The highest demand of the time ahead at a quantile, in shards; nothing as long as too little was learned. */
  readonly forecast: (aheadSeconds: number, quantile: number) => number | undefined;
}

/** What a rule finds. */
export interface Finding {
  readonly rule: string;
  /** Nothing where it is not known yet. */
  readonly value?: number;
  /** `resting`: it would fire, but did so a short while ago. */
  readonly state: 'fires' | 'resting' | 'calm' | 'unknown';
}

/** A change, or one that was held back. */
export interface Step {
  readonly quantity: 'shards';
  readonly from: number;
  /** Equal to `from` where a limit held it back. */
  readonly to: number;
  readonly why: string;
  /** The rule that asked for it; none where only the bounds did. */
  readonly rule?: string;
  readonly limit?: string;
}

export interface Decision {
  readonly findings: readonly Finding[];
  readonly steps: readonly Step[];
}

/**
 * What a stream is to have now. Of several rules that raise its shards the highest counts; they are lowered only where none
 * raises them, and not so far that one would.
 */
export function decide(policy: ScalingPolicy, standing: Standing, seen: Seen): Decision {
  const rules = rulesOf(policy);
  return {
    findings: rules.map((rule) => findingOf(rule, standing, seen)),
    steps: policy.shards === undefined ? [] : stepsOf({ bounds: policy.shards, rules, standing, seen }),
  };
}

interface Asked {
  readonly bounds: Bounds;
  readonly rules: readonly ScalingRule[];
  readonly standing: Standing;
  readonly seen: Seen;
}

interface Wish {
  readonly rule: ScalingRule;
  readonly value: number;
  readonly to: number;
}

function stepsOf(asked: Asked): readonly Step[] {
  const { bounds, standing, seen } = asked;
  const from = standing.shards;
  const wish = wishOf(asked);
  const wanted = clamp(wish?.to ?? from, bounds);
  if (wanted === from) return [];
  const allowed = allowedStep(from, wanted, standing.changes, seen.nowMs);
  const why = wish ? reasonOf(wish) : `outside of its bounds, ${bounds.min} to ${bounds.max}`;
  return [{ quantity: 'shards', from, ...allowed, why, ...(wish ? { rule: wish.rule.name } : {}) }];
}

function wishOf(asked: Asked): Wish | undefined {
  const { rules, standing, seen } = asked;
  const from = standing.shards;
  const wishes = rules.flatMap((rule): readonly Wish[] => {
    const change = rule.then.shards;
    const { state, value } = findingOf(rule, standing, seen);
    return change && state === 'fires' && value !== undefined ? [{ rule, value, to: wanted(change, from, value) }] : [];
  });
  const highest = wishes.reduce<Wish | undefined>(
    (high, wish) => (high && high.to >= wish.to ? high : wish),
    undefined,
  );
  if (!highest || highest.to >= from) return highest;
  const to = safelyLowered(asked, highest.to);
  return to < from ? { ...highest, to } : undefined;
}

/** The least number, from the wanted one on, at which no rule would raise it again at once. */
function safelyLowered({ rules, standing, seen }: Asked, to: number): number {
  const raising = rules.filter(({ when }) => when.above !== undefined);
  for (let shards = Math.max(1, to); shards < standing.shards; shards += 1) {
    if (!raising.some((rule) => isMet(rule, valueOf(rule, { ...standing, shards }, seen)))) return shards;
  }
  return standing.shards;
}

function wanted(change: Change, from: number, value: number): number {
  if ('to' in change) return change.to;
  if ('times' in change) return change.times > 1 ? Math.ceil(from * change.times) : Math.floor(from * change.times);
  return Math.ceil((from * value) / change.utilisation - 1e-9);
}

const clamp = (value: number, { min, max }: Bounds): number => Math.min(max, Math.max(min, value));

// -------------------------------------------------------------------------------------------------------- findings

function findingOf(rule: ScalingRule, standing: Standing, seen: Seen): Finding {
  const value = valueOf(rule, standing, seen);
  if (value === undefined) return { rule: rule.name, state: 'unknown' };
  if (!isMet(rule, value)) return { rule: rule.name, value, state: 'calm' };
  const firedAtMs = standing.firedAtMs[rule.name] ?? -Infinity;
  return { rule: rule.name, value, state: seen.nowMs - firedAtMs < cooldownOf(rule) * 1000 ? 'resting' : 'fires' };
}

const isMet = ({ when: { above, below } }: ScalingRule, value: number | undefined): boolean =>
  value !== undefined && (above === undefined ? value < (below ?? 0) : value > above);

/**
 * Forecast, the highest ahead. Measured: above, the mean over the window, so that one minute's spike is none; below, its
 * highest minute, so that a lull is none. A window that is not full yet says nothing of what is below.
 */
function valueOf(rule: ScalingRule, { shards }: Standing, { minutes, forecast }: Seen): number | undefined {
  const { signal, forecast: ahead, above } = rule.when;
  if (ahead) {
    const demand = forecast(windowOf(rule), ahead.quantile);
    return demand === undefined ? undefined : demand / shards;
  }
  const count = Math.max(1, Math.round(windowOf(rule) / 60));
  const values = minutes.slice(-count).map((load) => signalOf(signal, load, shards));
  if (values.length === 0 || (above === undefined && values.length < count)) return undefined;
  if (above === undefined || signal === 'backlogAgeSeconds') return Math.max(...values);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function reasonOf({ rule, value }: Wish): string {
  const { signal, forecast: ahead, above, below } = rule.when;
  const over = `${windowOf(rule) / 60} min`;
  const how = ahead ? `${Math.round(ahead.quantile * 100)} % forecast of the next ${over}` : `over ${over}`;
  const side = above === undefined ? `below ${below ?? 0}` : `above ${above}`;
  return `${rule.name}: ${signal} ${Number(value.toPrecision(3))}, ${how}, is ${side}`;
}
