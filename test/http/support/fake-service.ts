import type {
  CommitAnswer,
  Conflict,
  EventOut,
  Incident,
  LocalControls,
  MirrorStreamMetadata,
  ScalingAnswer,
  Service,
  StreamAnswer,
  TransactionLogEntry,
} from '../../../src/core/api.js';

export interface Call {
  readonly method: keyof Service;
  readonly args: readonly unknown[];
}

/** A service that notes its calls and gives scripted answers; a test replaces those that it is about. */
export interface FakeService extends Service {
  readonly calls: Call[];
}

const AT = '2026-01-02T03:04:05.678Z';
export const DIGEST = 'ab'.repeat(32);

const mirror: MirrorStreamMetadata = {
  stream: 'orders',
  site: 'west',
  physicalName: 'lockstep-orders-west',
  shards: ['shard-0'],
  replicationFactor: 1,
  status: 'in-sync',
  completeFrom: AT,
};

export const stream: StreamAnswer = {
  name: 'orders',
  active: 'east',
  status: 'in-sync',
  shards: ['shard-0'],
  mirrors: [mirror],
  policy: { shards: 1, mirrors: { count: 1, create: 'now' }, ordering: 'arrival' },
};

export const entry: TransactionLogEntry = {
  id: 't1',
  status: 'open',
  streams: ['orders'],
  shards: [{ site: 'east', stream: 'orders', shardId: 'shard-0' }],
  events: [{ stream: 'orders', key: 'k', type: 'placed', data: { a: 1 }, number: 0, digest: DIGEST }],
  startedAt: AT,
  expiresAt: AT,
};

export function committed(id = 't1', events = 1): CommitAnswer {
  return { id, status: 'committed', committedAt: AT, events, replicas: 2, atRisk: false };
}

export function eventOut(number: number, transactionid = 't1'): EventOut {
  return {
    specversion: '1.0',
    id: `${transactionid}:${number}`,
    source: 'lockstep',
    type: 'placed',
    subject: 'k',
    time: AT,
    data: null,
    stream: 'orders',
    transactionid,
    number,
    parts: 1,
    committedat: AT,
    clock: '00000001.0000000000000001',
  };
}

const incident: Incident = {
  id: 'i1',
  kind: 'switchover',
  site: 'west',
  stream: 'orders',
  startedAt: AT,
  timeline: [{ at: AT, what: 'asked for' }],
};

const conflictSide = {
  site: 'east',
  transactionId: 't1',
  committedAt: AT,
  clock: '00000001.0000000000000001',
  events: [{ stream: 'orders', key: 'k', type: 'placed', data: 1, number: 0, version: 3 }],
};
export const CONFLICT_ID = 'c1'.repeat(16);
const conflict: Conflict = {
  id: CONFLICT_ID,
  stream: 'orders',
  key: 'k',
  status: 'open',
  policy: 'manual',
  recordedAt: AT,
  winner: conflictSide,
  loser: conflictSide,
  together: [CONFLICT_ID],
};

const digests = { east: { log: 'a', stream: 'b' }, west: { log: 'a', stream: 'b' } };

const SCALING: ScalingAnswer = {
  stream: 'orders',
  mode: 'dry-run',
  policy: { mode: 'dry-run', shards: { min: 1, max: 8 } },
  shards: 2,
  openShards: 1,
  changesLeft: 9,
  measuredMinutes: 12,
  load: {
    bytesPerSecond: 1,
    recordsPerSecond: 1,
    transactionsPerSecond: 1,
    throttledPerSecond: 0,
    backlogAgeSeconds: 0,
    utilisation: 0.5,
    shardUtilisation: 0.7,
  },
  forecast: { aheadSeconds: 3600, median: 1, high: 2 },
  rules: [
    { rule: 'under load', value: 0.9, state: 'fires' },
    { rule: 'before the peak', state: 'unknown' },
  ],
  steps: [{ quantity: 'shards', from: 2, to: 4, why: 'w', rule: 'under load', limit: 'at most doubled at a time' }],
  decisions: [{ at: AT, quantity: 'shards', from: 2, to: 4, why: 'w', outcome: 'dry-run' }],
};

const ANSWERS: Service = {
  begin: async ({ id = 't1' }) => ({
    id,
    status: 'open',
    expiresAt: AT,
    home: 'east',
    streams: [{ name: 'orders', active: 'east', mirrors: [mirror] }],
    created: true,
  }),
  write: async (_, { events }) => ({
    events: events.map((event, number) => ({ number, stream: event.stream, digest: DIGEST, foreseen: ['west'] })),
  }),
  getTransaction: async (id) => ({ ...entry, id }),
  listTransactions: async () => ({ transactions: [entry], cursor: 'next' }),
  commit: async (id, { digests: given }) => committed(id, given.length),
  abort: async (id) => ({ id, status: 'aborted' }),
  commitOnce: async ({ id, events }) => committed(id, events.length),
  commitBatch: async ({ commits }) => ({ results: commits.map(({ id, events }) => committed(id, events.length)) }),
  getRoute: async () => ({
    term: 1,
    epoch: 2,
    phase: 'serving',
    home: 'east',
    inSync: ['east'],
    joining: { west: 2 },
    active: { orders: 'east' },
    sites: [{ name: 'east', region: 'eu-central-1', endpoint: 'http://127.0.0.1:1/sites/east' }],
  }),
  listStreams: async () => ({ streams: [stream] }),
  getStream: async (name) => ({ ...stream, name }),
  putStream: async (name, policy) => ({ ...stream, name, policy }),
  getScaling: async () => SCALING,
  planScaling: async () => SCALING,
  readEvents: async () => ({ events: [eventOut(0)], checkpoint: 'c1', caughtUp: true }),
  readTransactions: async () => ({
    transactions: [{ id: 't1', committedAt: AT, events: [eventOut(0)] }],
    checkpoint: 'c1',
    caughtUp: false,
  }),
  switchover: async () => incident,
  moveHome: async () => ({ ...incident, kind: 'planned-move', endedAt: AT }),
  reconcile: async () => ({ id: 'r1' }),
  getReconciliation: async (id) => ({
    id,
    site: 'east',
    status: 'done',
    progress: 1,
    startedAt: AT,
    proof: {
      sites: ['east', 'west'],
      windows: [
        { stream: 'orders', from: '0', to: '1', hashRange: { from: '0', to: 'f' }, before: digests, after: digests },
      ],
      copied: 1,
      overruled: ['t2'],
      conflicts: ['c1'],
      gaps: [{ stream: 'orders', from: '0', to: '1' }],
      seal: 'ab'.repeat(32),
    },
  }),
  audit: async () => ({ id: 'a1' }),
  getAudit: async (id) => ({
    id,
    site: 'east',
    status: 'done',
    startedAt: AT,
    compared: 2,
    counts: { lost: 1, doubled: 0, altered: 0, foreign: 0, unreadable: 0 },
    repaired: 0,
    findings: [{ kind: 'lost', site: 'east', stream: 'orders', what: 'w', outcome: 'o' }],
  }),
  listIncidents: async () => ({ incidents: [incident] }),
  listConflicts: async () => ({ conflicts: [conflict] }),
  getConflict: async () => conflict,
  resolveConflict: async () => conflict,
  getPredictions: async () => ({
    model: { name: 'm', version: '1', metrics: { recall: 0.5 } },
    counts: { written: 1, confirmed: 1, wrong: 0, expired: 0 },
    bytes: { written: 10, wasted: 0 },
    waitSavedMs: 1.5,
  }),
  getHealth: async () => ({
    status: 'ok',
    sites: [
      {
        site: 'east',
        state: 'well',
        streams: [{ stream: 'orders', shards: [{ shardId: 'shard-0', state: 'well' }] }],
      },
    ],
  }),
};

export function fakeService(overrides: Partial<Service> = {}): FakeService {
  const calls: Call[] = [];
  const answers = { ...ANSWERS, ...overrides };
  const noted = Object.entries(answers).map(([method, answer]) => [
    method,
    (...args: unknown[]): unknown => {
      calls.push({ method: method as keyof Service, args });
      return (answer as (...given: unknown[]) => unknown)(...args);
    },
  ]);
  return { ...(Object.fromEntries(noted) as Service), calls };
}

export function fakeControls(): LocalControls & { roundTripMs: number } {
  let faults: ReturnType<LocalControls['getFaults']> = [];
  return {
    roundTripMs: 0,
    getFaults: () => faults,
    setFaults: (given) => (faults = given),
    setNetwork(network) {
      this.roundTripMs = network.roundTripMs;
    },
  };
}
