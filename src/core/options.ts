// The small kind of zod: these two schemas are all that most functions need of it, and it loads in a quarter of the time.
import * as z from 'zod/mini';

const whole = (min: number, max: number) => z.int().check(z.minimum(min), z.maximum(max));
const ms = (text: string, min: number, max: number, preset: number) =>
  z._default(whole(min, max), preset).check(z.describe(`${text} Milliseconds, ${min} to ${max}.`));
const count = (text: string, min: number, max: number, preset: number) =>
  z._default(whole(min, max), preset).check(z.describe(`${text} ${min} to ${max}.`));

/** Every option of a deployment, with unit, bounds and default. Unknown ones are refused. */
export const optionsSchema = z.strictObject({
  guardCopies: count('Copies of the guard that decisions spread over.', 1, 256, 16),
  minInSync: count('A follower is only left while so many sites stay in sync.', 1, 5, 1),
  deadlineMs: ms('Until a transaction expires that names no deadline.', 1000, 900_000, 60_000),
  logRetentionMs: ms(
    'How long decided entries, and with them identities, are kept.',
    60_000,
    31_536_000_000,
    86_400_000,
  ),
  closePeriodMs: ms('How often the closed timestamp advances under traffic.', 20, 60_000, 1000),
  heartbeatIdleMs: ms('How often an idle stream gets a heartbeat.', 100, 3_600_000, 10_000),
  sweepPeriodMs: ms('How often what is left over is looked for.', 50, 600_000, 2000),
  scalingPeriodMs: ms(
    'How often the load of streams that are scaled is looked at; whole minutes of it count.',
    1000,
    600_000,
    20_000,
  ),
  probePeriodMs: ms('How often a site probes home, and home its followers.', 20, 60_000, 400),
  callTimeoutMs: ms('How long a call to another site may take.', 20, 30_000, 500),
  bulkTimeoutMs: ms('How long a call may take that compares, copies or waits for others.', 100, 300_000, 10_000),
  failuresToOpen: count('So many failed calls in a row open a breaker.', 1, 100, 3),
  errorRateToOpen: z
    ._default(z.number().check(z.minimum(0.05), z.maximum(1)), 0.5)
    .check(z.describe('Share of failed calls in the window, 0.05 to 1.')),
  healthWindowMs: ms('Over which the error rate is taken.', 100, 600_000, 10_000),
  halfOpenAfterMs: ms('How long an open breaker waits before it lets a probe through.', 10, 600_000, 500),
  failbackAfterMs: ms(
    'How long a returned replica must stay well before an automatic failback.',
    0,
    86_400_000,
    60_000,
  ),
  readMarginMs: ms(
    'How much earlier than its checkpoint a reader starts; twice the clock error allowed.',
    100,
    600_000,
    10_000,
  ),
  clearPauseMs: ms('How long marks that may go are gathered, so that they go together.', 0, 1000, 0),
  arrivalMarginMs: ms(
    'How long after the last put a closed timestamp is told: as coarse as arrival order is.',
    0,
    60_000,
    0,
  ),
  decideAttempts: count('Rounds in which a decision is tried before the answer is Unavailable.', 1, 100, 12),
  applyAttempts: count(
    'Rounds in which a decision is brought everywhere before the answer is Undetermined.',
    1,
    100,
    12,
  ),
  compareRows: count(
    'Rows of a log of which another site is told in one call when two are compared; records count eight each.',
    1,
    1_000_000,
    100_000,
  ),
  reconcileShare: z
    ._default(z.number().check(z.minimum(0.05), z.maximum(1)), 0.5)
    .check(z.describe('Share of its time that a process may spend comparing logs and streams, 0.05 to 1.')),
  conflictFunctionMs: ms('How long a function that resolves conflicts may take.', 10, 60_000, 1000),
  predictionPeriodMs: ms('How often the backfill agent learns and counts.', 20, 60_000, 1000),
  predictionTimeoutMs: ms('How long the predictor may take for an answer; a later one is not used.', 5, 30_000, 200),
  predictionNearMs: ms(
    'Sites nearer to each other are left alone: a candidate costs more than that wait.',
    0,
    10_000,
    5,
  ),
  predictionCostMs: ms(
    'What a wrong candidate of 1 KiB costs, as waiting time: it is staged when p · wait saved > (1 − p) · cost.',
    0,
    60_000,
    20,
  ),
  predictionHorizon: count('So many events ahead are foreseen; 0: none.', 0, 32, 3),
  candidatesPerStep: count('The most candidates for one place of a transaction.', 1, 16, 2),
  candidatesPerTransaction: count('The most candidates of one transaction at one site.', 1, 64, 32),
  candidateBytesPerTransaction: count('Their most bytes.', 1024, 262_144, 65_536),
  candidateBytesPerSecond: count('The most bytes of candidates that one process stages.', 0, 1_073_741_824, 1_048_576),
  maxShards: count('The most shards of one replica.', 1, 10_000, 200),
});

export type Options = z.output<typeof optionsSchema>;
export type OptionsInput = z.input<typeof optionsSchema>;
