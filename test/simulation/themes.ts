import type { ConflictPolicy } from '../../src/core/api.js';
import type { Dice } from './dice.js';
import { type Plan, anyPlan } from './plan.js';

/**
 * What half of the seeds are about: situations for which so much has to fall together that dice alone seldom bring it
 * about. A theme bends a plan towards one; what happens in it is up to the dice as ever.
 */
interface Theme {
  readonly name: string;
  readonly bend: (dice: Dice, plan: Plan) => Partial<Plan>;
}

const STREAM_FAULTS = ['stream down', 'shard down', 'stream throttled', 'stream flaky', 'shard flaky', 'stream slow'];
const CHANGES_OF_HOME = ['takeover by suspicion', 'home moved'];
const LATE_CALLS = [
  'call lands after its caller gave up',
  'call late',
  'answer late',
  'answer lost',
  'call happens twice',
];
const SLEEPERS = ['process frozen', 'process sleeps over it', 'process dies'];

const THEMES: readonly Theme[] = [
  {
    // Calls and processes of one term are still under way in the next, and in the one after it.
    name: 'homes change in haste',
    bend: (dice, plan) => ({
      processesPerSite: dice.between(2, 4),
      roundTripMs: dice.pick([2, 10]),
      options: { ...plan.options, callTimeoutMs: 60, failuresToOpen: 1, minInSync: 1, deadlineMs: 3000 },
      faults: [...CHANGES_OF_HOME, ...dice.some(LATE_CALLS, 0.6), ...dice.some(SLEEPERS, 0.5)],
      faultEveryMs: dice.pick([40, 100]),
      faultsAtOnce: 4,
      clientEveryMs: dice.pick([10, 30]),
      keys: plan.keys.slice(0, dice.pick([1, 3])),
      versioned: 0.8,
    }),
  },
  {
    // Two sites that cannot hear each other decide on the same keys, and meet again.
    name: 'histories part',
    bend: (dice, plan) => ({
      faults: ['histories part', ...dice.some(['reconciliation', 'answer lost', 'process dies', 'home moved'], 0.2)],
      options: { ...plan.options, minInSync: 1, callTimeoutMs: 60, failuresToOpen: 1 },
      faultEveryMs: 800,
      faultsAtOnce: 1,
      clientEveryMs: 100,
      keys: plan.keys.slice(0, 3),
      versioned: dice.pick([0, 0.3]),
      interactive: dice.pick([0, 0.3]),
      streams: withPolicies(dice, plan),
      unclean: true,
    }),
  },
  {
    // One stream at a time takes nothing; whoever writes may not notice.
    name: 'streams give way',
    bend: (dice, plan) => ({
      processesPerSite: dice.pick([1, 2]),
      roundTripMs: 2,
      options: { ...plan.options, minInSync: 1, callTimeoutMs: 250, applyAttempts: 8, decideAttempts: 12 },
      faults: dice.some(['stream down', 'shard down'], 0.7),
      faultEveryMs: 400,
      // Till what waited is drained: of two replicas that lag one has to be waited for.
      faultPauseMs: 2000,
      faultsAtOnce: 1,
      clientEveryMs: 100,
      versioned: dice.pick([0, 0.8]),
      impatient: 0,
      spared: ['sites', 'clients'],
    }),
  },
  {
    // Nothing fails: what is asked for, and what comes of many at the same time.
    name: 'nothing fails',
    bend: (dice, plan) => ({
      roundTripMs: 2,
      options: {
        ...plan.options,
        minInSync: dice.pick([1, 2]),
        callTimeoutMs: 250,
        applyAttempts: 8,
        decideAttempts: 12,
      },
      faults: dice.some(['shard split', 'shards merged', 'reconciliation', 'transaction conflict', 'stale index'], 0.4),
      faultEveryMs: 250,
      faultsAtOnce: 1,
      clientEveryMs: 100,
      impatient: 0,
      spared: ['sites', 'clients'],
    }),
  },
  {
    // Nobody fails, and home moves: whoever asks just then has to ask again.
    name: 'home is moved',
    bend: (dice, plan) => ({
      roundTripMs: 2,
      options: { ...plan.options, callTimeoutMs: 250, applyAttempts: 8, decideAttempts: 12 },
      faults: ['home moved', ...dice.some(['shard split', 'switchover'], 0.3)],
      faultEveryMs: 250,
      faultsAtOnce: 1,
      spared: ['sites'],
    }),
  },
  {
    // A transaction is begun under one home, written under another, and committed under a third.
    name: 'transactions move',
    bend: (dice, plan) => ({
      interactive: 1,
      impatient: 0.3,
      options: { ...plan.options, callTimeoutMs: 60, failuresToOpen: 1, minInSync: 1 },
      faults: [
        ...CHANGES_OF_HOME,
        ...dice.some(['answer lost', 'call fails', 'call lands after its caller gave up'], 0.6),
      ],
      faultEveryMs: dice.pick([100, 250]),
      faultsAtOnce: 2,
    }),
  },
  {
    // Fewer sites in sync than asked for: nothing may be decided, and nobody is left.
    name: 'few replicas',
    bend: (dice, plan) => ({
      options: { ...plan.options, minInSync: 2, callTimeoutMs: 60, failuresToOpen: 1 },
      faults: dice.some(['site down', 'tables down', 'partition', 'site alone'], 0.5),
      faultEveryMs: 250,
      clientEveryMs: 100,
    }),
  },
  {
    // A site is left and comes back while everybody writes, and most processes have not heard of it.
    name: 'sites come and go',
    bend: (dice, plan) => ({
      processesPerSite: dice.between(2, 4),
      roundTripMs: 2,
      options: { ...plan.options, minInSync: 1, callTimeoutMs: 60, failuresToOpen: 1, halfOpenAfterMs: 50 },
      faults: [
        ...dice.some(['site down', 'tables down', 'partition', 'site alone', 'one-way partition'], 0.4),
        ...dice.some(['process dies', 'all of a site die', 'process frozen'], 0.6),
        ...dice.some(LATE_CALLS, 0.5),
      ],
      faultEveryMs: dice.pick([40, 100]),
      faultsAtOnce: 2,
      clientEveryMs: dice.pick([30, 60]),
      keys: plan.keys.slice(0, dice.pick([1, 3])),
      versioned: 0.8,
      impatient: 0,
      periodsMs: { ...plan.periodsMs, watch: 100, sweep: 500 },
    }),
  },
  {
    // Many processes, most of which hear of nothing, and clients that ask two of them at the same time.
    name: 'routes are old',
    bend: (dice, plan) => ({
      processesPerSite: dice.between(4, 6),
      roundTripMs: 10,
      options: { ...plan.options, minInSync: 1, callTimeoutMs: 60, failuresToOpen: 1, halfOpenAfterMs: 50 },
      faults: [
        ...dice.some(['site down', 'tables down', 'partition', 'takeover by suspicion'], 0.5),
        ...dice.some(['process dies', 'process frozen', 'call late', 'answer late'], 0.6),
      ],
      faultEveryMs: dice.pick([100, 250]),
      faultsAtOnce: 2,
      clientEveryMs: dice.pick([60, 100]),
      versioned: dice.pick([0, 0.8]),
      interactive: dice.pick([0, 0.3]),
      impatient: 0,
      doubled: 0.6,
      periodsMs: { ...plan.periodsMs, watch: 100 },
    }),
  },
  {
    // One caller's trouble is not home's: a link of three is cut, or a few calls get no answer.
    name: 'home is well',
    bend: (dice, plan) => {
      const isLink = dice.chance(0.5);
      return {
        ...(isLink ? { sites: ['east', 'west', 'north'], streams: mirroredTwice(plan) } : {}),
        roundTripMs: 2,
        options: {
          ...plan.options,
          minInSync: 1,
          callTimeoutMs: 60,
          failuresToOpen: 1,
          decideAttempts: 12,
          errorRateToOpen: 1,
          halfOpenAfterMs: 50,
        },
        faults: isLink ? ['partition', 'one-way partition'] : ['call fails', 'answer lost'],
        faultEveryMs: 400,
        // Till whoever was left is back.
        faultPauseMs: 2000,
        faultsAtOnce: 1,
        clientEveryMs: 100,
        periodsMs: { ...plan.periodsMs, watch: 100 },
        spared: ['home'],
      };
    },
  },
  {
    // All that was is older than anybody keeps it, and everybody goes on where he was.
    name: 'retention passes',
    bend: (dice, plan) => ({
      faults: [
        'retention passes',
        ...dice.some(['site down', 'home moved', 'reconciliation', 'switchover'], 0.3),
        ...dice.some(['process frozen', 'process sleeps over it', 'stream down', 'answer lost', 'call late'], 0.3),
      ],
      faultEveryMs: 250,
      clientEveryMs: dice.pick([30, 100]),
      periodsMs: { ...plan.periodsMs, expire: 700 },
      readers: 4,
    }),
  },
  {
    // Streams fill up and are drained while they are written, read, left and closed.
    name: 'backlogs',
    bend: (dice, plan) => ({
      options: { ...plan.options, minInSync: 1, applyAttempts: 8 },
      faults: [...dice.some(STREAM_FAULTS, 0.5), ...dice.some(['switchover', 'process dies', 'put in part'], 0.5)],
      faultEveryMs: dice.pick([40, 100]),
      faultsAtOnce: 4,
      clientEveryMs: dice.pick([10, 30]),
      keys: plan.keys.slice(0, 3),
      versioned: 0.8,
      periodsMs: { ...plan.periodsMs, close: 200 },
      readers: 4,
    }),
  },
];

/** Each stream has another way to choose between two histories. */
const withPolicies = (dice: Dice, { streams }: Plan): Plan['streams'] => {
  const policies: Readonly<Record<string, ConflictPolicy>> = {
    orders: { policy: 'last-write-wins', by: dice.pick(['commit', 'commit', 'ingest']) },
    ledger: { policy: 'version-vector' },
    audit: { policy: dice.pick(['manual', 'last-write-wins'] as const) },
  };
  return Object.fromEntries(
    Object.entries(streams).map(([name, policy]) => {
      const conflict = policies[name];
      return [name, conflict ? { ...policy, conflict } : policy];
    }),
  );
};

const mirroredTwice = ({ streams }: Plan): Plan['streams'] =>
  Object.fromEntries(
    Object.entries(streams).map(([name, policy]) => [name, { ...policy, mirrors: { ...policy.mirrors, count: 2 } }]),
  );

/** @throws Error with a sentence for the user */
export function themeNamed(name: string): Theme {
  const found = THEMES.find((theme) => theme.name === name);
  if (!found)
    throw new Error(`--theme: there is none named ${name}; they are ${THEMES.map((one) => one.name).join(', ')}`);
  return found;
}

/**
 * @param groups the names of the kinds of faults, by what they concern
 * @param wanted the theme; absent: as the dice have it
 */
export function planOf(dice: Dice, groups: readonly (readonly string[])[], wanted?: string): Plan {
  const plan = anyPlan(dice, groups);
  if (dice.chance(0.5) && wanted === undefined) return plan;
  const theme = wanted === undefined ? dice.pick(THEMES) : themeNamed(wanted);
  return { ...plan, theme: theme.name, ...theme.bend(dice, plan) };
}
