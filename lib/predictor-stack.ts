import { createHash } from 'node:crypto';
import { ArnFormat, Duration, RemovalPolicy, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { DockerImageAsset, Platform } from 'aws-cdk-lib/aws-ecr-assets';
import { type IRepository, Repository } from 'aws-cdk-lib/aws-ecr';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { SfnStateMachine } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { BlockPublicAccess, Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3';
import { CfnEndpoint, CfnEndpointConfig, CfnModel } from 'aws-cdk-lib/aws-sagemaker';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { DefinitionBody, LogLevel, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { type AwsConfig, TRAINING_VARIABLE, type TrainingConfig } from '../src/adapters/aws/config.js';
import { TRAINER, keyAlias, modelBucketName, predictorName, trainingPrefix } from '../src/adapters/aws/names.js';
import { alarmTopicName, scheduleName } from './names.js';
import { wildcard, wildcardIn } from './permissions.js';
import { ECR_IMAGE, type EndpointSettings } from './prediction-props.js';
import type { Settings, SiteProps } from './props.js';
import { SiteFunction } from './site-function.js';
import { trainingMachine } from './training.js';

export interface PredictorStackProps extends StackProps {
  readonly settings: Settings;
  readonly endpoint: EndpointSettings;
  readonly site: SiteProps;
  /** Folder with a folder per function. */
  readonly bundles: string;
  /** The folder that the image is built from; asked for where it is. */
  readonly container: () => string;
}

/** What is told of the container's logs and metrics. */
const LOGS = '/aws/sagemaker/*';
const VARIANT = 'all';
const PERIOD = Duration.minutes(5);

/**
 * The predictor of one site behind an endpoint of SageMaker, and how it is trained. In a stack of its own: whatever fails
 * here leaves the site as it is, which foresees by itself then. Both find each other by name.
 */
export class PredictorStack extends Stack {
  readonly key: Key;
  /** What was committed, gathered, and the models. */
  readonly bucket: Bucket;
  readonly endpoint: CfnEndpoint;
  /** Where it is trained. */
  readonly training: StateMachine | undefined;
  readonly #props: PredictorStackProps;
  readonly #prefix: string;

  constructor(scope: Construct, id: string, props: PredictorStackProps) {
    super(scope, id, props);
    this.#props = props;
    const { settings, site, endpoint } = props;
    this.#prefix = trainingPrefix(settings.deployment, site.name);
    this.key = new Key(this, 'Key', {
      alias: keyAlias(settings.deployment, `${site.name}-predictor`),
      description: `What the predictor of ${settings.deployment} at ${site.name} learns from`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    });
    this.bucket = this.#makeBucket();
    const image = this.#image();
    const role = this.#role(image.repository);
    const variant = variantOf(endpoint);
    const model = new CfnModel(this, 'Model', {
      executionRoleArn: role.roleArn,
      primaryContainer: { image: image.uri },
      ...(endpoint.instanceType === undefined ? {} : { enableNetworkIsolation: true }),
    });
    model.node.addDependency(role);
    const config = new CfnEndpointConfig(this, 'Config', {
      productionVariants: [{ ...variant.cfn, modelName: model.attrModelName }],
    });
    this.endpoint = new CfnEndpoint(this, 'Endpoint', {
      endpointName: predictorName(settings.deployment, site.name),
      endpointConfigName: config.attrEndpointConfigName,
    });
    this.#alarm('predictor-errors', this.#endpointErrors(), 'The predictor answers with errors: its log says why.');
    this.training = endpoint.training && this.#makeTraining(endpoint, { ...image, role, variant: variant.api });
  }

  #makeBucket(): Bucket {
    const { settings, site, endpoint } = this.#props;
    const bucket = new Bucket(this, 'Bucket', {
      bucketName: modelBucketName(settings.deployment, site.name, this.account),
      encryption: BucketEncryption.KMS,
      encryptionKey: this.key,
      bucketKeyEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      // What was gathered is forgotten; models stay: an endpoint may load its own at any time.
      lifecycleRules: [{ prefix: 'data/', expiration: Duration.days((endpoint.training?.keepDays ?? 14) + 1) }],
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    });
    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason: 'Two roles of this deployment reach it, and CloudTrail can tell of each object; nobody else may.',
    });
    return bucket;
  }

  /** Ours is built when it is deployed. `revision` changes with the image and with the endpoint's shape. */
  #image(): { readonly uri: string; readonly repository: IRepository; readonly revision: string } {
    const { endpoint, container } = this.#props;
    const { training: _training, ...shape } = endpoint;
    const revisionOf = (image: string): string =>
      createHash('sha256')
        .update(JSON.stringify([image, shape]))
        .digest('hex')
        .slice(0, 8);
    const [, account = '', region = '', name = ''] = ECR_IMAGE.exec(endpoint.image ?? '') ?? [];
    if (endpoint.image !== undefined) {
      const repositoryArn = `arn:${this.partition}:ecr:${region}:${account}:repository/${name}`;
      const repository = Repository.fromRepositoryAttributes(this, 'Repository', {
        repositoryArn,
        repositoryName: name,
      });
      return { uri: endpoint.image, repository, revision: revisionOf(endpoint.image) };
    }
    // What SageMaker's instances and serverless endpoints run on, whatever builds it.
    const asset = new DockerImageAsset(this, 'Image', { directory: container(), platform: Platform.LINUX_AMD64 });
    return { uri: asset.imageUri, repository: asset.repository, revision: revisionOf(asset.assetHash) };
  }

  /** As which SageMaker runs the container, when it trains and when it serves. */
  #role(repository: IRepository): Role {
    const { settings, site } = this.#props;
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('sagemaker.amazonaws.com'),
      description: `The predictor of ${settings.deployment} at ${site.name}`,
    });
    const { bucketArn } = this.bucket;
    const allow = (sid: string, actions: string[], resources: string[], conditions?: object): void => {
      role.addToPolicy(new PolicyStatement({ sid, actions, resources, ...(conditions ? { conditions } : {}) }));
    };
    allow('ReadFiles', ['s3:GetObject'], [`${bucketArn}/*`]);
    allow('ListFiles', ['s3:ListBucket'], [bucketArn]);
    allow('WriteModels', ['s3:PutObject'], [`${bucketArn}/models/*`]);
    allow('UseKey', ['kms:Decrypt', 'kms:GenerateDataKey'], [this.key.keyArn]);
    const logs = this.formatArn({
      service: 'logs',
      resource: 'log-group',
      resourceName: LOGS,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    allow(
      'WriteLogs',
      ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'],
      [logs],
    );
    allow('TellMetrics', ['cloudwatch:PutMetricData'], ['*'], { StringLike: { 'cloudwatch:namespace': LOGS } });
    repository.grantPull(role);
    const bucketId = this.getLogicalId(this.bucket.node.defaultChild as never);
    Validations.of(role).acknowledge(
      {
        id: 'AwsSolutions-IAM5[Resource::*]',
        reason: 'Metrics of one namespace, and the token of ECR: neither knows resources.',
      },
      wildcardIn(`<${bucketId}.Arn>/*`, 'All files of this one bucket, which has no others.'),
      wildcardIn(`<${bucketId}.Arn>/models/*`, 'Each training job writes its own model.'),
      wildcard(this, site, 'logs', `log-group:${LOGS}`, 'SageMaker names the log groups of its jobs and endpoints.'),
    );
    return role;
  }

  #makeTraining(
    { training, instanceType }: EndpointSettings,
    made: { readonly uri: string; readonly revision: string; readonly role: Role; readonly variant: object },
  ): StateMachine | undefined {
    if (!training) return undefined;
    const { settings, site } = this.#props;
    const trainer = this.#trainer({
      bucket: this.bucket.bucketName,
      revision: made.revision,
      keepDays: training.keepDays,
    });
    const { deployment } = settings;
    const role = this.#machineRole(trainer, made.role);
    const destination = new LogGroup(this, 'Logs', {
      logGroupName: `/aws/vendedlogs/states/lockstep/${this.#prefix}-training`,
      retention: settings.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const definition = trainingMachine({
      partition: this.partition,
      trainerArn: trainer.lambda.functionArn,
      endpointName: predictorName(deployment, site.name),
      roleArn: made.role.roleArn,
      image: made.uri,
      output: `s3://${this.bucket.bucketName}/models/`,
      keyArn: this.key.keyArn,
      instanceType: training.instanceType,
      variant: { ...made.variant },
      isolated: instanceType !== undefined,
    });
    const machine = new StateMachine(this, 'Training', {
      stateMachineName: `${this.#prefix}-training`,
      definitionBody: DefinitionBody.fromString(this.toJsonString(definition)),
      role,
      tracingEnabled: true,
      logs: { destination, level: LogLevel.ALL, includeExecutionData: false },
      removalPolicy: RemovalPolicy.DESTROY,
    });
    machine.node.addDependency(this.endpoint);
    this.#schedule(machine, training.everyHours);
    const failed = machine.metricFailed({ period: Duration.hours(1) });
    this.#alarm('training', failed, 'The predictor was not trained: the last execution of the workflow says why.');
    return machine;
  }

  #trainer(training: TrainingConfig): SiteFunction {
    const { settings, site, bundles } = this.#props;
    const config: AwsConfig = {
      deployment: settings.deployment,
      site: site.name,
      sites: settings.sites.map(({ name, region }) => ({ name, region })),
      options: { ...settings.options },
    };
    const trainer = new SiteFunction(this, TRAINER, {
      settings,
      site,
      role: TRAINER,
      config: this.toJsonString(config),
      keyArn: this.key.keyArn,
      bundles,
      environment: { [TRAINING_VARIABLE]: this.toJsonString(training) },
    });
    // The log is encrypted with the key of the site's stack, of which only the alias is known here.
    trainer.lambda.addToRolePolicy(
      new PolicyStatement({
        sid: 'UseSiteKey',
        actions: ['kms:Decrypt'],
        resources: [this.formatArn({ service: 'kms', resource: 'key', resourceName: '*' })],
        conditions: {
          'ForAnyValue:StringEquals': { 'kms:ResourceAliases': keyAlias(settings.deployment, site.name) },
        },
      }),
    );
    Validations.of(trainer).acknowledge(
      wildcard(this, site, 'kms', 'key/*', 'The one key that has the alias of the site: that is the condition.'),
    );
    return trainer;
  }

  #machineRole(trainer: SiteFunction, execution: Role): Role {
    const { settings, site } = this.#props;
    const role = new Role(this, 'TrainingRole', {
      assumedBy: new ServicePrincipal('states.amazonaws.com'),
      description: `Training of the predictor of ${settings.deployment} at ${site.name}`,
    });
    const named = (resource: string, resourceName: string): string =>
      this.formatArn({ service: 'sagemaker', resource, resourceName });
    const runs = (resource: string): string => named(resource, `${this.#prefix}-*`);
    const endpoint = named('endpoint', predictorName(settings.deployment, site.name));
    const allow = (sid: string, actions: string[], resources: string[], conditions?: object): void => {
      role.addToPolicy(new PolicyStatement({ sid, actions, resources, ...(conditions ? { conditions } : {}) }));
    };
    allow('Steps', ['lambda:InvokeFunction'], [trainer.lambda.functionArn]);
    allow(
      'Train',
      [
        'sagemaker:CreateTrainingJob',
        'sagemaker:DescribeTrainingJob',
        'sagemaker:StopTrainingJob',
        'sagemaker:AddTags',
      ],
      [runs('training-job')],
    );
    allow('MakeModels', ['sagemaker:CreateModel'], [runs('model')]);
    allow('MakeConfigurations', ['sagemaker:CreateEndpointConfig'], [runs('endpoint-config')]);
    allow('Serve', ['sagemaker:DescribeEndpoint', 'sagemaker:UpdateEndpoint'], [endpoint, runs('endpoint-config')]);
    allow('RunAs', ['iam:PassRole'], [execution.roleArn], {
      StringEquals: { 'iam:PassedToService': 'sagemaker.amazonaws.com' },
    });
    // By it Step Functions learns of the end of a job.
    const rule = 'StepFunctionsGetEventsForSageMakerTrainingJobsRule';
    allow(
      'WaitForJobs',
      ['events:DescribeRule', 'events:PutRule', 'events:PutTargets'],
      [this.formatArn({ service: 'events', resource: 'rule', resourceName: rule })],
    );
    const own = 'Each run has a job, a model and a configuration of its own, named after this site and the run.';
    Validations.of(role).acknowledge(
      {
        id: 'AwsSolutions-IAM5[Resource::*]',
        reason: 'Delivery of logs, and traces of X-Ray: neither knows resources.',
      },
      ...['training-job', 'model', 'endpoint-config'].map((kind) =>
        wildcard(this, site, 'sagemaker', `${kind}/${this.#prefix}-*`, own),
      ),
    );
    return role;
  }

  #schedule(machine: StateMachine, everyHours: number): void {
    const { settings, site } = this.#props;
    const rule = new Rule(this, 'Schedule', {
      ruleName: scheduleName(settings.deployment, site.name, 'training'),
      description: 'trains the predictor',
      schedule: Schedule.rate(Duration.hours(everyHours)),
      targets: [new SfnStateMachine(machine, { retryAttempts: 0 })],
    });
    Validations.of(rule).acknowledge({
      id: 'Serverless-EventBusDLQ',
      reason: 'A run that was missed is made up for by the next: it gathers all that was committed since the last one.',
    });
  }

  #endpointErrors(): Metric {
    return new Metric({
      namespace: 'AWS/SageMaker',
      metricName: 'Invocation5XXErrors',
      dimensionsMap: { EndpointName: this.endpoint.attrEndpointName, VariantName: VARIANT },
      statistic: 'Sum',
      period: PERIOD,
    });
  }

  #alarm(name: string, metric: Metric, alarmDescription: string): void {
    const { settings, site } = this.#props;
    const alarm = new Alarm(this, name, {
      alarmName: `${this.#prefix}-${name}`,
      alarmDescription,
      metric,
      threshold: 0,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    const topicArn = this.formatArn({ service: 'sns', resource: alarmTopicName(settings.deployment, site.name) });
    alarm.addAlarmAction(new SnsAction(Topic.fromTopicArn(alarm, 'Topic', topicArn)));
  }
}

/** What serves, as CloudFormation and as the API of SageMaker take it. */
function variantOf({ instanceType, instances, memoryMiB, maxConcurrency }: EndpointSettings) {
  const [cfn, api] =
    instanceType === undefined
      ? [
          { serverlessConfig: { memorySizeInMb: memoryMiB, maxConcurrency } },
          { ServerlessConfig: { MemorySizeInMB: memoryMiB, MaxConcurrency: maxConcurrency } },
        ]
      : [
          { instanceType, initialInstanceCount: instances },
          { InstanceType: instanceType, InitialInstanceCount: instances },
        ];
  return {
    cfn: { variantName: VARIANT, initialVariantWeight: 1, ...cfn },
    api: { VariantName: VARIANT, InitialVariantWeight: 1, ...api },
  };
}
