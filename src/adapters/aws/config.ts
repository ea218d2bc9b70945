import * as z from 'zod/mini';

/**
 * What a function of a site is told at deployment: one environment variable with JSON, written by the construct and
 * read by every handler, so that both sides share this schema.
 */
export const CONFIG_VARIABLE = 'LOCKSTEP_CONFIG';

const configSchema = z.strictObject({
  deployment: z.string(),
  /** The site at which the function runs. */
  site: z.string(),
  /** The first one is home at the start. */
  sites: z
    .array(
      z.strictObject({
        name: z.string(),
        region: z.string(),
        /** Where clients reach it. A site knows its own: the others' stacks may not be there yet. */
        endpoint: z.exactOptional(z.string()),
      }),
    )
    .check(z.minLength(1)),
  /** Where the one control table is that all sites use. Absent: each has a replica of it in its own region. */
  controlRegion: z.exactOptional(z.string()),
  /** What the ARNs of the site's state machines begin with. Absent: there are no stacks, workflows run in this process. */
  stateMachines: z.exactOptional(z.string()),
  /** What foresees events beside the function's own model: an endpoint of SageMaker, or any that answers over HTTP. */
  predictor: z.exactOptional(
    z.union([z.strictObject({ endpointName: z.string() }), z.strictObject({ url: z.string() })]),
  ),
  /** Differences to the defaults of `core/options.ts`. */
  options: z.exactOptional(z.record(z.string(), z.json())),
});

export type AwsConfig = z.infer<typeof configSchema>;

/** @throws Error naming the variable, where it is missing or not as expected */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): AwsConfig {
  const text = environment[CONFIG_VARIABLE];
  if (text === undefined) throw new Error(`${CONFIG_VARIABLE} is not set: this function was not deployed by Lockstep`);
  const parsed = configSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`${CONFIG_VARIABLE} is not as expected: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** What the construct tells a consumer's function of the table in which it keeps what it has handled. */
export const CONSUMER_VARIABLE = 'LOCKSTEP_CONSUMER';

const consumerSchema = z.strictObject({
  consumer: z.string(),
  table: z.string(),
  /** Of the table, or of its replica that this function uses. */
  region: z.string(),
  /** The control store's table, with a replica in the same region: there the route says which sites are in sync. */
  control: z.string(),
  /** So many sites there are. */
  sites: z.number(),
  streamHours: z.number(),
  logHours: z.number(),
});

export type ConsumerConfig = z.infer<typeof consumerSchema>;

/** @returns nothing where the function has no table @throws Error naming the variable, where it is not as expected */
export function readConsumer(environment: Readonly<Record<string, string | undefined>>): ConsumerConfig | undefined {
  const text = environment[CONSUMER_VARIABLE];
  if (text === undefined) return undefined;
  const parsed = consumerSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`${CONSUMER_VARIABLE} is not as expected: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** What the construct tells the function that trains a site's predictor. */
export const TRAINING_VARIABLE = 'LOCKSTEP_TRAINING';

const trainingSchema = z.strictObject({
  /** Where training data and models are. */
  bucket: z.string(),
  /** Of the container and the endpoint's shape: a configuration of an older one is made anew. */
  revision: z.string(),
  keepDays: z.number(),
});

export type TrainingConfig = z.infer<typeof trainingSchema>;

/** @throws Error naming the variable, where it is missing or not as expected */
export function readTraining(environment: Readonly<Record<string, string | undefined>>): TrainingConfig {
  const parsed = trainingSchema.safeParse(JSON.parse(environment[TRAINING_VARIABLE] ?? 'null'));
  if (!parsed.success) throw new Error(`${TRAINING_VARIABLE} is not as expected: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
