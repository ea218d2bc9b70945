import { type Duration, Validations } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { type Stream, StreamConsumer } from 'aws-cdk-lib/aws-kinesis';
import { CfnFunction, EventSourceMapping, type Function, StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { CONSUMER_VARIABLE, type ConsumerConfig } from '../src/adapters/aws/config.js';
import { consumerFunctionName, consumersTableName, controlTableName, streamPrefix } from '../src/adapters/aws/names.js';
import { optionsSchema } from '../src/core/options.js';
import { CONSUMER_ACTIONS, CONSUMERS_TABLE_ACTIONS, sharedTableArn, wildcard } from './permissions.js';
import type { Settings, SiteProps } from './props.js';
import type { SiteStack } from './site-stack.js';

/** Where a consumer's function is made. */
export interface ConsumerScope {
  readonly scope: SiteStack;
  readonly site: string;
  /** The name that it must have: by it the site knows whose event source mappings to switch. */
  readonly functionName: string;
}

export interface ConsumerProps {
  /** Declared in the props, with mirrors that are there from the beginning. */
  readonly streams: readonly string[];
  /** Makes the function of one site, in its stack and with the name that is given. */
  readonly handler: (at: ConsumerScope) => Function;
  /**
   * Whether a table, shared by all sites, keeps what was handled, so that nothing is handled again. Without it each event
   * is handled at least once, and after a switchover all that the stream still keeps. Price: two writes an event.
   *
   * @default true
   */
  readonly exactlyOnce?: boolean;
  /**
   * Whether each stream pushes its records to this consumer alone (enhanced fan-out): within about 70 ms, and whatever
   * others read. Otherwise Lambda polls each shard once a second, and all that read a shard share 2 MB a second. Price: as
   * much as the shards themselves, $10.80 per shard and month at each site, and $0.013 per GB.
   *
   * @default false
   */
  readonly enhancedFanOut?: boolean;
  /** Records in a batch, 1 to 10,000. @default 100 */
  readonly batchSize?: number;
  /** How long a batch is waited for to fill, up to 5 minutes. @default not at all */
  readonly maxBatchingWindow?: Duration;
  /** Batches of one shard at once, 1 to 10; those of one key come one after the other all the same. @default 1 */
  readonly parallelizationFactor?: number;
}

const NAME = /^[a-z][a-z0-9-]*$/;
const MAX_FUNCTION_NAME = 64;
const DAY_HOURS = 24;
const HOUR_MS = 3_600_000;

/** @throws Error saying what is wrong, and what to write */
export function refuseConsumer(name: string, { streams }: ConsumerProps, settings: Settings): void {
  const refuse = (what: string): never => {
    throw new Error(`Consumer '${name}' cannot be deployed as it is written: ${what}`);
  };
  if (!NAME.test(name)) refuse('name: write lower-case letters, digits and hyphens, a letter first');
  for (const site of settings.sites) {
    const left = MAX_FUNCTION_NAME - consumerFunctionName(settings.deployment, site.name, '').length;
    if (name.length > left) refuse(`name: write at most ${left} characters, so that its functions' names have room`);
  }
  if (streams.length === 0) refuse('streams: write at least one');
  for (const stream of streams) {
    const policy = settings.streams[stream];
    if (!policy)
      refuse(`streams: "${stream}" is not declared; write one of ${Object.keys(settings.streams).join(', ')}`);
    if (policy?.mirrors?.create === 'on-begin' && settings.sites.length > 1) {
      refuse(
        `streams: the mirrors of "${stream}" are made later (mirrors.create), so nothing could read them; leave it out`,
      );
    }
  }
}

interface Around {
  readonly settings: Settings;
  readonly site: SiteProps;
}

/** The consumer's function at one site, and its mappings. @throws Error where it was not made with its name */
export function consumerAt(stack: SiteStack, name: string, props: ConsumerProps, around: Around): Function {
  const { settings, site } = around;
  const functionName = consumerFunctionName(settings.deployment, site.name, name);
  const made = props.handler({ scope: stack, site: site.name, functionName });
  const { defaultChild } = made.node;
  if (!(defaultChild instanceof CfnFunction) || defaultChild.functionName !== functionName) {
    throw new Error(
      `Consumer '${name}': its function at ${site.name} has to be named ${functionName}; pass functionName on`,
    );
  }
  if (props.exactlyOnce !== false) rememberHandled(made, name, props, around);
  for (const streamName of props.streams) {
    const stream = stack.streams.streams.get(streamName);
    // A site without a replica of it.
    if (!stream) continue;
    readStream(made, streamName, around);
    const mapping = new EventSourceMapping(made, `On-${streamName}`, {
      target: made,
      eventSourceArn: props.enhancedFanOut === true ? fanOut(made, functionName, streamName, stream) : stream.streamArn,
      startingPosition: StartingPosition.TRIM_HORIZON,
      // The site switches it on where the stream is active, within a minute: also after a change of what stands here.
      enabled: false,
      reportBatchItemFailures: true,
      batchSize: props.batchSize ?? 100,
      ...(props.maxBatchingWindow ? { maxBatchingWindow: props.maxBatchingWindow } : {}),
      ...(props.parallelizationFactor === undefined ? {} : { parallelizationFactor: props.parallelizationFactor }),
    });
    mapping.node.addDependency(made.role ?? made);
  }
  made.addToRolePolicy(new PolicyStatement({ actions: ['kms:Decrypt'], resources: [stack.storage.key.keyArn] }));
  return made;
}

/** A consumer as Kinesis knows one: what it pushes records to. @returns its ARN */
function fanOut(made: Function, streamConsumerName: string, streamName: string, stream: Stream): string {
  const consumer = new StreamConsumer(made, `FanOut-${streamName}`, { streamConsumerName, stream });
  consumer.grantRead(made);
  return consumer.streamConsumerArn;
}

/** Whatever its generation: a replica that began anew has the next one. */
function readStream(made: Function, streamName: string, { settings, site }: Around): void {
  const resource = `stream/${streamPrefix(settings.deployment, site.name)}*-${streamName}`;
  const arn = made.stack.formatArn({ service: 'kinesis', resource });
  made.addToRolePolicy(new PolicyStatement({ actions: [...CONSUMER_ACTIONS], resources: [arn] }));
  Validations.of(made).acknowledge(
    wildcard(
      made.stack,
      site,
      'kinesis',
      resource,
      'The generations of this one stream: the next one is made by the functions.',
    ),
  );
}

function rememberHandled(made: Function, name: string, { streams }: ConsumerProps, { settings, site }: Around): void {
  const { control, deployment } = settings;
  const retentions = streams.map((stream) => settings.streams[stream]?.retentionHours ?? DAY_HOURS);
  const { logRetentionMs } = optionsSchema.parse(settings.options);
  const config: ConsumerConfig = {
    consumer: name,
    table: consumersTableName(deployment),
    region: control.kind === 'single' ? control.region : site.region,
    control: controlTableName(deployment),
    sites: settings.sites.length,
    streamHours: Math.max(...retentions),
    logHours: Math.ceil(logRetentionMs / HOUR_MS),
  };
  made.addEnvironment(CONSUMER_VARIABLE, JSON.stringify(config));
  const around = { stack: made.stack, settings, site };
  const remembers = [sharedTableArn(around, config.table)];
  made.addToRolePolicy(new PolicyStatement({ actions: [...CONSUMERS_TABLE_ACTIONS], resources: remembers }));
  const route = [sharedTableArn(around, config.control)];
  made.addToRolePolicy(new PolicyStatement({ actions: ['dynamodb:GetItem'], resources: route }));
}
