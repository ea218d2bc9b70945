/**
 * What the API takes: one strict schema per request body and query string. Unknown fields are refused everywhere.
 *
 * Only shape is checked here. What needs the content as a whole (bytes of an event or a transaction, nesting of data)
 * or the state of the system is the service's to refuse.
 */
import * as z from 'zod';
import type { Json } from '../core/api.js';
import { RESERVED_TRANSACTION_ID, SITE_NAME, STREAM_NAME, TRANSACTION_ID } from '../core/ids.js';
import { SIGNALS } from '../core/scaling/signals.js';
import { isBase64, isRfc3339 } from './formats.js';

/** Schemas with a name of their own in the OpenAPI document. */
export const components = z.registry<{ id: string }>();

/** Gives a schema its name in the OpenAPI document. */
export function named<S extends z.ZodType>(id: string, schema: S): S {
  components.add(schema, { id });
  return schema;
}

const MAX_EVENTS = 500;
const MAX_BATCH_COMMITS = 100;
const MAX_STREAMS = 100;
const MAX_FAULTS = 1000;
const FUNCTION_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const MAX_DELAY_MS = 600_000;

/** Absent or a value, never an explicit `undefined`: what `name?: T` means under `exactOptionalPropertyTypes`. */
const maybe = z.exactOptional;

const wellFormed = (text: string): boolean => text.isWellFormed();
const text = (max: number): z.ZodString =>
  z.string().min(1).max(max).refine(wellFormed, 'Holds half a surrogate pair, which is not Unicode');
const count = (min: number, max: number): z.ZodInt => z.int().min(min).max(max);

export const transactionId = z
  .string()
  .regex(TRANSACTION_ID)
  .refine((id) => id !== RESERVED_TRANSACTION_ID, `"${RESERVED_TRANSACTION_ID}" is reserved`)
  .meta({ not: { const: RESERVED_TRANSACTION_ID } });
export const streamName = z.string().regex(STREAM_NAME);
export const siteName = z.string().regex(SITE_NAME);
export const time = z.string().refine(isRfc3339, 'Not an RFC 3339 date-time').meta({ format: 'date-time' });
export const streamNames = z.array(streamName).min(1).max(MAX_STREAMS);
/** Any JSON value; it came out of a JSON parser, and how deep it nests is for the service to say. */
export const json = z.unknown() as z.ZodType<Json>;

/** The members of an event as a client gives it, shared by requests and by answers that repeat them. */
export const eventMembers = {
  stream: streamName,
  key: text(256).describe('The partition key, and the unit of order and versions'),
  type: text(256).describe('The CloudEvents type'),
  data: maybe(json).describe('Any JSON value. Exactly one of data and dataBase64'),
  dataBase64: maybe(z.string().refine(isBase64, 'Not base 64 with padding').meta({ contentEncoding: 'base64' })),
  id: maybe(text(256)).describe('Identifies this write within its transaction: a retry with it is the same write'),
  time: maybe(time),
  expectedVersion: maybe(count(0, Number.MAX_SAFE_INTEGER)).describe(
    'How many versioned events of (stream, key) the client has seen committed',
  ),
};

export const eventIn = named(
  'EventIn',
  z
    .strictObject(eventMembers)
    .refine((event) => 'data' in event !== 'dataBase64' in event, 'Needs exactly one of data and dataBase64')
    .meta({ oneOf: [{ required: ['data'] }, { required: ['dataBase64'] }] }),
);
const eventsIn = z.array(eventIn).min(1).max(MAX_EVENTS);

export const beginBody = named(
  'BeginRequest',
  z.strictObject({
    id: maybe(transactionId),
    streams: streamNames.describe('The streams that it will write'),
    deadlineMs: maybe(count(1_000, 900_000)).describe('Until it expires, milliseconds. Default 60,000'),
    replication: maybe(z.enum(['eager', 'at-commit'])).describe('Default "eager"'),
    mirrors: maybe(count(0, 100)).describe('The least number of mirrors that these streams are to have'),
  }),
);
export const writeBody = named('WriteRequest', z.strictObject({ events: eventsIn }));
export const commitBody = named(
  'CommitTransactionRequest',
  z.strictObject({
    digests: z
      .array(z.string().regex(/^[0-9a-f]{64}$/))
      .max(MAX_EVENTS)
      .describe('As answered to the writes, by number; [] for none'),
  }),
);
export const abortBody = named('AbortRequest', z.strictObject({ reason: maybe(text(1_000)) }));
export const commitOnceBody = named('CommitRequest', z.strictObject({ id: maybe(transactionId), events: eventsIn }));
export const commitBatchBody = named(
  'CommitBatchRequest',
  z.strictObject({ commits: z.array(commitOnceBody).min(1).max(MAX_BATCH_COMMITS) }),
);

const lastWriteBy = maybe(z.enum(['commit', 'event', 'ingest'])).describe('The later by which time. Default "commit"');
const conflictPolicy = named(
  'ConflictPolicy',
  z.union([
    z.strictObject({ policy: z.literal('last-write-wins'), by: lastWriteBy }),
    z.strictObject({
      policy: z.literal('version-vector'),
      otherwise: maybe(z.literal('last-write-wins')).describe('Of two that did not know each other. Default'),
      by: lastWriteBy,
    }),
    z.strictObject({ policy: z.literal('version-vector'), otherwise: z.literal('manual') }),
    z.strictObject({ policy: z.literal('manual').describe('An operator chooses: POST /conflicts/{id}/resolution') }),
    z.strictObject({
      policy: z.literal('function').describe('A function of the configuration chooses'),
      name: z.string().regex(FUNCTION_NAME),
    }),
  ]),
);

const bounds = (least: number, most: number) => z.strictObject({ min: count(least, most), max: count(least, most) });
const amount = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const scalingRule = named(
  'ScalingRule',
  z.strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9 -]{0,63}$/)
      .describe('Tells it apart in decisions'),
    when: z.strictObject({
      signal: z.enum(SIGNALS),
      overSeconds: maybe(count(60, 7_200)).describe('Back from now, or ahead where it is forecast. Default 60'),
      forecast: maybe(z.strictObject({ quantile: z.number().min(0.5).max(0.999) })).describe('Of utilisation'),
      above: maybe(amount).describe('Exactly one of above and below. The mean of the window is above'),
      below: maybe(amount).describe('The highest minute of the window is below'),
    }),
    then: z.strictObject({
      shards: maybe(
        z.union([
          z.strictObject({ to: count(1, 10_000) }),
          z.strictObject({ times: z.number().min(0.01).max(100) }),
          z.strictObject({ utilisation: z.number().min(0.01).max(1) }),
        ]),
      ).describe('So many, so many times as many, or as many as bring the utilisation there'),
    }),
    cooldownSeconds: maybe(count(60, 86_400)).describe('How long it rests. Default 300 above, 1,800 below'),
  }),
);
export const scalingPolicy = named(
  'ScalingPolicy',
  z.strictObject({
    mode: maybe(z.enum(['on', 'dry-run', 'off'])).describe('dry-run: what would be done is only told. Default "on"'),
    shards: maybe(bounds(1, 10_000)),
    rules: maybe(z.array(scalingRule).max(20)).describe('By default ahead of the forecast peak, and back after it'),
  }),
);
export const scalingPlanBody = named('ScalingPlanRequest', z.strictObject({ scaling: maybe(scalingPolicy) }));

export const streamPolicy = named(
  'StreamPolicy',
  z.strictObject({
    shards: maybe(count(1, 100)).describe('Shards of each replica. Default 1'),
    mirrors: maybe(
      z.strictObject({
        count: maybe(count(0, 100)).describe('Up to the number of sites less one. Default 1'),
        create: maybe(z.enum(['now', 'on-begin'])).describe('Default "now"'),
      }),
    ),
    ordering: maybe(z.enum(['arrival', 'versioned'])).describe('Default "arrival"'),
    conflict: maybe(conflictPolicy),
    failback: maybe(z.enum(['stay', 'automatic', 'manual'])).describe('Default "stay"'),
    retentionHours: maybe(count(24, 8_760)).describe('Default 24'),
    scaling: maybe(scalingPolicy).describe('Rules by which its shards follow the load. Default: none'),
  }),
);
export const switchoverBody = named(
  'SwitchoverRequest',
  z.strictObject({ to: maybe(siteName), force: maybe(z.boolean()) }),
);
export const moveHomeBody = named('MoveHomeRequest', z.strictObject({ to: siteName, force: maybe(z.boolean()) }));
export const conflictId = z.string().regex(/^[0-9a-f]{32}$/);
export const resolveBody = named(
  'ResolveRequest',
  z.union([
    z.strictObject({
      take: z.enum(['standing', 'waiting']).describe('What stands at home stays, or what waits is decided'),
    }),
    z.strictObject({ events: eventsIn.describe('These are committed in the place of both') }),
  ]),
);
export const auditBody = named(
  'AuditRequest',
  z.strictObject({ site: siteName, streams: maybe(streamNames), repair: maybe(z.boolean()) }),
);
export const reconcileBody = named('ReconcileRequest', z.strictObject({ site: siteName, streams: maybe(streamNames) }));

export const fault = named(
  'Fault',
  z.strictObject({
    site: siteName,
    stream: maybe(streamName),
    shardId: maybe(text(128)),
    part: maybe(z.enum(['streams', 'tables', 'api', 'control'])),
    kind: z.enum(['down', 'slow', 'flaky', 'partition', 'throttle']),
    rate: maybe(z.number().min(0).max(1)),
    delayMs: maybe(z.number().min(0).max(MAX_DELAY_MS)),
    peer: maybe(siteName),
    oneWay: maybe(z.boolean()),
  }),
);
export const faultsBody = named('Faults', z.strictObject({ faults: z.array(fault).max(MAX_FAULTS) }));
export const networkBody = named('Network', z.strictObject({ roundTripMs: z.number().min(0).max(60_000) }));

/** A whole number in a query string: plain decimal digits. */
const queryCount = (min: number, max: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'Not a whole number')
    .transform(Number)
    .pipe(count(min, max));

const limit = maybe(queryCount(1, 1_000)).describe('Default 100');
const waitMs = maybe(queryCount(0, 20_000)).describe('How long to wait for the first one, milliseconds. Default 0');
const checkpoint = maybe(z.string().min(1).max(4_096)).describe('Of an earlier page; without it from the oldest kept');
const cursor = maybe(z.string().min(1).max(4_096));

export const noQuery = z.strictObject({});
export const pagingQuery = z.strictObject({ limit, cursor });
export const listConflictsQuery = z.strictObject({ status: maybe(z.enum(['open', 'resolved'])), limit, cursor });
export const listTransactionsQuery = z.strictObject({
  status: maybe(z.enum(['open', 'committed', 'aborted'])),
  olderThanMs: maybe(queryCount(0, Number.MAX_SAFE_INTEGER)),
  limit,
  cursor,
});
export const readEventsQuery = z.strictObject({ checkpoint, limit, waitMs, site: maybe(siteName) });
export const readTransactionsQuery = z.strictObject({
  streams: z
    .string()
    .transform((names) => names.split(','))
    .pipe(streamNames),
  checkpoint,
  limit,
  waitMs,
});
