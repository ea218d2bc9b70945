/** What functions may do, by what they need it for. Data actions name their resources; see test/infra/permissions.test.ts. */
import { ArnFormat, type Stack, Token } from 'aws-cdk-lib';
import { Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import {
  consumerPrefix,
  controlTableName,
  functionName,
  modelBucketName,
  predictorName,
  stateMachineName,
  siteTableName,
  STATUS_INDEX,
  streamPrefix,
} from '../src/adapters/aws/names.js';
import type { WorkflowName } from '../src/ports/workflows.js';
import type { Settings, SiteProps } from './props.js';

const TABLE_ACTIONS = [
  'dynamodb:BatchGetItem',
  'dynamodb:BatchWriteItem',
  'dynamodb:ConditionCheckItem',
  'dynamodb:DeleteItem',
  'dynamodb:GetItem',
  'dynamodb:PutItem',
  'dynamodb:Query',
  'dynamodb:Scan',
];
/** One record at a time, by compare-and-set. */
const CONTROL_ACTIONS = ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query'];
/** Lambda wants all four of the role, though it needs no list. */
const LOG_ACTIONS = [
  'dynamodb:DescribeStream',
  'dynamodb:GetRecords',
  'dynamodb:GetShardIterator',
  'dynamodb:ListStreams',
];
const PUT_ACTIONS = ['kinesis:DescribeStreamSummary', 'kinesis:ListShards', 'kinesis:PutRecords'];
const READ_ACTIONS = [
  'kinesis:DescribeStreamSummary',
  'kinesis:GetRecords',
  'kinesis:GetShardIterator',
  'kinesis:ListShards',
];
const PROVISION_ACTIONS = [
  'kinesis:CreateStream',
  'kinesis:DecreaseStreamRetentionPeriod',
  'kinesis:DescribeStreamSummary',
  'kinesis:IncreaseStreamRetentionPeriod',
  'kinesis:ListShards',
  'kinesis:StartStreamEncryption',
  'kinesis:UpdateShardCount',
];

/** Of a consumer's function: what Lambda calls with its role to read a stream. */
export const CONSUMER_ACTIONS = [
  'kinesis:DescribeStream',
  'kinesis:DescribeStreamSummary',
  'kinesis:GetRecords',
  'kinesis:GetShardIterator',
  'kinesis:ListShards',
] as const;
/** And what it calls itself to know what was handled. */
export const CONSUMERS_TABLE_ACTIONS = [
  'dynamodb:BatchGetItem',
  'dynamodb:BatchWriteItem',
  'dynamodb:DeleteItem',
  'dynamodb:PutItem',
  'dynamodb:Query',
] as const;

/** Each is granted as a whole, or not at all. */
export type Capability =
  /** The log, marks, guards, versions and stagings of this site. */
  | 'site-table'
  /** The table's stream of changes. */
  | 'follow-log'
  /** The route, the streams' definitions, incidents, conflicts, proofs. */
  | 'control-table'
  /** Records onto this site's streams. */
  | 'put'
  /** Records from this site's streams. */
  | 'read'
  /** To create and reshape this site's streams. Nobody may delete one with it. */
  | 'provision'
  /** To delete a replica that an unclean takeover left with another history, after the next one was begun. */
  | 'replace'
  /** What was committed here, to read it. */
  | 'read-log'
  /** What the predictor is trained from, and its models. */
  | 'training-files'
  /** The endpoint that foresees for this site, where it has one. */
  | 'ask-predictor'
  /** To call the mirror agents of all sites. */
  | 'call-sites'
  /** To start this site's workflows, and to see which are under way. */
  | 'run-workflows'
  /** To switch the event source mappings of this site's consumers. */
  | 'move-consumers';

export interface Surroundings {
  readonly stack: Stack;
  readonly settings: Settings;
  readonly site: SiteProps;
  readonly keyArn: string;
}

/** The statements of a function's policy: one for each thing that it may do. */
export function statementsFor(capabilities: readonly Capability[], around: Surroundings): readonly PolicyStatement[] {
  const grants = capabilities.flatMap((capability) => GRANTS[capability]?.(around) ?? []);
  const statements = grants.map(([sid, actions, resources]) => allow(sid, actions, resources));
  const moves = capabilities.includes('move-consumers') ? moveConsumers(around) : [];
  return [...statements, ...moves, useKey(capabilities, around)];
}

type Grant = readonly [sid: string, actions: readonly string[], resources: readonly string[]];

const GRANTS: Readonly<Partial<Record<Capability, (around: Surroundings) => readonly Grant[]>>> = {
  'site-table': (around) => {
    const table = siteTableArn(around);
    return [
      ['SiteTable', TABLE_ACTIONS, [table]],
      ['SiteTableIndex', ['dynamodb:Query'], [`${table}/index/${STATUS_INDEX}`]],
    ];
  },
  'follow-log': (around) => [['FollowLog', LOG_ACTIONS, [`${siteTableArn(around)}/stream/*`]]],
  'control-table': (around) => [['ControlTable', CONTROL_ACTIONS, [controlTableArn(around)]]],
  put: (around) => [['PutRecords', PUT_ACTIONS, [streamsArn(around)]]],
  read: (around) => [['ReadRecords', READ_ACTIONS, [streamsArn(around)]]],
  provision: (around) => [['ProvisionStreams', PROVISION_ACTIONS, [streamsArn(around)]]],
  replace: (around) => [
    [
      'ReplaceStreams',
      ['kinesis:CreateStream', 'kinesis:DeleteStream', 'kinesis:DescribeStreamSummary'],
      [streamsArn(around)],
    ],
  ],
  'call-sites': (around) => [
    [
      'CallSites',
      ['lambda:InvokeFunction'],
      around.settings.sites.map(({ name, region }) => agentArn(around, name, region)),
    ],
  ],
  'read-log': (around) => {
    const table = siteTableArn(around);
    return [
      ['ReadLog', ['dynamodb:BatchGetItem', 'dynamodb:GetItem'], [table]],
      ['ReadLogIndex', ['dynamodb:Query'], [`${table}/index/${STATUS_INDEX}`]],
    ];
  },
  'training-files': ({ stack, settings, site }) => {
    const bucket = `arn:${stack.partition}:s3:::${modelBucketName(settings.deployment, site.name, stack.account)}`;
    return [
      ['TrainingFiles', ['s3:GetObject', 's3:PutObject'], [`${bucket}/*`]],
      // Without it what is not there is forbidden.
      ['TrainingBucket', ['s3:ListBucket'], [bucket]],
    ];
  },
  'ask-predictor': ({ stack, settings, site }) =>
    settings.prediction.kind === 'endpoint'
      ? [
          [
            'AskPredictor',
            ['sagemaker:InvokeEndpoint'],
            [
              stack.formatArn({
                service: 'sagemaker',
                resource: 'endpoint',
                resourceName: predictorName(settings.deployment, site.name),
              }),
            ],
          ],
        ]
      : [],
  'run-workflows': (around) => [
    [
      'RunWorkflows',
      ['states:ListExecutions', 'states:StartExecution'],
      MACHINES.map((workflow) => stateMachineArn(around, workflow)),
    ],
  ],
};

/** Tables and streams are encrypted with the site's key: who reads one decrypts, who writes one takes a data key. */
function useKey(capabilities: readonly Capability[], { keyArn }: Surroundings): PolicyStatement {
  const followsOnly = capabilities.every((capability) => capability === 'follow-log');
  return allow('UseKey', followsOnly ? ['kms:Decrypt'] : ['kms:Decrypt', 'kms:DescribeKey', 'kms:GenerateDataKey'], [
    keyArn,
  ]);
}

function allow(sid: string, actions: readonly string[], resources: readonly string[]): PolicyStatement {
  return new PolicyStatement({ sid, effect: Effect.ALLOW, actions: [...actions], resources: [...resources] });
}

const siteTableArn = ({ stack, settings, site }: Surroundings): string =>
  stack.formatArn({
    service: 'dynamodb',
    resource: 'table',
    resourceName: siteTableName(settings.deployment, site.name),
  });

const controlTableArn = (around: Surroundings): string =>
  sharedTableArn(around, controlTableName(around.settings.deployment));

/** A table that all sites share: its replica in this region; where there is one table, that. */
export const sharedTableArn = (
  { stack, settings, site }: Pick<Surroundings, 'stack' | 'settings' | 'site'>,
  tableName: string,
): string =>
  stack.formatArn({
    service: 'dynamodb',
    region: settings.control.kind === 'single' ? settings.control.region : site.region,
    resource: 'table',
    resourceName: tableName,
  });

/** All physical streams of this site, whatever their generation. */
const streamsArn = ({ stack, settings, site }: Surroundings): string =>
  stack.formatArn({
    service: 'kinesis',
    resource: 'stream',
    resourceName: `${streamPrefix(settings.deployment, site.name)}*`,
  });

/** Mappings have names that nobody can foresee; whose function it is, is the condition. */
function moveConsumers({ stack, settings, site }: Surroundings): readonly PolicyStatement[] {
  const functions = stack.formatArn({
    service: 'lambda',
    resource: 'function',
    resourceName: `${consumerPrefix(settings.deployment, site.name)}*`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  return [
    allow('ListConsumers', ['lambda:ListEventSourceMappings'], ['*']),
    new PolicyStatement({
      sid: 'MoveConsumers',
      actions: ['lambda:CreateEventSourceMapping', 'lambda:UpdateEventSourceMapping'],
      resources: ['*'],
      conditions: { ArnLike: { 'lambda:FunctionArn': functions } },
    }),
  ];
}

const MACHINES: readonly WorkflowName[] = ['reconciliation', 'switchover', 'provisioning'];

const stateMachineArn = ({ stack, settings, site }: Surroundings, workflow: WorkflowName): string =>
  stack.formatArn({
    service: 'states',
    resource: 'stateMachine',
    resourceName: stateMachineName(settings.deployment, site.name, workflow),
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });

const agentArn = ({ stack, settings }: Surroundings, site: string, region: string): string =>
  stack.formatArn({
    service: 'lambda',
    region,
    resource: 'function',
    resourceName: functionName(settings.deployment, site, 'mirror-agent'),
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });

/** Prefixes end with a star, and rules against stars are right to ask: which, and why so. */
export function wildcardsIn(capabilities: readonly Capability[], around: Surroundings): readonly Finding[] {
  const { stack, settings, site } = around;
  const onStreams = capabilities.some((capability) => ['put', 'read', 'provision', 'replace'].includes(capability));
  const { deployment } = settings;
  return [
    {
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason:
        'X-Ray takes traces from anybody: it knows no resources. Event source mappings are listed for all functions, and changed for consumers of this site alone: that is the condition.',
    },
    ...(onStreams
      ? [
          wildcard(
            stack,
            site,
            'kinesis',
            `stream/${streamPrefix(deployment, site.name)}*`,
            'The streams of this site, by the prefix of their names: later ones are made by the functions.',
          ),
        ]
      : []),
    ...(capabilities.includes('training-files')
      ? [
          wildcardIn(
            `arn:<AWS::Partition>:s3:::${modelBucketName(deployment, site.name, accountOf(stack))}/*`,
            'All files of this one bucket, which has no others.',
          ),
        ]
      : []),
    ...(capabilities.includes('follow-log')
      ? [
          wildcard(
            stack,
            site,
            'dynamodb',
            `table/${siteTableName(deployment, site.name)}/stream/*`,
            'The stream of this one table: its name is the time at which it was switched on.',
          ),
        ]
      : []),
  ];
}

/** A star at the end of a name, or in it, as the rules find it. */
export function wildcard(
  stack: Stack,
  { region }: SiteProps,
  service: string,
  resource: string,
  reason: string,
): Finding {
  return wildcardIn(`arn:<AWS::Partition>:${service}:${region}:${accountOf(stack)}:${resource}`, reason);
}

export const wildcardIn = (resource: string, reason: string): Finding => ({
  id: `AwsSolutions-IAM5[Resource::${resource}]`,
  reason,
});

const accountOf = ({ account }: Stack): string => (Token.isUnresolved(account) ? '<AWS::AccountId>' : account);

/** A rule's finding, and why it is not one. */
interface Finding {
  readonly id: string;
  readonly reason: string;
}
