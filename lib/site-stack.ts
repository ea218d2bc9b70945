import { CfnOutput, Duration, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import { CfnEventSourceMapping, type Function } from 'aws-cdk-lib/aws-lambda';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { AwsConfig } from '../src/adapters/aws/config.js';
import { FUNCTIONS, type FunctionRole, predictorName } from '../src/adapters/aws/names.js';
import { SiteApi } from './api.js';
import { Monitoring } from './monitoring.js';
import { deadLettersName, missedTicksName } from './names.js';
import type { Settings, SiteProps } from './props.js';
import { Schedules } from './schedules.js';
import { SiteFunction } from './site-function.js';
import { SiteStorage } from './site-storage.js';
import { SiteStreams } from './streams.js';
import { SiteWorkflows, stateMachinesArn } from './workflows.js';

export interface SiteStackProps extends StackProps {
  readonly settings: Settings;
  readonly site: SiteProps;
  /** Folder with a folder per function. */
  readonly bundles: string;
}

/** Everything that one site has. Sites know of one another by name only: none waits for another one's stack. */
export class SiteStack extends Stack {
  readonly storage: SiteStorage;
  readonly streams: SiteStreams;
  readonly api: SiteApi;
  readonly functions: Readonly<Record<FunctionRole, Function>>;
  readonly workflows: SiteWorkflows;
  readonly monitoring: Monitoring;
  readonly #props: SiteStackProps;

  constructor(scope: Construct, id: string, props: SiteStackProps) {
    super(scope, id, props);
    this.#props = props;
    const { settings, site } = props;
    this.storage = new SiteStorage(this, 'Storage', settings, site);
    this.streams = new SiteStreams(this, 'Streams', { settings, site, key: this.storage.key });
    this.api = new SiteApi(this, 'Api', settings, site);
    const deadLetters = this.#queue('DeadLetters', deadLettersName(settings.deployment, site.name), Duration.days(14));
    const missedTicks = this.#queue('MissedTicks', missedTicksName(settings.deployment, site.name), Duration.days(1));
    this.functions = this.#makeFunctions(missedTicks);
    this.api.serve(this.functions.api);
    this.#followLog(deadLetters);
    this.workflows = new SiteWorkflows(this, 'Workflows', { settings, site, step: this.functions['workflow-step'] });
    const parts = { settings, site, functions: this.functions, missedTicks };
    new Schedules(this, 'Schedules', parts);
    this.monitoring = new Monitoring(this, 'Monitoring', {
      ...parts,
      key: this.storage.key,
      api: this.api.api,
      streams: this.streams.streams,
      machines: this.workflows.machines,
      deadLetters,
    });
    new CfnOutput(this, 'Endpoint', { value: this.api.endpoint, description: `Where clients reach site ${site.name}` });
    new CfnOutput(this, 'AlarmTopic', { value: this.monitoring.topic.topicArn, description: 'Where alarms go' });
  }

  #makeFunctions(missedTicks: Queue): Readonly<Record<FunctionRole, Function>> {
    const { settings, site, bundles } = this.#props;
    const config = this.toJsonString(this.#config());
    const made = FUNCTIONS.map((role) => {
      const { lambda } = new SiteFunction(this, role, {
        settings,
        site,
        role,
        config,
        keyArn: this.storage.key.keyArn,
        bundles,
        missedTicks,
      });
      // A function creates the streams that it does not find, and would be faster than CloudFormation.
      lambda.node.addDependency(this.storage, this.streams);
      return [role, lambda] as const;
    });
    return Object.fromEntries(made) as Record<FunctionRole, Function>;
  }

  #config(): AwsConfig {
    const { settings, site } = this.#props;
    return {
      deployment: settings.deployment,
      site: site.name,
      sites: settings.sites.map(({ name, region }) => ({
        name,
        region,
        ...(name === site.name ? { endpoint: this.api.endpoint } : {}),
      })),
      ...(settings.control.kind === 'single' ? { controlRegion: settings.control.region } : {}),
      stateMachines: stateMachinesArn(this, settings, site),
      ...predictorOf(settings, site),
      options: { ...settings.options },
    };
  }

  #queue(id: string, queueName: string, retentionPeriod: Duration): Queue {
    const queue = new Queue(this, id, {
      queueName,
      retentionPeriod,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    });
    const reason = 'It is the queue of dead letters itself.';
    Validations.of(queue).acknowledge(
      { id: 'Serverless-SQSRedrivePolicy', reason },
      { id: 'AwsSolutions-SQS3', reason },
    );
    return queue;
  }

  /** The agent sees entries of the log as they come; what else is in the table does not wake it. */
  #followLog(deadLetters: Queue): void {
    const { backfill } = this.functions;
    const { tableStreamArn } = this.storage.table;
    if (tableStreamArn === undefined) throw new Error('the table has no stream to follow');
    const mapping = new CfnEventSourceMapping(this, 'FollowLog', {
      functionName: backfill.functionName,
      eventSourceArn: tableStreamArn,
      startingPosition: 'TRIM_HORIZON',
      batchSize: 100,
      // What is foreseen has to be there before the client's next write.
      maximumBatchingWindowInSeconds: 0,
      maximumRetryAttempts: 5,
      bisectBatchOnFunctionError: true,
      functionResponseTypes: ['ReportBatchItemFailures'],
      filterCriteria: { filters: [{ pattern: JSON.stringify(LOG_ENTRIES) }] },
      destinationConfig: { onFailure: { destination: deadLetters.queueArn } },
    });
    backfill.addToRolePolicy(
      new PolicyStatement({ sid: 'DeadLetters', actions: ['sqs:SendMessage'], resources: [deadLetters.queueArn] }),
    );
    mapping.node.addDependency(backfill.role ?? backfill);
  }
}

/** What the functions ask before the model of their own. */
function predictorOf({ prediction, deployment }: Settings, site: SiteProps): Pick<AwsConfig, 'predictor'> {
  if (prediction.kind === 'url') return { predictor: { url: prediction.url } };
  return prediction.kind === 'endpoint' ? { predictor: { endpointName: predictorName(deployment, site.name) } } : {};
}

const LOG_ENTRIES = {
  eventName: ['INSERT', 'MODIFY'],
  dynamodb: { Keys: { pk: { S: [{ prefix: 'tx#' }] }, sk: { S: ['entry'] } } },
};
