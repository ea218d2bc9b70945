/** How a site's predictor is trained, and its model replaced: a state machine of Step Functions, as data. */

export interface TrainingDesign {
  /** `aws`, or another partition. */
  readonly partition: string;
  /** Performs the steps that are ours: gather, choose, remember. */
  readonly trainerArn: string;
  readonly endpointName: string;
  /** As which SageMaker runs the container. */
  readonly roleArn: string;
  readonly image: string;
  /** `s3://…/models/` */
  readonly output: string;
  readonly keyArn: string;
  readonly instanceType: string;
  /** One of the endpoint's configuration, but for its model. */
  readonly variant: Readonly<Record<string, unknown>>;
  /** Whether the container gets no network: not every endpoint can do so. */
  readonly isolated: boolean;
}

const TRAINING_SECONDS = 3600;
const ALL_SECONDS = 4 * 3600;
const STEP_SECONDS = 900;
const PASSING = { ErrorEquals: ['States.ALL'], MaxAttempts: 3, IntervalSeconds: 10, BackoffRate: 2 };

/**
 * Gathers what was committed, trains a challenger, has challenger, champion and the one before judged on later data, and
 * makes the endpoint serve the best. Promotion, rolling back, and serving the champion again after a deployment that
 * made the endpoint anew are the same: the endpoint is brought to the model that was chosen, if it does not serve it yet.
 *
 * A training job that fails does not keep a model that drifted in place: the choice is made without a challenger, and
 * the execution fails at its end.
 */
export function trainingMachine(design: TrainingDesign): object {
  const { partition, endpointName, roleArn, image } = design;
  const service = (action: string): string => `arn:${partition}:states:::${action}`;
  const ours = (step: string, more: object, after: object): object => ({
    Type: 'Task',
    Resource: design.trainerArn,
    Parameters: { step, ...more },
    TimeoutSeconds: STEP_SECONDS,
    Retry: [PASSING],
    ...after,
  });
  const look = (next: string): object => ({
    Type: 'Task',
    Resource: service('aws-sdk:sagemaker:describeEndpoint'),
    Parameters: { EndpointName: endpointName },
    ResultSelector: { 'status.$': '$.EndpointStatus', 'config.$': '$.EndpointConfigName' },
    ResultPath: '$.endpoint',
    Retry: [PASSING],
    Next: next,
  });
  /** It may be there already: a model that was served before. */
  const make = (action: string, parameters: object, next: string): object => ({
    Type: 'Task',
    Resource: service(`sagemaker:${action}`),
    Parameters: parameters,
    ResultPath: null,
    Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: null, Next: next }],
    Next: next,
  });
  return {
    Comment: 'Trains a challenger of the predictor, and serves it only when it is better on later data',
    TimeoutSeconds: ALL_SECONDS,
    StartAt: 'Gather',
    States: {
      Gather: ours(
        'gather',
        { 'startedAt.$': '$$.Execution.StartTime' },
        { ResultPath: '$.gathered', Next: 'Enough?' },
      ),
      'Enough?': {
        Type: 'Choice',
        Choices: [{ Variable: '$.gathered.enough', BooleanEquals: true, Next: 'Train' }],
        Default: 'Not enough yet',
      },
      'Not enough yet': { Type: 'Succeed' },
      Train: {
        Type: 'Task',
        Resource: service('sagemaker:createTrainingJob.sync'),
        Parameters: trainingJob(design),
        TimeoutSeconds: 2 * TRAINING_SECONDS,
        ResultPath: null,
        Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: 'What is served' }],
        Next: 'What is served',
      },
      'What is served': look('Choose'),
      Choose: ours(
        'choose',
        { 'run.$': '$.gathered.run', 'serving.$': '$.endpoint.config' },
        { ResultPath: '$.chosen', Next: 'Another one?' },
      ),
      'Another one?': {
        Type: 'Choice',
        Choices: [{ Variable: '$.chosen.change', BooleanEquals: true, Next: 'Make model' }],
        Default: 'Trained?',
      },
      'Make model': make(
        'createModel',
        {
          'ModelName.$': '$.chosen.name',
          ExecutionRoleArn: roleArn,
          PrimaryContainer: { Image: image, 'ModelDataUrl.$': '$.chosen.data' },
          ...(design.isolated ? { EnableNetworkIsolation: true } : {}),
        },
        'Make configuration',
      ),
      'Make configuration': make(
        'createEndpointConfig',
        {
          'EndpointConfigName.$': '$.chosen.name',
          ProductionVariants: [{ ...design.variant, 'ModelName.$': '$.chosen.name' }],
        },
        'Serve it',
      ),
      'Serve it': {
        Type: 'Task',
        Resource: service('sagemaker:updateEndpoint'),
        Parameters: { EndpointName: endpointName, 'EndpointConfigName.$': '$.chosen.name' },
        ResultPath: null,
        Next: 'Pause',
      },
      Pause: { Type: 'Wait', Seconds: 30, Next: 'Look again' },
      'Look again': look('Served?'),
      'Served?': {
        Type: 'Choice',
        Choices: [
          {
            And: [
              { Variable: '$.endpoint.status', StringEquals: 'InService' },
              { Variable: '$.endpoint.config', StringEqualsPath: '$.chosen.name' },
            ],
            Next: 'Remember',
          },
          {
            Or: ['Updating', 'SystemUpdating', 'RollingBack'].map((status) => ({
              Variable: '$.endpoint.status',
              StringEquals: status,
            })),
            Next: 'Pause',
          },
        ],
        // SageMaker could not start it, and has gone back to what was served before.
        Default: 'Failed',
      },
      Remember: ours(
        'remember',
        { 'run.$': '$.chosen.run', 'why.$': '$.chosen.why' },
        { ResultPath: null, Next: 'Trained?' },
      ),
      'Trained?': {
        Type: 'Choice',
        Choices: [{ Variable: '$.error', IsPresent: true, Next: 'Failed' }],
        Default: 'Done',
      },
      Done: { Type: 'Succeed' },
      Failed: { Type: 'Fail', Error: 'NotTrained', Cause: 'The training job, or the endpoint, says why' },
    },
  };
}

function trainingJob({ image, roleArn, output, keyArn, instanceType }: TrainingDesign): object {
  return {
    'TrainingJobName.$': '$.gathered.job',
    AlgorithmSpecification: {
      TrainingImage: image,
      TrainingInputMode: 'File',
      MetricDefinitions: [{ Name: 'validation:loss', Regex: 'validation:loss=([0-9.]+);' }],
    },
    RoleArn: roleArn,
    InputDataConfig: [
      {
        ChannelName: 'training',
        ContentType: 'application/jsonlines',
        DataSource: {
          S3DataSource: {
            S3DataType: 'ManifestFile',
            'S3Uri.$': '$.gathered.manifest',
            S3DataDistributionType: 'FullyReplicated',
          },
        },
      },
    ],
    OutputDataConfig: { S3OutputPath: output, KmsKeyId: keyArn },
    ResourceConfig: { InstanceCount: 1, InstanceType: instanceType, VolumeSizeInGB: 10 },
    StoppingCondition: { MaxRuntimeInSeconds: TRAINING_SECONDS },
    EnableNetworkIsolation: true,
  };
}
