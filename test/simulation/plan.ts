import type { StreamPolicy } from '../../src/core/api.js';
import type { OptionsInput } from '../../src/core/options.js';
import type { Dice } from './dice.js';

/**
 * What one seed is about. Each seed draws a few kinds of faults, a rate, and options of its own ("swarm testing"): runs
 * that differ as wholes meet more than runs that all are the same mixture of everything.
 */
export interface Plan {
  /** What it is bent towards; absent: everything as the dice have it. */
  readonly theme?: string;
  readonly sites: readonly string[];
  readonly processesPerSite: number;
  readonly roundTripMs: number;
  readonly options: OptionsInput;
  readonly streams: Readonly<Record<string, StreamPolicy>>;
  /** Names of the kinds of faults that this seed draws from. */
  readonly faults: readonly string[];
  /** Between the starts of two faults, on average, milliseconds. */
  readonly faultEveryMs: number;
  /** From the end of a fault to the next, at least, milliseconds. */
  readonly faultPauseMs: number;
  /** Faults that may last at the same time. */
  readonly faultsAtOnce: number;
  /** Between the starts of two clients, on average, milliseconds. */
  readonly clientEveryMs: number;
  readonly keys: readonly string[];
  /** Share of events with an expected version. */
  readonly versioned: number;
  readonly interactive: number;
  /** Share of clients that give up early. */
  readonly impatient: number;
  /** Share of one-shots that are asked for twice at the same time. */
  readonly doubled: number;
  /** Periods of the loops, milliseconds. */
  readonly periodsMs: Readonly<Record<Work, number>>;
  readonly readers: number;
  /** A home may be forced that does not know everything. */
  readonly unclean: boolean;
  /** Who may not notice what happens: no site is left for it, no client is put off, home stays where it is. */
  readonly spared: readonly ('sites' | 'clients' | 'home')[];
}

export const WORKS = ['watch', 'tend', 'close', 'sweep', 'expire', 'foresee'] as const;
export type Work = (typeof WORKS)[number];

/** Nothing is too near to be foreseen. */
const FORESEEING: OptionsInput = {
  predictionNearMs: 0,
  predictionCostMs: 2,
  predictionHorizon: 5,
  predictionTimeoutMs: 30,
  candidatesPerTransaction: 6,
};

const ALL_KEYS = ['a', 'b', 'c', 'd', 'e', 'f'];

/** @param groups the names of the kinds of faults, by what they concern */
export function anyPlan(dice: Dice, groups: readonly (readonly string[])[]): Plan {
  const sites = dice.chance(0.45) ? ['east', 'west'] : ['east', 'west', 'north'];
  const unclean = dice.chance(0.1);
  const forgets = !unclean && dice.chance(0.1);
  const calm = dice.chance(0.05);
  const kept = [...(unclean ? [] : ['unclean takeover']), ...(forgets ? [] : ['retention passes'])];
  return {
    sites,
    processesPerSite: dice.pick([1, 2, 3, 4]),
    roundTripMs: dice.pick([2, 2, 10, 40]),
    options: {
      guardCopies: dice.pick([1, 2, 3]),
      minInSync: dice.chance(0.15) ? 2 : 1,
      callTimeoutMs: dice.pick([60, 120, 250]),
      bulkTimeoutMs: dice.pick([500, 2000]),
      failuresToOpen: dice.between(1, 3),
      applyAttempts: dice.pick([2, 4, 8]),
      decideAttempts: dice.pick([3, 12]),
      halfOpenAfterMs: dice.pick([50, 500]),
      readMarginMs: dice.pick([1000, 4000]),
      clearPauseMs: dice.pick([0, 0, 20]),
      arrivalMarginMs: dice.pick([0, 0, 30]),
      heartbeatIdleMs: dice.pick([500, 10_000]),
      failbackAfterMs: 2000,
      deadlineMs: dice.pick([1000, 3000]),
      ...FORESEEING,
    },
    streams: streamsOf(dice, sites.length - 1),
    faults: calm ? [] : faultsOf(dice, groups).filter((kind) => !kept.includes(kind)),
    faultEveryMs: dice.pick([40, 100, 250, 800]),
    faultPauseMs: 0,
    faultsAtOnce: dice.pick([1, 2, 2, 4]),
    clientEveryMs: dice.pick([10, 30, 100]),
    keys: ALL_KEYS.slice(0, dice.pick([1, 3, 6])),
    versioned: dice.pick([0, 0.3, 0.8]),
    interactive: dice.pick([0.1, 0.4, 0.8]),
    impatient: dice.pick([0, 0.15, 0.4]),
    doubled: 0.08,
    periodsMs: {
      watch: dice.pick([300, 800]),
      tend: dice.pick([300, 900]),
      close: dice.pick([200, 600, 2000]),
      sweep: dice.pick([500, 1500]),
      expire: dice.pick([700, 5000]),
      foresee: 1500,
    },
    readers: dice.pick([2, 3, 4]),
    unclean,
    spared: [],
  };
}

/** Some kinds of each group, often few: a mixture of everything hides what two of them do together. */
function faultsOf(dice: Dice, groups: readonly (readonly string[])[]): readonly string[] {
  return groups.flatMap((kinds) => {
    const share = dice.pick([0, 1 / kinds.length, 2 / kinds.length, 0.4, 1]);
    return kinds.filter(() => dice.chance(share));
  });
}

function streamsOf(dice: Dice, mirrors: number): Readonly<Record<string, StreamPolicy>> {
  const shards = () => dice.pick([1, 1, 2, 3]);
  const failback = dice.pick(['stay', 'stay', 'automatic'] as const);
  return {
    orders: { mirrors: { count: mirrors }, shards: shards(), failback },
    ledger: { mirrors: { count: mirrors }, shards: shards(), ordering: 'versioned' },
    audit: { mirrors: { count: mirrors, create: 'on-begin' }, shards: shards() },
  };
}
