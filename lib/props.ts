/** What a deployment is told, how it is checked, and what follows from it. */
import { Duration } from 'aws-cdk-lib';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import * as z from 'zod';
import * as mini from 'zod/mini';
import { DEPLOYMENT_NAME } from '../src/adapters/aws/names.js';
import type { StreamPolicy } from '../src/core/api.js';
import { SITE_NAME, STREAM_NAME } from '../src/core/ids.js';
import { type OptionsInput, optionsSchema } from '../src/core/options.js';
import { problemsOf } from '../src/core/scaling/rules.js';
import { streamPolicy } from '../src/http/schemas.js';
import {
  type PredictionProps,
  type PredictionSettings,
  predictionSchema,
  settlePrediction,
} from './prediction-props.js';
import { type ControlPlacement, placeControlTable } from './regions.js';

export interface SiteProps {
  /** Lower-case letters, digits and hyphens; with the deployment's name at most 44 characters. Never change it. */
  readonly name: string;
  /** Two sites may share one; then the loss of the region is the loss of both. */
  readonly region: string;
  /** The same for all sites. @default the account of the credentials that deploy */
  readonly account?: string;
}

export interface LockstepProps {
  /**
   * Stands in front of every name on AWS, and in every record as its source: lower-case letters, digits and hyphens, a
   * letter first, at most 16 characters. Never change it: another name is another deployment.
   *
   * @default the construct's id in lower case
   */
  readonly deployment?: string;

  /** One to five; the first is home until home moves. Home is not part of a deployment: changing the order does nothing. */
  readonly sites: readonly SiteProps[];

  /**
   * Streams by name. Each becomes a Kinesis stream at home and one at as many other sites as it has mirrors, unless
   * `mirrors.create` is `on-begin`: then the first transaction that names it has them made, outside of CloudFormation.
   *
   * What is written here is brought about again at each deployment and once a minute; leave out what the API is to
   * decide. Where `scaling` is on, `shards` is only where a stream begins. A stream that is removed here stays, with its data, and goes on working: see docs/DEPLOY.md.
   */
  readonly streams: Readonly<Record<string, StreamPolicy>>;

  /**
   * Third region of the control table, where the sites are in two: it keeps the table alive when either is lost, and
   * holds no data that can be read.
   *
   * @default the first region of the sites' set that is free
   */
  readonly witness?: string;

  /**
   * Copies of the guard that decisions spread over, 1 to 256. A copy is one item, and so carries at most about 500
   * decisions a second (1,000 write units, a check in a transaction takes two); batches share a check.
   *
   * Price: each copy is rewritten once per `barPeriod`, 2 write units a time: 518,400 times a month at 5 seconds, $0.65
   * a copy and month, $10.37 for 16. Can be raised later, never lowered while the deployment serves.
   *
   * @default 16; 4 where `local`
   */
  readonly guardCopies?: number;

  /**
   * How often home raises the bar, and with it the closed timestamps up to which readers have everything. 1 to 60
   * seconds. A reader that asks raises it at once, so this bounds how long Kinesis consumers of their own wait for
   * "closed" to move on, and how much a reader keeps in its checkpoint.
   *
   * Price at 5 seconds, per month, with 16 guards: $10.37 for the guards, $0.32 per stream and site for what it is
   * closed at, $8.64 for the sweeper that waits in between. At a minute all of it is a twelfth, the sweeper less yet.
   *
   * @default 5 seconds
   */
  readonly barPeriod?: Duration;

  /** Any other option of the protocol: see src/core/options.ts. @default those for AWS in src/aws/site.ts, then those there */
  readonly options?: Omit<OptionsInput, 'guardCopies' | 'closePeriodMs'>;

  /**
   * Who foresees what clients will write, so that these writes wait for no other site: see docs/PREDICTION.md. A model in
   * the function that follows a mirror's log does, and needs nothing; an endpoint can be asked before it. False: nobody.
   *
   * @default the model in the function alone
   */
  readonly prediction?: PredictionProps | false;

  /** Calls that each site's API takes in a second, and at once; more are answered 429. @default 1,000 and 2,000 */
  readonly throttling?: { readonly ratePerSecond: number; readonly burst: number };

  /**
   * Whether functions that are to run once at a time get one unit of the account's concurrency each (four a site). An
   * account that has fewer than 110 cannot reserve any.
   *
   * @default true
   */
  readonly reserveConcurrency?: boolean;

  /** How long logs are kept. They hold no payloads. @default one month */
  readonly logRetention?: RetentionDays;

  /** Who is told of alarms, at each site; each address has to confirm once. @default nobody: see the topic's output */
  readonly alarmEmails?: readonly string[];

  /**
   * Whether stacks and tables refuse to be deleted until this is switched off. Either way tables, keys and streams
   * outlive their stack.
   *
   * @default true; false where `local`
   */
  readonly deletionProtection?: boolean;

  /**
   * Whether to let API Gateway write access logs in these regions: a setting of the whole account. False where
   * somebody else has made it.
   *
   * @default true
   */
  readonly apiGatewayAccount?: boolean;

  /**
   * For an emulator: a plain control table in home's region, everything goes with its stack, and sites wait for each
   * other 20 seconds.
   *
   * @default false
   */
  readonly local?: boolean;

  /** Where the emulator answers: in front of the endpoints, where `local`. @default http://127.0.0.1:4566 */
  readonly emulator?: string;

  /** Folder with a folder per function, bundled, and `container` for the predictor's image. @default those of this package */
  readonly bundles?: string;
}

/** The props, checked, with every default filled in. */
export interface Settings {
  readonly deployment: string;
  readonly sites: readonly SiteProps[];
  readonly home: SiteProps;
  readonly streams: Readonly<Record<string, StreamPolicy>>;
  readonly control: ControlPlacement;
  /** Differences to the defaults. */
  readonly options: Readonly<Record<string, number>>;
  readonly prediction: PredictionSettings;
  readonly throttling: { readonly ratePerSecond: number; readonly burst: number };
  readonly reserveConcurrency: boolean;
  readonly logRetention: RetentionDays;
  readonly alarmEmails: readonly string[];
  readonly deletionProtection: boolean;
  readonly apiGatewayAccount: boolean;
  readonly local: boolean;
  readonly emulator: string;
  readonly bundles?: string;
}

/** The longest function name has 64 characters, of which `-stream-provisioner` takes its own. */
const MAX_NAMES = 44;
const MAX_SITES = 5;
const BAR_PERIOD = Duration.seconds(5);
const EMULATOR = 'http://127.0.0.1:4566';
/** An emulator shares its few cores with all functions: they are waited for longer, and each bar writes less. */
const LOCAL: Pick<OptionsInput, 'guardCopies' | 'callTimeoutMs'> = { guardCopies: 4, callTimeoutMs: 20_000 };

const DEPLOYMENT_HELP = 'write lower-case letters, digits and hyphens, a letter first, at most 16 characters';
const SITE_HELP = 'write lower-case letters, digits and hyphens, a letter first, at most 32 characters';
const STREAM_HELP = 'write letters, digits, "_", "." and "-", at most 64 characters, as the name of a stream';

const site = z.strictObject({
  name: z.string('write the name of a site, such as "east"').regex(SITE_NAME, SITE_HELP),
  region: z
    .string('write a region, such as "us-east-1"')
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'write a region, such as "us-east-1"'),
  account: z.exactOptional(z.string().regex(/^\d{12}$/, 'write the 12 digits of an account')),
});

const BAR_HELP = 'write a Duration of 1 to 60 seconds';
const duration = z.custom<Duration>((value) => value instanceof Duration, BAR_HELP);

const flag = (preset: boolean) => z.boolean().default(preset);

const schema = z.strictObject({
  deployment: z.string().regex(DEPLOYMENT_NAME, DEPLOYMENT_HELP),
  sites: z.array(site, 'write a list of sites').min(1, 'write at least one site').max(MAX_SITES),
  streams: z.record(z.string().regex(STREAM_NAME, STREAM_HELP), streamPolicy),
  witness: z.exactOptional(z.string('write a region')),
  guardCopies: z.exactOptional(z.int().min(1).max(256)),
  barPeriod: duration
    .refine((value) => value.toMilliseconds() >= 1000 && value.toMilliseconds() <= 60_000, BAR_HELP)
    .default(BAR_PERIOD),
  options: z.exactOptional(mini.partial(mini.omit(optionsSchema, { guardCopies: true, closePeriodMs: true }))),
  prediction: z.exactOptional(predictionSchema),
  throttling: z
    .strictObject({ ratePerSecond: z.int().min(1), burst: z.int().min(1) })
    .default({ ratePerSecond: 1000, burst: 2000 }),
  reserveConcurrency: flag(true),
  logRetention: z.enum(RetentionDays).default(RetentionDays.ONE_MONTH),
  alarmEmails: z.array(z.email()).default([]),
  deletionProtection: z.exactOptional(z.boolean()),
  apiGatewayAccount: flag(true),
  local: flag(false),
  emulator: z.url({ protocol: /^https?$/, error: 'write a URL, such as "http://127.0.0.1:4566"' }).default(EMULATOR),
  bundles: z.exactOptional(z.string()),
});

type Parsed = z.output<typeof schema>;

/** @throws Error that names every wrong field and says what to write there */
export function settle(id: string, props: LockstepProps): Settings {
  const given = { ...withoutUndefined(props), deployment: props.deployment ?? id.toLowerCase() };
  const parsed = schema.safeParse(given);
  if (!parsed.success) return refuse(id, parsed.error.issues.map(lineOf));
  const { sites, witness, local, deletionProtection = !local, barPeriod, prediction: predicted, ...rest } = parsed.data;
  const regions = sites.map(({ region }) => region);
  const control = placeControlTable(regions, witness, local);
  const problems = problemsAmong(parsed.data);
  if ('field' in control) return refuse(id, [...problems, `${control.field}: ${control.what}`]);
  const [home] = sites;
  if (home === undefined || problems.length > 0) return refuse(id, problems);
  const prediction = settlePrediction(predicted, local);
  const options = optionsOf(props, barPeriod, prediction);
  return { ...rest, sites, home, control, local, deletionProtection, prediction, options };
}

/** What each field alone cannot tell. */
function problemsAmong({ deployment, sites, streams, options }: Parsed): string[] {
  const most = sites.length - 1;
  const tooManyMirrors = Object.entries(streams).flatMap(([name, { mirrors }]) =>
    (mirrors?.count ?? 0) > most ? [`streams.${name}.mirrors.count: at most ${most} here`] : [],
  );
  const room = { maxShards: options?.maxShards ?? optionsSchema.parse({}).maxShards };
  const scaling = Object.entries(streams).flatMap(([name, policy]) =>
    policy.scaling ? problemsOf(policy.scaling, room).map((problem) => `streams.${name}.scaling: ${problem}`) : [],
  );
  return [
    ...namesTwice(sites),
    ...namesTooLong(deployment, sites),
    ...otherAccounts(sites),
    ...tooManyMirrors,
    ...scaling,
  ];
}

/** As they are written: what is left out is filled in where the functions read it. */
function optionsOf(
  { options, guardCopies, local }: LockstepProps,
  barPeriod: Duration,
  { kind }: PredictionSettings,
): Readonly<Record<string, number>> {
  const off = kind === 'off' ? { predictionHorizon: 0 } : {};
  const given = { ...options, ...off, ...(guardCopies === undefined ? {} : { guardCopies }) };
  const all = { ...(local === true ? LOCAL : {}), ...given, closePeriodMs: barPeriod.toMilliseconds() };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}

function withoutUndefined(props: LockstepProps): Partial<LockstepProps> {
  return Object.fromEntries(Object.entries(props).filter(([, value]) => value !== undefined));
}

function refuse(id: string, problems: readonly string[]): never {
  throw new Error(
    `Lockstep '${id}' cannot be deployed as it is written:\n${problems.map((one) => `  ${one}`).join('\n')}`,
  );
}

function lineOf(issue: z.core.$ZodIssue): string {
  const { path } = issue;
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  const field = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return field === '' ? message : `${field.replace(/^\./, '')}: ${message}`;
}

function namesTwice(sites: readonly SiteProps[]): string[] {
  return sites.flatMap(({ name }, index) =>
    sites.findIndex((other) => other.name === name) < index
      ? [`sites[${index}].name: "${name}" is taken; write another`]
      : [],
  );
}

function namesTooLong(deployment: string, sites: readonly SiteProps[]): string[] {
  const left = MAX_NAMES - deployment.length;
  return sites.flatMap(({ name }, index) =>
    name.length > left
      ? [`sites[${index}].name: write at most ${left} characters, so that the functions' names have room`]
      : [],
  );
}

function otherAccounts(sites: readonly SiteProps[]): string[] {
  return sites.flatMap(({ account }, index) =>
    account === sites[0]?.account
      ? []
      : [`sites[${index}].account: write the same for all sites; the control table belongs to one account`],
  );
}
