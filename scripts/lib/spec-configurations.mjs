/**
 * What `npm run spec` checks: every configuration of the specification as data. The .cfg files that TLC takes are made
 * from these.
 *
 * @typedef {object} Configuration
 * @property {string} name
 * @property {string} module in docs/spec
 * @property {string} what it checks, in a few words
 * @property {Record<string, string>} constants
 * @property {string[]} [invariants]
 * @property {string[]} [properties] liveness
 * @property {string} [specification]
 * @property {string} [symmetry] never with liveness
 * @property {string} [fails] the invariant or property that must fail, where a rule is taken out
 */

/** Constants whose members are model values, named after themselves. */
const NAMED = ['Site', 'Coord', 'Helper', 'Returner', 'Proc', 'Writes', 'Agent', 'Stream'];

const MODULES = {
  Lockstep: {
    constants: {
      Site: '{X, Y}',
      First: 'X',
      Start0: '{X, Y}',
      Txn: '{1}',
      NCopy: '1',
      Coord: '{k1}',
      Helper: '{h1}',
      Returner: '{r1}',
      Abortable: '{}',
      Versioned: '{}',
      MaxTerm: '2',
      MaxEpoch: '5',
      Moves: 'FALSE',
      LateClose: 'FALSE',
      Mortal: '{}',
      Faults: '0',
      Off: '{}',
    },
    invariants: ['I1', 'I3', 'I6', 'I9', 'I11', 'Whole'],
  },
  Interactive: {
    constants: {
      Site: '{X, Y}',
      First: 'X',
      Start0: '{X, Y}',
      Known0: '{X}',
      Writes: '{a}',
      Proc: '{p1}',
      MaxTerm: '2',
      MaxEpoch: '4',
      MaxNext: '2',
      OldRoutes: 'TRUE',
      Agent: '{}',
      Foreseen: '{}',
      Enveloped: '{}',
      Ahead: '1',
      Moves: 'FALSE',
      Forgets: 'FALSE',
      Off: '{}',
    },
    invariants: ['Mirrored', 'AsNamed', 'Final', 'OneOutcome', 'Rises', 'Numbered'],
  },
  Streams: {
    constants: {
      Site: '{X, Y}',
      First: 'X',
      Stream: '{a}',
      Txn: '{1, 2}',
      MaxTerm: '2',
      Off: '{}',
    },
    invariants: ['Kept', 'InSync', 'ClosedIsOn'],
  },
  Unclean: {
    constants: { Txn: '{1, 2, 3}', Key: '{"k", "m"}', KeyOf: 'KeyMap', MaxClock: '6', Off: '{}' },
    invariants: ['NeverSilent', 'Converged', 'Histories', 'Once', 'Whole'],
  },
  Parted: {
    constants: { Site: '{X, Y}', First: 'X', MaxTerm: '3', PerTerm: '1', Reads: 'FALSE', Off: '{}' },
    invariants: ['Level', 'Counts', 'NoGap'],
  },
  Requests: { constants: { Site: '{X, Y}', First: 'X', MaxTerm: '3', Off: '{}' }, invariants: ['Refused'] },
  Reader: { constants: { Txn: '{1, 2}', MaxTime: '2', Off: '{}' }, invariants: ['Once', 'NoLoss'] },
};

/**
 * @param {string} module
 * @param {string} name
 * @param {string} what
 * @param {Record<string, string>} [constants] other than the module's
 * @param {Partial<Configuration>} [more]
 * @returns {Configuration}
 */
function configuration(module, name, what, constants = {}, more = {}) {
  const { constants: usual, invariants } = MODULES[module];
  return { module, name, what, constants: { ...usual, ...constants }, invariants, ...more };
}

const THREE = { Site: '{X, Y, Z}', Start0: '{X, Y, Z}' };
const JOIN = { Start0: '{X}' };
const TWO_VERSIONS = { Txn: '{1, 2}', Versioned: '{1, 2}' };
const LIVENESS = {
  specification: 'FairSpec',
  invariants: [],
  properties: ['TakeoverEnds', 'HomeIsReplaced', 'Applied', 'Settled', 'AllReturn'],
};

const FORESEEN = { Agent: '{g1}', Foreseen: '{a}' };
/** The follower knows the transaction, of which one write is foreseen. */
const FORESEES = { ...FORESEEN, Known0: '{X, Y}', OldRoutes: 'FALSE', MaxEpoch: '3', MaxNext: '1' };
const FORGETTING = { Moves: 'TRUE', Forgets: 'TRUE', MaxTerm: '3', MaxEpoch: '5', MaxNext: '1' };

/** What the explorer runs the code through. */
const explored = (name, what, constants) =>
  configuration('Lockstep', name, `as explored in the code: ${what}`, constants);

/** @type {Configuration[]} */
export const BASE = [
  configuration(
    'Lockstep',
    'Commit2',
    'two sites, two coordinators, commit and abort, takeover, planned move, return',
    {
      Coord: '{k1, k2}',
      Abortable: '{1}',
      MaxEpoch: '4',
      Moves: 'TRUE',
    },
    { symmetry: 'SymK' },
  ),
  configuration('Lockstep', 'Back2', 'two sites, home moves twice: take-back, planned move, return to home', {
    Abortable: '{1}',
    MaxTerm: '3',
    MaxEpoch: '7',
    Moves: 'TRUE',
  }),
  configuration(
    'Lockstep',
    'Join2',
    'a site that was never in sync joins while two coordinators decide',
    {
      ...JOIN,
      Coord: '{k1, k2}',
      MaxTerm: '1',
      MaxEpoch: '5',
    },
    { symmetry: 'SymK' },
  ),
  configuration('Lockstep', 'Versions2', 'two versioned transactions on one key: takeover, overruling, return', {
    ...TWO_VERSIONS,
    MaxEpoch: '4',
  }),
  configuration('Lockstep', 'Close2', 'bars that reach a follower late', {
    ...TWO_VERSIONS,
    MaxEpoch: '3',
    LateClose: 'TRUE',
    Returner: '{}',
  }),
  configuration('Lockstep', 'Copies2', 'guards in two copies, rewritten one by one', {
    Txn: '{1, 2}',
    NCopy: '2',
    MaxEpoch: '3',
  }),
  configuration(
    'Lockstep',
    'Sleepers2',
    'two processes bring the same site back',
    { Returner: '{r1, r2}', MaxEpoch: '5' },
    { symmetry: 'SymAll' },
  ),
  configuration(
    'Lockstep',
    'Single3',
    'three sites, two versioned transactions, every single fault',
    {
      ...THREE,
      ...TWO_VERSIONS,
      Faults: '1',
      MaxEpoch: '9',
    },
    { symmetry: 'Sym' },
  ),
  configuration(
    'Lockstep',
    'Rounds3',
    'three sites, two processes finish the same takeover',
    {
      ...THREE,
      Helper: '{h1, h2}',
      Returner: '{}',
      MaxEpoch: '4',
    },
    { symmetry: 'SymAll' },
  ),
  configuration(
    'Lockstep',
    'Live2',
    'liveness: two sites, any two faults; one site may be lost at any moment, and come back',
    {
      Mortal: '{X, Y}',
      Faults: '2',
      MaxTerm: '4',
      MaxEpoch: '24',
    },
    LIVENESS,
  ),
  // The same constants as in test/simulation/explorer/configurations.ts, and as many states.
  explored('Explored2', 'one transaction, takeover, return', { MaxEpoch: '4' }),
  explored('ExploredJoin', 'a site that was never in sync joins', { ...JOIN }),
  explored('ExploredVersions', 'two versioned transactions', { ...TWO_VERSIONS, MaxEpoch: '3' }),
  explored('ExploredRounds', 'three sites, two helpers', {
    ...THREE,
    Helper: '{h1, h2}',
    Returner: '{}',
    MaxEpoch: '3',
  }),
  configuration('Interactive', 'Write2', 'an interactive transaction: stagings, takeover, return, join', {
    Writes: '{a, b}',
    MaxNext: '2',
    MaxEpoch: '3',
  }),
  configuration(
    'Interactive',
    'Retry2',
    'two processes write and retry, with routes of any age',
    { Proc: '{p1, p2}', MaxEpoch: '4', MaxNext: '1' },
    { symmetry: 'Sym' },
  ),
  configuration('Interactive', 'Foresee2', 'a candidate: staged ahead, announced, counted on; takeover, return, join', {
    ...FORESEEN,
    MaxEpoch: '4',
    MaxNext: '2',
  }),
  configuration('Interactive', 'Numbers2', 'two writes, one of them foreseen: numbers, takeover', {
    ...FORESEES,
    Writes: '{a, b}',
    MaxNext: '2',
  }),
  configuration('Interactive', 'Envelopes2', 'two agents of a follower, and an event with an envelope', {
    ...FORESEES,
    Agent: '{g1, g2}',
    Enveloped: '{a}',
  }),
  configuration('Interactive', 'Forget2', 'a follower forgets what home does not know; planned moves', {
    ...FORGETTING,
  }),
  configuration(
    'Streams',
    'Active2',
    'active away from home, backlogs, switchovers, closing: two sites',
    {},
    {
      invariants: ['Kept', 'AtOnce', 'InSync', 'ClosedIsOn'],
    },
  ),
  configuration('Streams', 'Active3', 'the same with three sites and one transaction', {
    Site: '{X, Y, Z}',
    Txn: '{1}',
  }),
  configuration('Unclean', 'Forced', 'a forced takeover and the return after it, crashing anywhere'),
  configuration('Parted', 'Parted2', 'unclean takeovers, back and forth between two sites', { MaxTerm: '4' }),
  configuration('Parted', 'PartedReader', 'a reader that follows histories which part', { Reads: 'TRUE' }),
  configuration('Requests', 'Requests', 'a commit that is passed on, refused, and lands late'),
  configuration('Reader', 'Reader', 'bars, closed timestamps, a reader that moves between replicas'),
];

/**
 * @param {string} rule that is taken out
 * @param {string} fails
 * @param {Record<string, string>} [constants]
 * @param {Partial<Configuration>} [more]
 */
function without(module, rule, fails, constants = {}, more = {}) {
  const name = `${module} without ${rule}`;
  return configuration(
    module,
    name,
    `without ${rule}`,
    { ...constants, Off: `{"${rule}"}` },
    {
      invariants: [fails],
      fails,
      ...more,
    },
  );
}

const K2 = { Coord: '{k1, k2}' };
const K2_SYMMETRY = { symmetry: 'SymK' };
const NO_RETURN = { Returner: '{}' };

/** @type {Configuration[]} */
export const RULES = [
  without('Lockstep', 'logsFirst', 'I1'),
  without('Lockstep', 'ackApplied', 'I3'),
  without('Lockstep', 'mirrorLogsFirst', 'Harm', { ...THREE, ...NO_RETURN }, { symmetry: 'Sym' }),
  without('Lockstep', 'putRoute', 'Harm', { ...JOIN, ...K2, MaxEpoch: '6' }, K2_SYMMETRY),
  without('Lockstep', 'sameTerm', 'Harm', { MaxTerm: '3', MaxEpoch: '9', Moves: 'TRUE' }),
  without('Lockstep', 'guardEpoch', 'Harm', { ...JOIN, ...K2, MaxEpoch: '6' }, K2_SYMMETRY),
  without('Lockstep', 'guardsBeforeCopy', 'Harm', { ...JOIN, ...K2, MaxEpoch: '6' }, K2_SYMMETRY),
  without('Lockstep', 'raiseOpen', 'Harm', { MaxTerm: '3', MaxEpoch: '8' }),
  without('Lockstep', 'joiningMiss', 'Harm', { ...JOIN, MaxEpoch: '6' }),
  without('Lockstep', 'joinIncarnation', 'I3', { ...JOIN, Returner: '{r1, r2}', MaxTerm: '1', MaxEpoch: '6' }),
  without('Lockstep', 'predFirst', 'I9', { ...TWO_VERSIONS, ...JOIN, MaxTerm: '1' }),
  without('Lockstep', 'fence', 'I11', { ...THREE, ...NO_RETURN }, { symmetry: 'Sym' }),
  without('Lockstep', 'fenceFirst', 'I11', { ...THREE, ...NO_RETURN }, { symmetry: 'Sym' }),
  without('Lockstep', 'adopt', 'I11', { ...THREE, ...NO_RETURN }, { symmetry: 'Sym' }),
  without('Lockstep', 'serveLast', 'I11', { ...THREE, ...NO_RETURN, Abortable: '{1}', ...K2 }, { symmetry: 'Sym' }),
  without(
    'Lockstep',
    'round',
    'I9',
    { ...THREE, ...TWO_VERSIONS, ...NO_RETURN, Helper: '{h1, h2}' },
    { symmetry: 'Sym' },
  ),
  without('Lockstep', 'followerMark', 'I11', { ...THREE, ...NO_RETURN }, { symmetry: 'Sym' }),
  without('Lockstep', 'joiningOut', 'I11', { Site: '{X, Y, Z}', MaxEpoch: '6' }),
  without('Lockstep', 'overrule', 'I11', { ...THREE, MaxEpoch: '6' }, { symmetry: 'Sym' }),
  without('Lockstep', 'selfFence', 'I11', { MaxEpoch: '6' }),
  without('Lockstep', 'cleanFirst', 'I11', { MaxEpoch: '6', Abortable: '{1}' }),
  without('Lockstep', 'versionBack', 'I9', { Versioned: '{1}', MaxEpoch: '6' }),
  without('Lockstep', 'returnRound', 'Whole', { Returner: '{r1, r2}', MaxEpoch: '6' }, { symmetry: 'SymAll' }),
  without('Lockstep', 'fenceJoinFirst', 'Whole', { Returner: '{r1, r2}', MaxEpoch: '6' }, { symmetry: 'SymAll' }),
  without(
    'Lockstep',
    'takeBack',
    'TakeoverEnds',
    { Mortal: '{Y}', Faults: '2', MaxTerm: '4', MaxEpoch: '14', Coord: '{}' },
    { ...LIVENESS, properties: ['TakeoverEnds'] },
  ),

  without('Interactive', 'eager', 'Mirrored'),
  without('Interactive', 'stagingGuard', 'Mirrored', { Start0: '{X}' }),
  without(
    'Interactive',
    'retryGuard',
    'Mirrored',
    { Start0: '{X}', Proc: '{p1, p2}', MaxEpoch: '5' },
    { symmetry: 'Sym' },
  ),
  without('Interactive', 'stageTerm', 'Mirrored', { MaxEpoch: '6' }),
  without('Interactive', 'racingKey', 'Mirrored', { Writes: '{a, b}', Proc: '{p1, p2}' }, { symmetry: 'Sym' }),
  without('Interactive', 'numbersRise', 'Rises', { Writes: '{a, b}', Proc: '{p1, p2}' }, { symmetry: 'Sym' }),
  without('Interactive', 'namesAll', 'AsNamed', { Writes: '{a, b}' }),
  without('Interactive', 'keepRefused', 'Mirrored', { MaxEpoch: '5' }),
  without('Interactive', 'copyStagings', 'Mirrored', { Start0: '{X}' }),
  without('Interactive', 'freshRound', 'Mirrored', { Start0: '{X}' }),
  without('Interactive', 'ownNumber', 'Numbered', { Writes: '{a, b}', MaxEpoch: '3' }),

  without('Interactive', 'joinedSince', 'Mirrored', { ...FORESEES, MaxTerm: '1', MaxEpoch: '4' }),
  without('Interactive', 'knewBefore', 'Mirrored', { ...FORESEES, MaxTerm: '1', MaxEpoch: '4' }),
  without('Interactive', 'numbersFree', 'Numbered', { ...FORESEES, Writes: '{a, b}' }),
  without('Interactive', 'numbersBelow', 'Numbered', { ...FORESEES, Writes: '{a, b}', Ahead: '0' }),
  without('Interactive', 'envelopes', 'AsNamed', { ...FORESEES, Enveloped: '{a}' }),
  without('Interactive', 'envelopedIsMissing', 'AsNamed', { ...FORESEES, Enveloped: '{a}' }),
  without('Interactive', 'candidatesGrow', 'AsNamed', { ...FORESEES, Enveloped: '{a}', Agent: '{g1, g2}' }),
  without('Interactive', 'heldApart', 'Mirrored', { ...FORESEES, MaxTerm: '1', MaxEpoch: '4' }),
  without('Interactive', 'copyCandidates', 'Mirrored', { ...FORESEES, MaxEpoch: '5' }),

  without('Interactive', 'forgetTerm', 'Mirrored', FORGETTING),
  without('Interactive', 'forgetSame', 'Mirrored', FORGETTING),
  without('Interactive', 'forgetOpen', 'Final', FORGETTING),

  without('Streams', 'backlog', 'Kept'),
  without('Streams', 'waitsForActive', 'AtOnce'),
  without('Streams', 'putThenClear', 'Kept', { Site: '{X, Y, Z}', Txn: '{1}' }),
  without('Streams', 'marksFirst', 'ClosedIsOn', { Site: '{X, Y, Z}', Txn: '{1}' }),
  without('Streams', 'closedBacklog', 'ClosedIsOn'),
  without('Streams', 'activeMoves', 'InSync'),

  without('Unclean', 'takenIsOurs', 'Histories'),
  without('Unclean', 'newestFirst', 'Whole'),
  without('Unclean', 'resolveFirst', 'NeverSilent'),

  without('Parted', 'stillClosed', 'Level'),
  without('Parted', 'allBetween', 'Counts'),
  without('Parted', 'gapTold', 'NoGap', { Reads: 'TRUE' }),

  without('Requests', 'passedTerm', 'Refused'),
  without('Requests', 'proposalTerm', 'Refused'),
  without('Requests', 'oncePerTerm', 'Refused'),
  without('Requests', 'identityFirst', 'Refused'),
  without('Requests', 'noWayBack', 'Refused'),

  without('Reader', 'pair', 'NoLoss'),
  without('Reader', 'barFirst', 'NoLoss'),
  without('Reader', 'applied', 'NoLoss'),
  without('Reader', 'siteClosed', 'NoLoss'),
  without('Reader', 'dropBelow', 'Once'),
];

/** The .cfg file of a configuration. */
export function cfgOf({ constants, invariants = [], properties = [], symmetry, specification = 'Spec' }) {
  const named = new Set(NAMED.flatMap((name) => constants[name]?.match(/\w+/g) ?? []));
  // An operator of the module stands in for what a .cfg cannot write down.
  const is = (name) => (name === 'KeyOf' ? '<-' : '=');
  return [
    `SPECIFICATION ${specification}`,
    'CONSTANTS',
    ...Object.entries(constants).map(([name, value]) => `  ${name} ${is(name)} ${value}`),
    ...[...named].map((name) => `  ${name} = ${name}`),
    ...(symmetry ? [`SYMMETRY ${symmetry}`] : []),
    ...(invariants.length > 0 ? [`INVARIANTS ${invariants.join(' ')}`] : []),
    ...(properties.length > 0 ? [`PROPERTIES ${properties.join(' ')}`] : []),
    'CHECK_DEADLOCK FALSE',
    '',
  ].join('\n');
}
