/**
 * Scaling rules as data: when a signal, measured or forecast, is above or below something over a window, then a stream is
 * to have so many shards.
 */

/** What a rule may look at. Of the stream as a whole, but for the last one. */
export type Signal =
  /** B/s */
  | 'bytesPerSecond'
  /** Records/s */
  | 'recordsPerSecond'
  /** Transactions/s */
  | 'transactionsPerSecond'
  /** Records/s that Kinesis refused for load. */
  | 'throttledPerSecond'
  /** How long the oldest record has waited for this site's replica, seconds. */
  | 'backlogAgeSeconds'
  /** What is put of what its shards take together: 1 MiB and 1,000 records a second each, whichever is scarcer. */
  | 'utilisation'
  /** The same, of its busiest shard. */
  | 'shardUtilisation';

export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** To which a number goes: so many, so many times as many, or as many as bring the utilisation there. */
export type Change = { readonly to: number } | { readonly times: number } | { readonly utilisation: number };

export interface ScalingRule {
  /** Tells it apart in decisions. Letters, digits, spaces and `-`, up to 64. */
  readonly name: string;
  readonly when: {
    readonly signal: Signal;
    /** 60 to 7,200: back from now, or ahead where it is forecast. @default 60 */
    readonly overSeconds?: number;
    /** What the signal will not exceed with this probability, at its highest within the window ahead. */
    readonly forecast?: { readonly quantile: number };
    /** One of these: measured, the mean over the window is above; or the highest minute of it is below. */
    readonly above?: number;
    readonly below?: number;
  };
  readonly then: {
    readonly shards?: Change;
  };
  /** How long it rests after it changed something, 60 to 86,400. @default 300 above, 1800 below */
  readonly cooldownSeconds?: number;
}

/** How a stream follows its load. */
export interface ScalingPolicy {
  /** Off: nothing is changed any more, and what it has stays. @default "on" */
  readonly mode?: 'on' | 'dry-run' | 'off';
  /** 1 to the option `maxShards`. */
  readonly shards?: Bounds;
  /** Up to 20. @default `DEFAULT_RULES` where shards are bounded */
  readonly rules?: readonly ScalingRule[];
}

/**
 * Ahead of the peak by forecast, at once where the forecast was wrong, and back when the next two hours will not need it.
 *
 * Above and below lie far apart, and lowering is slower than raising: load that sways about a threshold changes nothing.
 */
export const DEFAULT_RULES: readonly ScalingRule[] = [
  {
    name: 'before the peak',
    when: { signal: 'utilisation', overSeconds: 3600, forecast: { quantile: 0.95 }, above: 0.85 },
    then: { shards: { utilisation: 0.75 } },
    cooldownSeconds: 60,
  },
  {
    name: 'under load',
    when: { signal: 'utilisation', overSeconds: 60, above: 0.8 },
    then: { shards: { utilisation: 0.6 } },
    cooldownSeconds: 60,
  },
  {
    name: 'throttled',
    when: { signal: 'throttledPerSecond', overSeconds: 60, above: 1 },
    then: { shards: { times: 2 } },
    cooldownSeconds: 180,
  },
  {
    name: 'after the peak',
    when: { signal: 'utilisation', overSeconds: 7200, forecast: { quantile: 0.95 }, below: 0.45 },
    then: { shards: { utilisation: 0.7 } },
    cooldownSeconds: 1800,
  },
];

/** What a policy says of itself. */
export const modeOf = (policy: ScalingPolicy | undefined): 'on' | 'dry-run' | 'off' =>
  policy === undefined ? 'off' : (policy.mode ?? 'on');

export const cooldownOf = ({ cooldownSeconds, when }: ScalingRule): number =>
  cooldownSeconds ?? (when.above === undefined ? 1800 : 300);

export const windowOf = ({ when }: ScalingRule): number => when.overSeconds ?? 60;

export const rulesOf = ({ rules, shards }: ScalingPolicy): readonly ScalingRule[] =>
  rules ?? (shards === undefined ? [] : DEFAULT_RULES);

// ------------------------------------------------------------------------------------------------- what is refused

/** What a deployment allows. */
export interface ScalingRoom {
  readonly maxShards: number;
}

/** Minutes are kept so long. */
export const KEPT_MINUTES = 120;

/** What was measured is kept so long, and a forecast of more than that would be a guess. */
const LONGEST_WINDOW_SECONDS = KEPT_MINUTES * 60;

/** Why a policy cannot be: contradictory, unbounded, or without effect. Empty: it can. */
export function problemsOf(policy: ScalingPolicy, room: ScalingRoom): readonly string[] {
  const rules = rulesOf(policy);
  const isEmpty = rules.length === 0 && modeOf(policy) !== 'off';
  return [
    ...(isEmpty ? ['changes nothing: give shards {min, max}, or rules'] : []),
    ...boundsProblems(policy, room),
    ...repeated(rules.map(({ name }) => name)).map((name) => `rules: two are named "${name}"`),
    ...rules.flatMap((rule) => ruleProblems(rule, policy).map((problem) => `rule "${rule.name}": ${problem}`)),
    ...contradictions(rules),
  ];
}

const repeated = (names: readonly string[]): readonly string[] => [
  ...new Set(names.filter((name, index) => names.indexOf(name) !== index)),
];

function boundsProblems({ shards }: ScalingPolicy, { maxShards }: ScalingRoom): readonly string[] {
  if (shards === undefined) return [];
  return [
    ...(shards.min > shards.max ? ['shards: min is above max'] : []),
    ...(shards.max > maxShards ? [`shards: at most ${maxShards}`] : []),
  ];
}

function ruleProblems({ when, then }: ScalingRule, policy: ScalingPolicy): readonly string[] {
  const problems: string[] = [];
  const { signal, above, below, forecast, overSeconds = 60 } = when;
  if ((above === undefined) === (below === undefined)) problems.push('when: needs exactly one of above and below');
  if (forecast !== undefined && signal !== 'utilisation') {
    problems.push(`when: ${signal} is not forecast, only utilisation is`);
  }
  if (overSeconds > LONGEST_WINDOW_SECONDS) problems.push(`when.overSeconds: at most ${LONGEST_WINDOW_SECONDS}`);
  if (Object.keys(then).length === 0) problems.push('then: changes nothing');
  if (then.shards !== undefined) {
    problems.push(...changeProblems(then.shards, when, policy.shards).map((problem) => `then.shards: ${problem}`));
  }
  return problems;
}

function changeProblems(change: Change, when: ScalingRule['when'], bounds: Bounds | undefined): readonly string[] {
  if ('to' in change) return withinProblems(change.to, bounds);
  if (bounds === undefined) return ['unbounded: give min and max beside the rules'];
  if ('times' in change) {
    if (when.above !== undefined && change.times <= 1) return ['times: above, it has to be more than 1'];
    return when.below !== undefined && change.times >= 1 ? ['times: below, it has to be less than 1'] : [];
  }
  if (!isUtilisation(when.signal)) return [`utilisation: ${when.signal} says nothing of it; use to or times`];
  if (when.above !== undefined && change.utilisation >= when.above) {
    return ['utilisation: has to be less than what it is above, or it fires for ever'];
  }
  return when.below !== undefined && change.utilisation <= when.below
    ? ['utilisation: has to be more than what it is below, or it fires for ever']
    : [];
}

function withinProblems(to: number, bounds: Bounds | undefined): readonly string[] {
  if (bounds === undefined) return ['unbounded: give min and max beside the rules'];
  return to < bounds.min || to > bounds.max ? [`to: outside of ${bounds.min} to ${bounds.max}`] : [];
}

const isUtilisation = (signal: Signal): boolean => signal === 'utilisation' || signal === 'shardUtilisation';

/** Pairs that fire at the same time in opposite directions, or of which one's effect sets the other off. */
function contradictions(rules: readonly ScalingRule[]): readonly string[] {
  return rules.flatMap((high) =>
    rules
      .filter((low) => low.when.signal === high.when.signal && touchSame(high, low))
      .flatMap((low) => {
        const { above } = high.when;
        const { below } = low.when;
        if (above === undefined || below === undefined) return [];
        const both = `rules "${high.name}" and "${low.name}"`;
        if (below >= above) return [`${both}: both hold between ${above} and ${below}`];
        const after = afterLowering(low, below);
        return after >= above ? [`${both}: lowering leads to ${after}, which is above ${above}: they would flap`] : [];
      }),
  );
}

const touchSame = (a: ScalingRule, b: ScalingRule): boolean => Object.keys(a.then).some((what) => what in b.then);

/** How high the signal may be after a rule has lowered what it is measured against. */
function afterLowering({ when, then }: ScalingRule, below: number): number {
  const change = then.shards;
  if (!isUtilisation(when.signal) || change === undefined) return below;
  if ('times' in change) return below / change.times;
  return 'utilisation' in change ? change.utilisation : below;
}
