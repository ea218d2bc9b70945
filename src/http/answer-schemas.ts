/** What the API answers: for the OpenAPI document and for tests; answers are not parsed at run time. */
import * as z from 'zod';
import { SIGNALS } from '../core/scaling/signals.js';
import {
  eventMembers,
  json,
  named,
  scalingPolicy,
  siteName,
  streamName,
  streamPolicy,
  time,
  transactionId,
} from './schemas.js';

const maybe = z.exactOptional;
const whole = z.int().min(0);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

export const problem = named(
  'Problem',
  z
    .looseObject({
      type: z.string(),
      title: z.string(),
      status: z.int(),
      detail: z.string().describe('What to do'),
      code: z.string().describe('Stable'),
      retryable: z.boolean().describe('The identical request may succeed later'),
    })
    .describe('RFC 9457'),
);

const mirrorStatus = z.enum(['pooled', 'creating', 'joining', 'in-sync', 'behind', 'failed', 'reconciling', 'retired']);

const mirror = named(
  'MirrorStreamMetadata',
  z.strictObject({
    stream: streamName,
    site: siteName,
    physicalName: z.string(),
    shards: z.array(z.string()),
    replicationFactor: whole,
    status: mirrorStatus,
    completeFrom: z.string().describe('From when on it holds every committed event'),
  }),
);

export const begin = named(
  'BeginAnswer',
  z.strictObject({
    id: transactionId,
    status: z.literal('open'),
    expiresAt: time,
    home: siteName,
    streams: z.array(z.strictObject({ name: streamName, active: siteName, mirrors: z.array(mirror) })),
  }),
);

export const write = named(
  'WriteAnswer',
  z.strictObject({
    events: z.array(
      z.strictObject({
        number: whole,
        stream: streamName,
        digest,
        foreseen: z.array(siteName).describe('Sites where a prediction already held it'),
      }),
    ),
  }),
);

const loggedEvent = { ...eventMembers, number: whole, version: maybe(whole) };

export const transaction = named(
  'TransactionLogEntry',
  z.strictObject({
    id: transactionId,
    status: z.enum(['open', 'committed', 'aborted']),
    reason: maybe(z.string()),
    streams: z.array(streamName),
    shards: z.array(z.strictObject({ site: siteName, stream: streamName, shardId: z.string() })),
    events: z.array(z.strictObject({ ...loggedEvent, digest })),
    startedAt: time,
    decidedAt: maybe(time),
    committedAt: maybe(time),
    expiresAt: time,
  }),
);
export const transactionPage = named(
  'TransactionPage',
  z.strictObject({ transactions: z.array(transaction), cursor: maybe(z.string()) }),
);

export const commit = named(
  'CommitAnswer',
  z.strictObject({
    id: transactionId,
    status: z.literal('committed'),
    committedAt: time,
    events: whole.describe('How many'),
    replicas: whole.describe('How many in-sync sites hold it'),
    atRisk: z.boolean().describe('True when that is one'),
  }),
);
export const abort = named('AbortAnswer', z.strictObject({ id: transactionId, status: z.literal('aborted') }));
export const batch = named(
  'CommitBatchAnswer',
  z.strictObject({ results: z.array(z.union([commit, z.strictObject({ id: transactionId, problem })])) }),
);

export const route = named(
  'Route',
  z.strictObject({
    term: whole,
    epoch: whole,
    phase: z.enum(['serving', 'taking-over']),
    home: siteName,
    inSync: z.array(siteName),
    joining: z.record(z.string(), whole),
    active: z.record(z.string(), siteName),
    sites: z.array(z.strictObject({ name: siteName, region: z.string(), endpoint: z.string() })),
  }),
);

export const stream = named(
  'Stream',
  z.strictObject({
    name: streamName,
    active: siteName,
    status: mirrorStatus,
    shards: z.array(z.string()),
    mirrors: z.array(mirror),
    policy: streamPolicy,
  }),
);
export const streams = named('Streams', z.strictObject({ streams: z.array(stream) }));

const scalingStep = {
  quantity: z.literal('shards'),
  from: whole,
  to: whole,
  why: z.string(),
  rule: maybe(z.string()),
  limit: maybe(z.string()).describe('What it was cut down to, or held back by'),
};
export const scaling = named(
  'Scaling',
  z.strictObject({
    stream: streamName,
    mode: z.enum(['on', 'dry-run', 'off']),
    policy: scalingPolicy.describe('The rules that were asked'),
    shards: whole,
    openShards: whole.describe("So many home's replica has already"),
    changesLeft: whole.describe('Of the ten changes of shards that Kinesis takes in 24 hours'),
    measuredMinutes: whole.describe('So many of the last 120 are known'),
    load: maybe(z.record(z.enum(SIGNALS), z.number())).describe('The last whole minute'),
    forecast: maybe(z.strictObject({ aheadSeconds: whole, median: z.number(), high: z.number() })).describe(
      'The highest load ahead, in full shards: as likely more as less, and exceeded once in twenty',
    ),
    rules: z.array(
      z.strictObject({
        rule: z.string(),
        value: maybe(z.number()),
        state: z.enum(['fires', 'resting', 'calm', 'unknown']),
      }),
    ),
    steps: z.array(z.strictObject(scalingStep)).describe('What would be done now'),
    decisions: z
      .array(z.strictObject({ ...scalingStep, at: time, outcome: z.enum(['done', 'held', 'dry-run']) }))
      .describe('Newest first'),
  }),
);

const eventOut = named(
  'EventOut',
  z
    .strictObject({
      specversion: z.literal('1.0'),
      id: z.string().describe('{transactionid}:{number}'),
      source: z.string(),
      type: z.string(),
      subject: z.string().describe('The key'),
      time,
      datacontenttype: maybe(z.string()),
      data: maybe(json),
      data_base64: maybe(z.string()),
      stream: streamName,
      transactionid: transactionId,
      number: whole,
      parts: whole,
      version: maybe(whole),
      committedat: time,
      clock: z.string().describe('The commit timestamp, sortable'),
      clientid: maybe(z.string()),
      vector: maybe(z.string()).describe('Decisions on this (stream, key) per home site: east=3,west=1'),
    })
    .describe('A CloudEvents 1.0 object'),
);
const position = { checkpoint: z.string().max(4_096), caughtUp: z.boolean() };
export const eventPage = named('EventPage', z.strictObject({ events: z.array(eventOut), ...position }));
export const wholeTransactionPage = named(
  'WholeTransactionPage',
  z.strictObject({
    transactions: z.array(z.strictObject({ id: transactionId, committedAt: time, events: z.array(eventOut) })),
    ...position,
  }),
);

export const incident = named(
  'Incident',
  z.strictObject({
    id: z.string(),
    kind: z.enum([
      'switchover',
      'shrink',
      'takeover',
      'planned-move',
      'unclean-takeover',
      'return',
      'join',
      'failback',
    ]),
    site: siteName,
    stream: maybe(streamName),
    startedAt: time,
    endedAt: maybe(time),
    timeline: z.array(z.strictObject({ at: time, what: z.string() })),
  }),
);
export const incidents = named(
  'Incidents',
  z.strictObject({ incidents: z.array(incident), cursor: maybe(z.string()) }),
);

const conflictSide = z.strictObject({
  site: siteName,
  transactionId,
  committedAt: z.string(),
  clock: z.string(),
  events: z.array(z.strictObject(loggedEvent)),
});
export const conflict = named(
  'Conflict',
  z.strictObject({
    id: z.string(),
    stream: streamName,
    key: z.string(),
    status: z.enum(['open', 'resolved']),
    policy: z.string(),
    recordedAt: time,
    resolvedAt: maybe(time),
    winner: conflictSide,
    loser: conflictSide,
    together: z.array(z.string()),
    resolution: maybe(
      z.strictObject({
        take: z.enum(['standing', 'waiting', 'events']),
        at: time,
        transactionId: maybe(transactionId),
        committedAt: maybe(time),
      }),
    ),
  }),
);
export const conflicts = named(
  'Conflicts',
  z.strictObject({ conflicts: z.array(conflict), cursor: maybe(z.string()) }),
);

const digests = z.record(z.string(), z.strictObject({ log: z.string(), stream: z.string() }));
const hashRange = z.strictObject({ from: z.string(), to: z.string() });
const gap = z.strictObject({ stream: streamName, from: z.string(), to: z.string() });
const proofWindow = z.strictObject({ ...gap.shape, hashRange, before: digests, after: digests });
const proof = named(
  'Proof',
  z.strictObject({
    sites: z.array(siteName),
    windows: z.array(proofWindow),
    copied: whole,
    overruled: z.array(transactionId),
    conflicts: z.array(z.string()),
    gaps: z.array(gap),
    seal: z.string(),
  }),
);
export const reconciliation = named(
  'Reconciliation',
  z.strictObject({
    id: z.string(),
    site: siteName,
    streams: maybe(z.array(streamName)),
    status: z.enum(['running', 'done', 'failed']),
    progress: z.number().min(0).max(1),
    startedAt: time,
    endedAt: maybe(time),
    compared: maybe(whole),
    copied: maybe(whole),
    problem: maybe(z.string()),
    proof: maybe(proof),
  }),
);
const place = { shardId: z.string(), sequence: z.string() };
const auditKinds = ['lost', 'doubled', 'altered', 'foreign', 'unreadable'] as const;
export const audit = named(
  'Audit',
  z.strictObject({
    id: z.string(),
    site: siteName,
    status: z.enum(['running', 'done', 'failed']),
    startedAt: time,
    endedAt: maybe(time),
    problem: maybe(z.string()),
    compared: whole,
    counts: z.record(z.enum(auditKinds), whole),
    repaired: whole,
    findings: z.array(
      z.strictObject({
        kind: z.enum(auditKinds),
        site: siteName,
        stream: streamName,
        shardId: maybe(z.string()),
        sequence: maybe(z.string()),
        first: maybe(z.strictObject(place)),
        transactionId: maybe(z.string()),
        key: maybe(z.string()),
        at: maybe(z.string()),
        what: z.string(),
        outcome: z.string(),
      }),
    ),
  }),
);
export const auditStarted = named('AuditStarted', z.strictObject({ id: z.string() }));
export const reconciliationStarted = named('ReconciliationStarted', z.strictObject({ id: z.string() }));

export const predictions = named(
  'Predictions',
  z.strictObject({
    model: z
      .strictObject({
        name: z.string(),
        version: z.string(),
        trainedAt: maybe(time),
        trainingWindow: maybe(z.strictObject({ from: time, to: time })),
        metrics: z.record(z.string(), z.number()),
      })
      .describe('PredictionModel'),
    counts: z.strictObject({ written: whole, confirmed: whole, wrong: whole, expired: whole }),
    bytes: z.strictObject({ written: whole, wasted: whole }),
    waitSavedMs: z.number(),
  }),
);

const state = z.enum(['well', 'suspect', 'failed']);
const shardHealth = z.strictObject({ shardId: z.string(), state });
const streamHealth = z.strictObject({ stream: streamName, shards: z.array(shardHealth) });
export const health = named(
  'Health',
  z.strictObject({
    status: z.enum(['ok', 'degraded', 'down']),
    sites: z.array(z.strictObject({ site: siteName, state, streams: z.array(streamHealth) })),
  }),
);
