/** What a deployment is told about its predictor, and what follows from it. */
import { Duration } from 'aws-cdk-lib';
import * as z from 'zod';

export interface PredictionProps {
  /**
   * A server of your own that answers the contract of docs/PREDICTION.md, `POST {url}/invocations`: each site's function
   * asks it, unsigned. Instead of `endpoint`.
   */
  readonly url?: string;

  /**
   * An endpoint of SageMaker at each site, in a stack of its own, with a model that is trained from what is committed.
   * An emulator has none: there the model in the function does alone.
   */
  readonly endpoint?: EndpointProps;
}

export interface EndpointProps {
  /** Of a serverless endpoint: 1024, 2048, 3072, 4096, 5120 or 6144. Price per ms in use. @default 2048 */
  readonly memoryMiB?: number;

  /** So many requests at once, 1 to 200, of a serverless endpoint; the account has a limit for all. @default 5 */
  readonly maxConcurrency?: number;

  /** Instances that are always there, such as `ml.t2.medium`: no cold starts, and a price per hour. @default serverless */
  readonly instanceType?: string;

  /** How many of them. @default 1 */
  readonly instances?: number;

  /**
   * An image of your own in ECR, in the site's region, with its tag or digest: it answers `/ping` and `/invocations` on
   * port 8080. @default the container of this package, built when it is deployed (Docker is needed then)
   */
  readonly image?: string;

  /** How it is trained; false: never. @default as below; never where `image` is given */
  readonly training?: TrainingProps | false;
}

export interface TrainingProps {
  /** An hour to 30 days. It has to be shorter than the log is kept (`logRetentionMs`), or some is never learned. @default 12 hours */
  readonly every?: Duration;

  /** How long what was gathered is learned from, and kept in the bucket: 1 to 365 days. @default 14 days */
  readonly keep?: Duration;

  /** @default ml.m5.large */
  readonly instanceType?: string;
}

/** The props, with every default filled in. */
export type PredictionSettings =
  { readonly kind: 'off' | 'own' } | { readonly kind: 'url'; readonly url: string } | EndpointSettings;

export interface EndpointSettings {
  readonly kind: 'endpoint';
  readonly memoryMiB: number;
  readonly maxConcurrency: number;
  /** Absent: serverless. */
  readonly instanceType?: string;
  readonly instances: number;
  readonly image?: string;
  readonly training?: { readonly everyHours: number; readonly keepDays: number; readonly instanceType: string };
}

const EVERY = Duration.hours(12);
const KEEP = Duration.days(14);
const TRAINING_INSTANCE = 'ml.m5.large';
/** Of an image in ECR, as SageMaker takes it. */
export const ECR_IMAGE =
  /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\/([a-z0-9._/-]+?)(?::[\w.-]+|@sha256:[0-9a-f]{64})$/;

const between = (least: Duration, most: Duration, help: string) =>
  z
    .custom<Duration>((value) => value instanceof Duration, help)
    .refine(
      (value) => value.toMilliseconds() >= least.toMilliseconds() && value.toMilliseconds() <= most.toMilliseconds(),
      help,
    );
const instanceType = z.string().regex(/^ml\.[a-z0-9]+\.[a-z0-9]+$/, 'write an instance type, such as "ml.m5.large"');

const training = z.strictObject({
  every: between(Duration.hours(1), Duration.days(30), 'write a Duration of an hour to 30 days').default(EVERY),
  keep: between(Duration.days(1), Duration.days(365), 'write a Duration of 1 to 365 days').default(KEEP),
  instanceType: instanceType.default(TRAINING_INSTANCE),
});

const endpoint = z
  .strictObject({
    memoryMiB: z
      .int()
      .refine((value) => value % 1024 === 0 && value >= 1024 && value <= 6144, 'write 1024, 2048, … or 6144')
      .default(2048),
    maxConcurrency: z.int().min(1).max(200).default(5),
    instanceType: z.exactOptional(instanceType),
    instances: z.int().min(1).max(100).default(1),
    image: z.exactOptional(
      z.string().regex(ECR_IMAGE, 'write an image in ECR with its tag or digest: SageMaker takes no other'),
    ),
    training: z.exactOptional(z.union([z.literal(false), training])),
  })
  .superRefine((given, context) => {
    if (given.instances > 1 && given.instanceType === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['instances'],
        message: 'a serverless endpoint has none: write instanceType',
      });
    }
  });

export const predictionSchema = z.union([
  z.literal(false),
  z
    .strictObject({
      url: z.exactOptional(z.url({ protocol: /^https?$/, error: 'write a URL, such as "https://predictor.example"' })),
      endpoint: z.exactOptional(endpoint),
    })
    .refine(({ url, endpoint: made }) => url === undefined || made === undefined, 'write url or endpoint, not both'),
]);

export function settlePrediction(
  given: z.output<typeof predictionSchema> | undefined,
  local: boolean,
): PredictionSettings {
  if (given === false) return { kind: 'off' };
  if (given?.url !== undefined) return { kind: 'url', url: given.url };
  if (given?.endpoint === undefined || local) return { kind: 'own' };
  const { training: asked = given.endpoint.image === undefined ? training.parse({}) : false, ...rest } = given.endpoint;
  if (asked === false) return { kind: 'endpoint', ...rest };
  const { every, keep, instanceType: on } = asked;
  const trained = {
    everyHours: Math.ceil(every.toHours({ integral: false })),
    keepDays: Math.ceil(keep.toDays({ integral: false })),
  };
  return { kind: 'endpoint', ...rest, training: { ...trained, instanceType: on } };
}
