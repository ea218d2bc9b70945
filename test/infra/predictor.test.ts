/** The predictor's stacks: an endpoint for each site, trained by a workflow, with rights for no more than that. */
import { Duration } from 'aws-cdk-lib';
import { FUNCTION_DESIGNS } from '../../lib/functions.js';
import type { LockstepProps } from '../../lib/index.js';
import { settle } from '../../lib/props.js';
import { functionName, modelBucketName, predictorName, TRAINER, trainingPrefix } from '../../src/adapters/aws/names.js';
import { deployment, EAST_WEST, ofType, type Resource, type Template, templatesOf, textOf } from './support.js';

const SITES = ['east', 'west'] as const;
const REGIONS = { east: 'us-east-1', west: 'us-west-2' };

type Prediction = Exclude<LockstepProps['prediction'], undefined>;
const made = (prediction: Prediction, more: Partial<LockstepProps> = {}) =>
  templatesOf(deployment({ prediction, ...more }));

const ENDPOINT = made({ endpoint: {} });
const INSTANCES = made({
  endpoint: {
    instanceType: 'ml.t2.medium',
    instances: 2,
    training: { every: Duration.hours(6), keep: Duration.days(30) },
  },
});
const at = (site: (typeof SITES)[number]): Template => ENDPOINT[`${site}-predictor`]!;
const only = (template: Template, type: string): Resource['Properties'] => {
  const all = ofType(template, type);
  expect(all).toHaveLength(1);
  return all[0]!.Properties;
};

function configOf(template: Template, name: string): Record<string, unknown> {
  const made = ofType(template, 'AWS::Lambda::Function').find(({ Properties }) => Properties['FunctionName'] === name);
  return JSON.parse(textOf(made?.Properties['Environment'].Variables.LOCKSTEP_CONFIG, template)) as never;
}

interface AslState {
  readonly Type: string;
  readonly Resource?: string;
  readonly Parameters?: Record<string, unknown>;
  readonly Next?: string;
  readonly Default?: string;
  readonly Catch?: readonly { readonly Next: string }[];
  readonly Choices?: readonly { readonly Next: string }[];
}

function statesOf(template: Template): Readonly<Record<string, AslState>> {
  const machine = only(template, 'AWS::StepFunctions::StateMachine');
  return (JSON.parse(textOf(machine['DefinitionString'], template)) as { States: Record<string, AslState> }).States;
}

interface Statement {
  readonly Sid: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

const statementsOf = (template: Template): readonly Statement[] =>
  ofType(template, 'AWS::IAM::Policy').flatMap(
    ({ Properties }) => Properties['PolicyDocument'].Statement as readonly Statement[],
  );

describe('without an endpoint', () => {
  test('a server of one’s own: no stack, nothing of SageMaker, and the functions are told', () => {
    const templates = made({ url: 'https://foresee.example/v1' });
    expect(Object.keys(templates).sort()).toEqual(['control', 'east', 'west']);
    expect(JSON.stringify(templates)).not.toMatch(/sagemaker/i);
    expect(configOf(templates['east']!, functionName('orders', 'east', 'backfill'))).toMatchObject({
      predictor: { url: 'https://foresee.example/v1' },
    });
  });

  test.each<[string, Partial<LockstepProps>, object, object]>([
    ['nothing is said', {}, { kind: 'own' }, {}],
    ['nothing is chosen', { prediction: {} }, { kind: 'own' }, {}],
    ['it is off', { prediction: false }, { kind: 'off' }, { predictionHorizon: 0 }],
    ['there is an emulator, which has none', { prediction: { endpoint: {} }, local: true }, { kind: 'own' }, {}],
  ])('%s', (_, props, prediction, options) => {
    const settings = settle('Orders', { ...EAST_WEST, ...props });
    expect(settings.prediction).toEqual(prediction);
    const { predictionHorizon } = settings.options;
    expect(predictionHorizon === undefined ? {} : { predictionHorizon }).toEqual(options);
  });
});

describe('the endpoint', () => {
  test.each(SITES)('%s: is named as its function asks for it, and may ask it alone', (site) => {
    const name = predictorName('orders', site);
    expect(only(at(site), 'AWS::SageMaker::Endpoint')['EndpointName']).toBe(name);
    expect(configOf(ENDPOINT[site]!, functionName('orders', site, 'backfill'))).toMatchObject({
      predictor: { endpointName: name },
    });
    const asks = statementsOf(ENDPOINT[site]!).filter(({ Action }) => JSON.stringify(Action).includes('sagemaker'));
    expect(asks.map(({ Action, Resource }) => [Action, textOf(Resource, ENDPOINT[site]!)])).toEqual([
      [
        'sagemaker:InvokeEndpoint',
        `arn:\${AWS::Partition}:sagemaker:${REGIONS[site]}:\${AWS::AccountId}:endpoint/${name}`,
      ],
    ]);
  });

  test('is serverless where nothing else is said', () => {
    const [variant] = only(at('east'), 'AWS::SageMaker::EndpointConfig')['ProductionVariants'] as object[];
    expect(variant).toMatchObject({ ServerlessConfig: { MemorySizeInMB: 2048, MaxConcurrency: 5 } });
    // A serverless one cannot be without a network.
    expect(only(at('east'), 'AWS::SageMaker::Model')['EnableNetworkIsolation']).toBeUndefined();
  });

  test('runs on instances where they are named, without a network', () => {
    const template = INSTANCES['west-predictor']!;
    const [variant] = only(template, 'AWS::SageMaker::EndpointConfig')['ProductionVariants'] as object[];
    expect(variant).toMatchObject({ InstanceType: 'ml.t2.medium', InitialInstanceCount: 2 });
    expect(variant).not.toHaveProperty('ServerlessConfig');
    expect(only(template, 'AWS::SageMaker::Model')['EnableNetworkIsolation']).toBe(true);
    expect(statesOf(template)['Make model']!.Parameters).toMatchObject({ EnableNetworkIsolation: true });
    expect(JSON.stringify(statesOf(template)['Make configuration'])).toContain('"InstanceType":"ml.t2.medium"');
  });

  test('an image of one’s own is served, and never trained unless it is asked for', () => {
    const image = '123456789012.dkr.ecr.us-east-1.amazonaws.com/mine/predictor:3';
    const sites = [{ name: 'east', region: 'us-east-1' }];
    const template = made({ endpoint: { image } }, { sites })['east-predictor']!;
    expect(only(template, 'AWS::SageMaker::Model')['PrimaryContainer']).toEqual({ Image: image });
    expect(ofType(template, 'AWS::StepFunctions::StateMachine')).toEqual([]);
    expect(ofType(template, 'AWS::Lambda::Function')).toEqual([]);
    const pulls = statementsOf(template).find(({ Action }) => Action.includes('ecr:BatchGetImage'));
    expect(textOf(pulls?.Resource, template)).toBe(
      'arn:${AWS::Partition}:ecr:us-east-1:123456789012:repository/mine/predictor',
    );
    const { prediction } = settle('Orders', { ...EAST_WEST, prediction: { endpoint: { image, training: {} } } });
    expect(prediction).toMatchObject({ kind: 'endpoint', training: { everyHours: 12, keepDays: 14 } });
  });
});

describe('training', () => {
  test('its states are complete: each leads somewhere, and is led to', () => {
    const states = statesOf(at('east'));
    const targets = Object.values(states).flatMap(({ Next, Default, Catch = [], Choices = [] }) =>
      [Next, Default, ...[...Catch, ...Choices].map((each) => each.Next)].filter((name) => name !== undefined),
    );
    expect([...new Set(['Gather', ...targets])].sort()).toEqual(Object.keys(states).sort());
  });

  test('gathers, trains, judges, and serves what was chosen', () => {
    const states = statesOf(at('east'));
    const path = (from: string, choose: Readonly<Record<string, string>>): string[] => {
      const walked: string[] = [];
      for (let name: string | undefined = from; name !== undefined && !walked.includes(name);) {
        walked.push(name);
        const { Next, Default }: AslState = states[name]!;
        name = choose[name] ?? Next ?? Default;
      }
      return walked;
    };
    const better = { 'Enough?': 'Train', 'Another one?': 'Make model', 'Served?': 'Remember' };
    expect(path('Gather', better)).toEqual([
      'Gather',
      'Enough?',
      'Train',
      'What is served',
      'Choose',
      'Another one?',
      'Make model',
      'Make configuration',
      'Serve it',
      'Pause',
      'Look again',
      'Served?',
      'Remember',
      'Trained?',
      'Done',
    ]);
    // Nothing is served that is not better, and nothing trained of too little.
    expect(path('Choose', {})).toEqual(['Choose', 'Another one?', 'Trained?', 'Done']);
    expect(path('Gather', {})).toEqual(['Gather', 'Enough?', 'Not enough yet']);
    // A job that fails still lets a model that drifted be replaced.
    expect(states['Train']!.Catch).toEqual([expect.objectContaining({ Next: 'What is served' })]);
  });

  test('calls the trainer and SageMaker, and nothing else', () => {
    const called = Object.values(statesOf(at('west'))).flatMap(({ Resource }) => Resource ?? []);
    expect([...new Set(called)].sort()).toEqual(
      [
        expect.stringMatching(/^\$\{trainerFunction\w+\.Arn\}$/),
        ...['aws-sdk:sagemaker:describeEndpoint', 'sagemaker:createEndpointConfig', 'sagemaker:createModel'],
        ...['sagemaker:createTrainingJob.sync', 'sagemaker:updateEndpoint'],
      ].map((one) => (typeof one === 'string' ? `arn:\${AWS::Partition}:states:::${one}` : one)),
    );
  });

  test('the job reads what was gathered, has no network, and its model is encrypted', () => {
    expect(statesOf(at('east'))['Train']!.Parameters).toMatchObject({
      'TrainingJobName.$': '$.gathered.job',
      EnableNetworkIsolation: true,
      InputDataConfig: [{ ChannelName: 'training', DataSource: { S3DataSource: { S3DataType: 'ManifestFile' } } }],
      OutputDataConfig: { S3OutputPath: expect.stringMatching(/^s3:\/\/.+\/models\/$/), KmsKeyId: expect.anything() },
    });
  });

  test('is due as often as it is said, and its function is told where files are and how long they are kept', () => {
    const template = INSTANCES['east-predictor']!;
    expect(only(template, 'AWS::Events::Rule')['ScheduleExpression']).toBe('rate(6 hours)');
    const trainer = only(template, 'AWS::Lambda::Function');
    expect(trainer).toMatchObject({
      FunctionName: functionName('orders', 'east', TRAINER),
      MemorySize: FUNCTION_DESIGNS.trainer.memoryMiB,
      Timeout: FUNCTION_DESIGNS.trainer.timeoutSeconds,
    });
    const told = JSON.parse(textOf(trainer['Environment'].Variables.LOCKSTEP_TRAINING, template)) as object;
    expect(told).toEqual({ bucket: expect.anything(), revision: expect.stringMatching(/^[0-9a-f]{8}$/), keepDays: 30 });
    const [rule] = only(template, 'AWS::S3::Bucket')['LifecycleConfiguration'].Rules as Resource['Properties'][];
    // Models are not forgotten: an endpoint loads its own whenever it starts.
    expect(rule).toMatchObject({ Prefix: 'data/', ExpirationInDays: 31 });
  });

  test('a name holds what SageMaker allows, also for the longest site', () => {
    const [deployed, site] = ['d'.repeat(12), 'a'.repeat(32)];
    expect(predictorName(deployed, site).length).toBeLessThanOrEqual(63);
    // With the run, six characters until 2038, and the revision.
    expect(`${trainingPrefix(deployed, site)}-abcdef-01234567`.length).toBeLessThanOrEqual(63);
    expect(modelBucketName(deployed, site, '123456789012').length).toBeLessThanOrEqual(63);
  });
});

describe('what it holds', () => {
  test('the bucket is closed, encrypted with a key of its own, and stays', () => {
    const [bucket] = ofType(at('east'), 'AWS::S3::Bucket');
    expect(textOf(bucket!.Properties['BucketName'], at('east'))).toBe(
      modelBucketName('orders', 'east', '${AWS::AccountId}'),
    );
    expect(bucket!.Properties).toMatchObject({
      PublicAccessBlockConfiguration: { BlockPublicAcls: true, RestrictPublicBuckets: true },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' } }],
      },
    });
    expect(bucket!.DeletionPolicy).toBe('RetainExceptOnCreate');
  });

  test('nothing is passed from stack to stack, nor from region to region', () => {
    for (const site of SITES) {
      const text = JSON.stringify(at(site));
      expect(text).not.toMatch(/Fn::ImportValue|Custom::/);
      expect(text).not.toContain(REGIONS[site === 'east' ? 'west' : 'east'] + ':');
    }
  });
});

describe('rights', () => {
  test('the trainer reads the log of its site, and writes files: no table, no stream, no endpoint', () => {
    const template = at('east');
    const policy = ofType(template, 'AWS::IAM::Policy').find(({ Properties }) =>
      String(Properties['PolicyName']).startsWith('trainer'),
    );
    const statements = policy!.Properties['PolicyDocument'].Statement as readonly Statement[];
    const actions = statements.flatMap(({ Action }) => Action).filter((action) => !/^(xray|logs):/.test(action));
    expect(actions.sort()).toEqual([
      'dynamodb:BatchGetItem',
      'dynamodb:GetItem',
      'dynamodb:Query',
      'kms:Decrypt',
      'kms:Decrypt',
      'kms:DescribeKey',
      'kms:GenerateDataKey',
      's3:GetObject',
      's3:ListBucket',
      's3:PutObject',
    ]);
    const key = statements.find(({ Sid }) => Sid === 'UseSiteKey');
    expect(key?.Condition).toEqual({ 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/orders-east' } });
  });

  test('a star stands for runs of this site, files of this bucket, or what has a condition', () => {
    for (const site of SITES) {
      for (const { Sid, Action, Resource, Condition } of statementsOf(at(site))) {
        const actions = [Action].flat();
        for (const action of actions) expect(action).toMatch(/^[a-z0-9-]+:[A-Za-z]+$/);
        if (actions.every((action) => /^(xray|logs):|^ecr:GetAuthorizationToken$/.test(action))) continue;
        for (const one of [Resource].flat().map((each) => textOf(each, at(site)))) {
          const rest = one
            .replace(new RegExp(`:(training-job|model|endpoint-config)/orders-${site}-\\*$`), '')
            .replace(/^(\$\{Bucket\w+\.Arn\}|.+:s3:::orders-\w+-\$\{AWS::AccountId\})(\/models)?\/\*$/, '');
          if (rest.includes('*')) expect([Sid, Condition]).toEqual([Sid, expect.any(Object)]);
        }
      }
    }
  });

  test('only SageMaker may be handed the role that runs the container', () => {
    const [pass] = statementsOf(at('east')).filter(({ Action }) => Action === 'iam:PassRole');
    expect(pass?.Condition).toEqual({ StringEquals: { 'iam:PassedToService': 'sagemaker.amazonaws.com' } });
  });
});

test.each<[string, unknown, string]>([
  ['memory', { endpoint: { memoryMiB: 1500 } }, 'prediction.endpoint.memoryMiB: write 1024'],
  ['instances', { endpoint: { instances: 2 } }, 'prediction.endpoint.instances: a serverless endpoint has none'],
  [
    'an instance type',
    { endpoint: { instanceType: 't2.medium' } },
    'prediction.endpoint.instanceType: write an instance type',
  ],
  ['an image', { endpoint: { image: 'docker.io/mine' } }, 'prediction.endpoint.image: write an image in ECR'],
  [
    'a period',
    { endpoint: { training: { every: Duration.minutes(5) } } },
    'prediction.endpoint.training.every: write a Duration',
  ],
  ['both', { url: 'https://a.example', endpoint: {} }, 'prediction: write url or endpoint, not both'],
  ['a URL', { url: 'ftp://a.example' }, 'prediction.url: write a URL'],
  ['a word', 'on', 'prediction: '],
])('%s that is none is refused at synth, and it says what to write', (_, prediction, says) => {
  expect(() => settle('Orders', { ...EAST_WEST, prediction: prediction as Prediction })).toThrow(says);
});
