/** What a deployment costs, computed from what it does; docs/COST.md tells the same. */

/** On demand in us-east-1 and us-west-2, US dollars, as published in November 2026. */
export const PRICES = {
  /** DynamoDB, per million write units of 1 KB; in a transaction an item takes two. Replicated writes cost the same. */
  writes: 0.625,
  /** DynamoDB, per million consistent read units of 4 KB. */
  reads: 0.125,
  /** Lambda on arm64, per GB and second, and per million calls. */
  gbSeconds: 0.0000133334,
  calls: 0.2,
  /** API Gateway, REST, per million requests. */
  requests: 3.5,
  /** Kinesis, per shard and hour; per million units of 25 KB put; per shard and hour beyond 24 hours of retention. */
  shardHours: 0.015,
  putUnits: 0.014,
  extendedShardHours: 0.02,
  /** Between the two regions, per GB. */
  transferGb: 0.02,
  /** CloudWatch, per GB of logs taken in, and per alarm and month. */
  logsGb: 0.5,
  alarms: 0.1,
  /** CloudWatch, per metric of one's own and month. */
  metrics: 0.3,
  /** X-Ray, per million traces; 5 % of the requests are traced. */
  traces: 5,
  /** KMS, per key and month. */
  keys: 1,
} as const;

export type Bill = Readonly<Record<string, number>>;

export const sumOf = (bill: Bill): number => Object.values(bill).reduce((sum, dollars) => sum + dollars, 0);

const MILLION = 1e6;
const SECONDS = 30 * 24 * 3600;
const HOURS = 30 * 24;
const MINUTES = 30 * 24 * 60;

/** How much of a transaction's calls it carries alone: in a batch they are shared. */
export interface Shape {
  readonly eventKb: number;
  readonly versioned: boolean;
  /** Transactions of one `POST /commits/batch`; 1 is `POST /commits`. */
  readonly perCall: number;
}

const SITES = 2;
/** Of each site, told whatever happens: sites out of sync, streams that lag. */
const STANDING_METRICS = 2;

/** A million one-shot transactions of one event each, two sites in sync. */
export function perMillion({ eventKb, versioned, perCall }: Shape): Bill {
  const entryUnits = Math.ceil(eventKb + 0.4);
  // A transaction: entry and mark, twice each; the guard that is checked, shared by a batch; the version.
  const decided = 2 * (entryUnits + 1 + 1 / perCall + (versioned ? 1 : 0));
  // The index; the mark that goes; the entry and its place in the index that go when the log has been kept long enough.
  const around = 1 + 1 + entryUnits + 1;
  const apiMs = 110 / Math.sqrt(perCall) / (perCall > 1 ? 2 : 1);
  const agentMs = 30 / Math.sqrt(perCall) / (perCall > 1 ? 2 : 1);
  return {
    'DynamoDB writes': SITES * (decided + around) * PRICES.writes,
    // Who expires an entry reads it; who checks a version has read it.
    'DynamoDB reads': SITES * (1 + (versioned ? 0.5 : 0)) * PRICES.reads,
    'Kinesis records': SITES * Math.ceil(eventKb / 25) * PRICES.putUnits,
    'API Gateway': PRICES.requests / perCall,
    Lambda: (2 * PRICES.calls) / perCall + ((apiMs + agentMs) / 1000) * MILLION * PRICES.gbSeconds,
    'Transfer between regions': (eventKb + 1) * PRICES.transferGb,
    'Logs and traces': (1.3 * PRICES.logsGb + 0.05 * PRICES.traces) / perCall,
  };
}

export interface Standing {
  readonly guardCopies: number;
  readonly barPeriodSeconds: number;
  /** Replicas of all streams at all sites, their shards, and the shards of those kept longer than a day. */
  readonly replicas: number;
  readonly shards: number;
  readonly extendedShards: number;
  readonly alarms: number;
}

/** A month of 30 days in which nothing is asked. */
export function idle({ guardCopies, barPeriodSeconds, replicas, shards, extendedShards, alarms }: Standing): Bill {
  const bars = SECONDS / barPeriodSeconds;
  const perBar = {
    // Each copy is rewritten by a transaction of one item; each replica is told how far it is closed.
    writes: 2 * guardCopies + replicas,
    // The guards before; the marks of each bucket, at each site; each backlog; the term of the follower; the route.
    reads: guardCopies + SITES * guardCopies + replicas + 2,
  };
  const scheduled = 4 * SITES * MINUTES;
  return {
    'Kinesis shards': shards * HOURS * PRICES.shardHours + extendedShards * HOURS * PRICES.extendedShardHours,
    'Bar: DynamoDB writes': (bars * perBar.writes * PRICES.writes) / MILLION,
    'Bar: DynamoDB reads': (bars * perBar.reads * PRICES.reads) / MILLION,
    // 256 MiB that wait till the next bar, but for the last period of a minute; and an agent of 1 GiB for 25 ms a bar.
    'Bar: Lambda':
      ((SECONDS * 0.25 * Math.max(0, 60 - barPeriodSeconds + 1)) / 60) * PRICES.gbSeconds +
      bars * (0.025 * PRICES.gbSeconds + PRICES.calls / MILLION),
    // Every function that a schedule calls, 0.3 s of 512 MiB; each reads route and definitions, and what it looks after.
    Schedules:
      scheduled * (0.15 * PRICES.gbSeconds + PRICES.calls / MILLION) +
      (scheduled * (4 + guardCopies / 2) * PRICES.reads) / MILLION,
    'Alarms, metrics, keys': alarms * PRICES.alarms + SITES * (STANDING_METRICS * PRICES.metrics + PRICES.keys),
  };
}

/** What a predictor that is an endpoint costs beside that, in us-east-1, 2025. */
export const PREDICTOR_PRICES = {
  /** Serverless inference, per GB and second. */
  inference: 0.00002,
  /** To and from an endpoint, per GB. */
  dataGb: 0.016,
  /** Of ml.m5.large, per hour. */
  training: 0.115,
  /** Step Functions, per thousand. */
  transitions: 0.025,
} as const;

export interface Foreseeing {
  readonly writes: number;
  readonly endpointGb: number;
  readonly runsPerDay: number;
}

/** A month of 30 days. */
export function predictor({ writes, endpointGb, runsPerDay }: Foreseeing): Bill {
  const runs = SITES * 30 * runsPerDay;
  const ALARMS = 2;
  return {
    'Serverless inference': writes * 0.02 * endpointGb * PREDICTOR_PRICES.inference,
    'Data to and from it': ((writes * 2) / MILLION) * PREDICTOR_PRICES.dataGb,
    'Training jobs': runs * (5 / 60) * PREDICTOR_PRICES.training,
    // 16 states, of which three are calls of a function with 2 GB.
    'Workflow and its function':
      ((runs * 16) / 1000) * PREDICTOR_PRICES.transitions +
      runs * 3 * (20 * 2 * PRICES.gbSeconds + PRICES.calls / MILLION),
    'Keys, alarms': SITES * (PRICES.keys + ALARMS * PRICES.alarms),
  };
}
