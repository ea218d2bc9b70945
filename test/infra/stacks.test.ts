/** What the stacks hold: names that agree, rights that are narrow, data that stays; and no rule of others is broken. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';
import { physicalNameOf } from '../../src/core/ids.js';
import {
  controlTableName,
  FUNCTIONS,
  functionName,
  siteTableName,
  streamPrefix,
} from '../../src/adapters/aws/names.js';
import type { Problem } from '../../src/core/api.js';
import { FUNCTION_DESIGNS } from '../../lib/functions.js';
import { WORKFLOWS } from '../../src/workflows/index.js';
import { deployment, EAST_WEST, newApp, ofType, type Resource, type Template, templatesOf, textOf } from './support.js';

const SITES = ['east', 'west'] as const;
const { sites: EAST_WEST_SITES, streams: STREAMS } = EAST_WEST;
const DATA = ['AWS::DynamoDB::GlobalTable', 'AWS::Kinesis::Stream', 'AWS::KMS::Key'];
/** Kept on deletion and replacement; only what a first deployment made that failed goes, and is empty. */
const KEPT = ['RetainExceptOnCreate', 'Retain'];

let templates: Readonly<Record<string, Template>>;
const at = (name: string): Template => templates[name]!;

/** One app for all that only looks, with every check that there is. */
const app = newApp({ validated: true });

beforeAll(() => {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
  // With all that a deployment can have.
  templates = templatesOf(deployment({ prediction: { endpoint: {} } }, app));
});

test('no rule of AwsSolutions and Serverless, nor of CDK itself, is broken without a reason', () => {
  expect(violationsOf(app)).toEqual([]);
});

describe('the control table', () => {
  test('is one strongly consistent table over both regions and a witness', () => {
    const [table] = ofType(at('control'), 'AWS::DynamoDB::GlobalTable');
    expect(table!.Properties).toMatchObject({
      TableName: controlTableName('orders'),
      MultiRegionConsistency: 'STRONG',
      GlobalTableWitnesses: [{ Region: 'us-east-2' }],
    });
    const replicas = table!.Properties['Replicas'] as { Region: string; DeletionProtectionEnabled: boolean }[];
    expect(replicas.map(({ Region }) => Region).sort()).toEqual(['us-east-1', 'us-west-2']);
    expect(replicas.every(({ DeletionProtectionEnabled }) => DeletionProtectionEnabled)).toBe(true);
  });

  test('three regions need no witness', () => {
    const three = { name: 'middle', region: 'us-east-2' };
    const { control } = templatesOf(deployment({ sites: [...EAST_WEST_SITES, three] }));
    const [table] = ofType(control!, 'AWS::DynamoDB::GlobalTable');
    expect(table!.Properties['Replicas']).toHaveLength(3);
    expect(table!.Properties['GlobalTableWitnesses']).toBeUndefined();
  });

  test.each([
    ['sites of one region', { sites: EAST_WEST_SITES.map(({ name }) => ({ name, region: 'us-east-1' })) }],
    ['an emulator', { local: true }],
  ])('%s share a plain table', (_, props) => {
    const all = templatesOf(deployment(props));
    const [table] = ofType(all['control']!, 'AWS::DynamoDB::GlobalTable');
    expect(table!.Properties['MultiRegionConsistency']).toBeUndefined();
    expect(table!.Properties['Replicas']).toHaveLength(1);
    for (const site of SITES) expect(configOf(all[site]!, 'api', site)).toMatchObject({ controlRegion: 'us-east-1' });
  });
});

describe('names', () => {
  test.each(SITES)('%s: functions, table and streams are named as the functions expect', (site) => {
    const names = (type: string, property: string) =>
      ofType(at(site), type).map((it) => it.Properties[property] as string);
    expect(names('AWS::Lambda::Function', 'FunctionName').sort()).toEqual(
      FUNCTIONS.map((role) => functionName('orders', site, role)).sort(),
    );
    expect(names('AWS::DynamoDB::GlobalTable', 'TableName')).toEqual([siteTableName('orders', site)]);
    for (const name of names('AWS::Kinesis::Stream', 'Name')) expect(name).toMatch(`${streamPrefix('orders', site)}1-`);
  });

  test('mirrors are made where they are wanted from the beginning', () => {
    const streams = (site: string) =>
      ofType(at(site), 'AWS::Kinesis::Stream').map((it) => it.Properties['Name'] as string);
    const named = (site: string, ...names: string[]) => names.map((name) => physicalNameOf('orders', site, name, 1));
    expect(streams('east')).toEqual(named('east', 'orders', 'payments', 'audit'));
    expect(streams('west')).toEqual(named('west', 'orders', 'payments'));
  });

  test('no stack imports from another one', () => {
    for (const template of Object.values(templates)) {
      expect(JSON.stringify(template)).not.toMatch(/Fn::ImportValue|Fn::GetStackOutput|Custom::/);
      for (const { Export } of Object.values(template.Outputs ?? {})) expect(Export).toBeUndefined();
    }
  });

  test('a function is told its deployment, its site and how it is reached', () => {
    expect(configOf(at('west'), 'sweeper', 'west')).toMatchObject({
      deployment: 'orders',
      site: 'west',
      sites: [
        { name: 'east', region: 'us-east-1' },
        { name: 'west', region: 'us-west-2', endpoint: expect.anything() },
      ],
      options: { closePeriodMs: 5000 },
    });
  });

  test('on an emulator the endpoint is the emulator’s', () => {
    const { east } = templatesOf(deployment({ local: true, emulator: 'http://127.0.0.1:14999/' }));
    expect(textOf(east!.Outputs!['Endpoint']!.Value, east!)).toMatch(
      /^http:\/\/127\.0\.0\.1:14999\/_aws\/execute-api\/[^/]+\/v1$/,
    );
  });

  test('the endpoint of each site is put out', () => {
    for (const site of SITES) {
      expect(textOf(at(site).Outputs!['Endpoint']!.Value, at(site))).toMatch(/^https:\/\/.+\.execute-api\..+\/v1$/);
    }
  });
});

describe('functions', () => {
  test.each(FUNCTIONS)('%s is as its design says', (role) => {
    const [made] = ofType(at('east'), 'AWS::Lambda::Function').filter(
      ({ Properties }) => Properties['FunctionName'] === functionName('orders', 'east', role),
    );
    const { memoryMiB, timeoutSeconds, single } = FUNCTION_DESIGNS[role];
    expect(made!.Properties).toMatchObject({
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      MemorySize: memoryMiB,
      Timeout: timeoutSeconds,
      TracingConfig: { Mode: 'Active' },
    });
    expect(made!.Properties['ReservedConcurrentExecutions']).toBe(single ? 1 : undefined);
  });

  test('the streams and the table are there before any function', () => {
    for (const site of SITES) {
      const template = at(site);
      const data = Object.entries(template.Resources).filter(([, { Type }]) => DATA.includes(Type));
      for (const { DependsOn } of ofType(template, 'AWS::Lambda::Function')) {
        expect(DependsOn).toEqual(expect.arrayContaining(data.map(([id]) => id)));
      }
    }
  });

  test('every scheduled one is called each minute, and its failures are kept', () => {
    const rules = ofType(at('east'), 'AWS::Events::Rule');
    expect(rules.map(({ Properties }) => Properties['ScheduleExpression'] as string)).toEqual(
      Array.from({ length: 4 }, () => 'rate(1 minute)'),
    );
    for (const { Properties } of rules) expect(Properties['Targets'][0].DeadLetterConfig).toBeDefined();
  });

  test('only the site that is deployed last declares the streams', () => {
    const declared = (site: string) =>
      ofType(at(site), 'AWS::Events::Rule')
        .map(({ Properties }) => JSON.parse(Properties['Targets'][0].Input as string) as { streams?: object })
        .find(({ streams }) => streams !== undefined);
    expect(declared('east')).toEqual({ streams: {} });
    expect(Object.keys(declared('west')!.streams!)).toEqual(['orders', 'payments', 'audit']);
  });

  test('many streams are declared in parts that EventBridge takes', () => {
    const names = Array.from({ length: 120 }, (_, index) => `a-stream-with-quite-a-long-name-${index}`);
    const streams = Object.fromEntries(names.map((name) => [name, { mirrors: { create: 'on-begin' as const } }]));
    const { east } = templatesOf(deployment({ sites: [{ name: 'east', region: 'us-east-1' }], streams }));
    const inputs = ofType(east!, 'AWS::Events::Rule').map(({ Properties }) => Properties['Targets'][0].Input as string);
    for (const input of inputs) expect(input.length).toBeLessThanOrEqual(8192);
    const parts = inputs.map((input) => JSON.parse(input) as { streams?: object });
    expect(parts.flatMap((part) => Object.keys(part.streams ?? {}))).toEqual(names);
  });
});

describe('workflows', () => {
  const machines = (site: string) => ofType(at(site), 'AWS::StepFunctions::StateMachine');
  interface Machine {
    readonly States: Readonly<
      Record<string, { Resource?: string; Parameters?: { step: string }; TimeoutSeconds?: number }>
    >;
  }

  test.each(SITES)('%s: each is a state machine, named as the functions expect, logged and traced', (site) => {
    const names = machines(site).map(({ Properties }) => Properties['StateMachineName'] as string);
    const { stateMachines } = configOf(at(site), 'api', site) as { stateMachines: string };
    const arn = (name: string) =>
      `arn:\${AWS::Partition}:states:\${AWS::Region}:\${AWS::AccountId}:stateMachine:${name}`;
    const region = site === 'east' ? 'us-east-1' : 'us-west-2';
    expect(names.map((name) => arn(name).replace('${AWS::Region}', region)).sort()).toEqual(
      Object.keys(WORKFLOWS)
        .map((workflow) => stateMachines + workflow)
        .sort(),
    );
    for (const { Properties } of machines(site)) {
      expect(Properties['TracingConfiguration']).toEqual({ Enabled: true });
      expect(Properties['LoggingConfiguration']).toMatchObject({ Level: 'ALL', IncludeExecutionData: false });
    }
  });

  test('their steps are calls of one function, each with a time-out; nothing else is called', () => {
    for (const { Properties } of machines('west')) {
      const { States } = JSON.parse(textOf(Properties['DefinitionString'], at('west'))) as Machine;
      const calls = Object.values(States).filter(({ Resource }) => Resource !== undefined);
      expect(calls.length).toBeGreaterThan(0);
      for (const { Resource, TimeoutSeconds } of calls) {
        expect(Resource).toMatch(/^\$\{workflowstepFunction\w+\.Arn\}$/);
        expect(TimeoutSeconds).toBeLessThanOrEqual(FUNCTION_DESIGNS['workflow-step'].timeoutSeconds);
      }
    }
    const invoked = allStatements().filter(({ role }) => role === 'Workflows');
    expect(
      [...new Set(invoked.flatMap(({ statement }) => statement.Action))].filter((it) => it.startsWith('lambda')),
    ).toEqual(['lambda:InvokeFunction']);
  });
});

describe('rights', () => {
  test('actions on data name what they are about', () => {
    for (const { statement, where } of allStatements()) {
      const actions = [statement.Action].flat();
      const resources = [statement.Resource].flat().map((resource) => textOf(resource, at(where)));
      for (const action of actions) expect(action).toMatch(/^[a-z]+:[A-Za-z]+$/);
      if (actions.every((action) => /^(xray|logs):|EventSourceMapping/.test(action))) continue;
      for (const resource of resources)
        expect([actions, resource]).toEqual([actions, expect.stringMatching(narrow(where))]);
    }
  });

  test('event source mappings, which have no names, are changed for consumers of the own site only', () => {
    const changing = allStatements().filter(({ statement }) =>
      [statement.Action].flat().includes('lambda:UpdateEventSourceMapping'),
    );
    expect([...new Set(changing.map(({ role }) => role))].sort()).toEqual([
      'mirror-agent',
      'stream-provisioner',
      'workflow-step',
    ]);
    for (const { statement, where } of changing) {
      const condition = (statement.Condition as { ArnLike: Record<string, unknown> }).ArnLike;
      expect(textOf(condition['lambda:FunctionArn'], at(where))).toMatch(
        new RegExp(`:function:orders-${where}-on-\\*$`),
      );
    }
  });

  test('names in rights are the names of what there is', () => {
    for (const { statement, where } of allStatements()) {
      for (const resource of [statement.Resource].flat().map((one) => textOf(one, at(where)))) {
        const table = /:table\/([^/]+)/.exec(resource)?.[1];
        if (table !== undefined) expect([controlTableName('orders'), siteTableName('orders', where)]).toContain(table);
        const agent = /:lambda:([^:]+):.*:function:(.+)$/.exec(resource);
        if (agent) {
          const site = agent[1] === 'us-east-1' ? 'east' : 'west';
          expect(agent[2]).toBe(functionName('orders', site, 'mirror-agent'));
        }
      }
    }
  });

  test('nobody deletes a table, and only who replaces a diverged replica deletes a stream', () => {
    const may = (action: string) =>
      allStatements()
        .filter(({ statement }) => [statement.Action].flat().includes(action))
        .map(({ role }) => role);
    expect(may('dynamodb:DeleteTable')).toEqual([]);
    expect([...new Set(may('kinesis:DeleteStream'))].sort()).toEqual(['workflow-step']);
    expect([...new Set(may('dynamodb:GetRecords'))]).toEqual(['backfill']);
  });

  test('what is allowed is what the adapters call', () => {
    const adapters = join(__dirname, '..', '..', 'src', 'adapters', 'aws');
    const sources = readdirSync(adapters).map((file) => readFileSync(join(adapters, file), 'utf8'));
    const called = sources.flatMap((text) => [...text.matchAll(/new (\w+)Command\(/g)].map(([, name]) => name!));
    // A transaction needs what each of its items does; an invocation has a name of its own.
    const needed = called.flatMap((name) => NEEDS[name] ?? [name]).filter((name) => !BY_HAND.includes(name));
    const allowed = allStatements()
      .flatMap(({ statement }) => statement.Action)
      .filter((action) => /^(dynamodb|kinesis|lambda|sagemaker|states):/.test(action) && !LOG_ACTIONS.includes(action));
    expect([...new Set(allowed.map((action) => action.split(':')[1]))].sort()).toEqual([...new Set(needed)].sort());
  });

  test('each function has a role of its own, and none a policy of AWS', () => {
    for (const site of SITES) {
      const roles = ofType(at(site), 'AWS::Lambda::Function').map(({ Properties }) =>
        JSON.stringify(Properties['Role']),
      );
      expect(new Set(roles).size).toBe(FUNCTIONS.length);
      const managed = ofType(at(site), 'AWS::IAM::Role').filter(({ Properties }) => Properties['ManagedPolicyArns']);
      // The account's setting of API Gateway.
      expect(
        managed.map(({ Properties }) => Properties['AssumeRolePolicyDocument'].Statement[0].Principal.Service),
      ).toEqual(['apigateway.amazonaws.com']);
    }
  });
});

describe('the API', () => {
  test('every method takes signed requests only', () => {
    for (const { Properties } of ofType(at('east'), 'AWS::ApiGateway::Method')) {
      expect(Properties['AuthorizationType']).toBe('AWS_IAM');
    }
  });

  test('bodies that a request cannot do without are asked for', () => {
    const validated = ofType(at('east'), 'AWS::ApiGateway::Method').filter(
      ({ Properties }) => Properties['RequestValidatorId'],
    );
    expect(validated.map(({ Properties }) => Properties['HttpMethod'] as string).sort()).toEqual([
      'GET',
      ...Array.from({ length: 8 }, () => 'POST'),
    ]);
  });

  test('an emulator leaves all refusals to the app', () => {
    const { east } = templatesOf(deployment({ local: true }));
    const validated = ofType(east!, 'AWS::ApiGateway::Method').filter(
      ({ Properties }) => Properties['RequestValidatorId'],
    );
    expect(validated).toEqual([]);
  });

  test('is throttled, traced and logs as JSON', () => {
    const [stage] = ofType(at('east'), 'AWS::ApiGateway::Stage');
    expect(stage!.Properties).toMatchObject({
      TracingEnabled: true,
      MethodSettings: [
        expect.objectContaining({ ThrottlingRateLimit: 1000, ThrottlingBurstLimit: 2000, DataTraceEnabled: false }),
      ],
    });
    expect(JSON.parse(stage!.Properties['AccessLogSetting'].Format as string)).toMatchObject({
      caller: '$context.identity.userArn',
    });
  });

  test.each([
    ['MISSING_AUTHENTICATION_TOKEN', 403, 'Forbidden', 'Sign the request with AWS Signature Version 4'],
    ['INVALID_SIGNATURE', 403, 'Forbidden', 'The signature is not right'],
    ['ACCESS_DENIED', 403, 'Forbidden', 'execute-api:Invoke'],
    ['REQUEST_TOO_LARGE', 413, 'TransactionTooLarge', 'split it up'],
    ['BAD_REQUEST_BODY', 400, 'InvalidRequest', 'not a JSON object'],
    ['BAD_REQUEST_PARAMETERS', 400, 'InvalidRequest', 'parameter is missing'],
    ['RESOURCE_NOT_FOUND', 404, 'NotFound', 'no such path'],
    ['THROTTLED', 429, 'Throttled', 'slow down'],
    ['INTEGRATION_FAILURE', 503, 'Unavailable', 'again with the same id'],
    ['INTEGRATION_TIMEOUT', 503, 'Unavailable', 'again with the same id'],
  ])('%s is answered %d %s, and says what to do', (type, status, code, says) => {
    const refusal = ofType(at('east'), 'AWS::ApiGateway::GatewayResponse').find(
      ({ Properties }) => Properties['ResponseType'] === type,
    );
    const problem = JSON.parse(refusal!.Properties['ResponseTemplates']['application/json'] as string) as Problem;
    expect([refusal!.Properties['StatusCode'], problem.status, problem.code]).toEqual([String(status), status, code]);
    expect(problem.detail).toContain(says);
    expect(problem.retryable).toBe(status === 429 || status >= 500);
  });

  test('what API Gateway refuses is a problem document, too', () => {
    const responses = ofType(at('east'), 'AWS::ApiGateway::GatewayResponse');
    expect(responses.length).toBeGreaterThanOrEqual(14);
    for (const { Properties } of responses) {
      expect(Properties['ResponseParameters']).toMatchObject({
        'gatewayresponse.header.content-type': "'application/problem+json'",
      });
      const problem = JSON.parse(Properties['ResponseTemplates']['application/json'] as string) as Record<
        string,
        unknown
      >;
      expect(Object.keys(problem)).toEqual(['type', 'title', 'status', 'detail', 'code', 'retryable']);
    }
  });
});

test('docs/COST.md counts what the example has', () => {
  const all = SITES.map(at);
  const count = (type: string) => all.flatMap((template) => ofType(template, type)).length;
  const streams = all.flatMap((template) => ofType(template, 'AWS::Kinesis::Stream'));
  expect({
    replicas: streams.length,
    shards: streams.reduce((sum, { Properties }) => sum + Number(Properties['ShardCount']), 0),
    extendedShards: streams.filter(({ Properties }) => Properties['RetentionPeriodHours'] > 24).length,
    alarms: count('AWS::CloudWatch::Alarm'),
  }).toEqual({ replicas: 5, shards: 7, extendedShards: 1, alarms: 59 });
});

test('docs/OPERATIONS.md says of each alarm what to do, and of no other', () => {
  const text = readFileSync(join(__dirname, '..', '..', 'docs', 'OPERATIONS.md'), 'utf8');
  const [, section = ''] = /\n## Alarms\n([^]*?)\n## /.exec(text) ?? [];
  const listed = [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name!);
  const patterns = listed.map((name) => new RegExp(`^${name.replace(/\{\w+\}/g, '.+')}$`));
  const alarms = ['east', 'east-predictor'].flatMap((where) => ofType(at(where), 'AWS::CloudWatch::Alarm'));
  const names = alarms.map(({ Properties }) => (Properties['AlarmName'] as string).replace(/^orders-east-/, ''));
  expect(names.filter((name) => !patterns.some((pattern) => pattern.test(name)))).toEqual([]);
  expect(listed.filter((_, index) => !names.some((name) => patterns[index]!.test(name)))).toEqual([]);
});

test('what is wrong in the props is said when the app is synthesised: the field, and what to write', () => {
  const wrong = { sites: [{ name: 'East', region: 'us-east-1' }], guardCopies: 0 };
  expect(() => deployment(wrong)).toThrow(
    /^Lockstep 'Orders' cannot be deployed as it is written:\n {2}sites\[0\]\.name: write [^]*\n {2}guardCopies: /,
  );
});

describe('data', () => {
  test('outlives its stack', () => {
    for (const [name, template] of Object.entries(templates)) {
      for (const type of DATA) {
        for (const resource of ofType(template, type))
          expect([name, type, policiesOf(resource)]).toEqual([name, type, KEPT]);
      }
    }
  });

  test('a stream that is renamed or taken out of the props is retained', () => {
    const { orders: _orders, ...streams } = STREAMS;
    const after = templatesOf(deployment({ streams: { ...streams, 'orders-2': {} } }));
    const names = (template: Template) =>
      ofType(template, 'AWS::Kinesis::Stream').map((it) => it.Properties['Name'] as string);
    for (const site of SITES) {
      const gone = names(at(site)).filter((name) => !names(after[site]!).includes(name));
      expect(gone).toEqual([physicalNameOf('orders', site, 'orders', 1)]);
      const before = ofType(at(site), 'AWS::Kinesis::Stream').find((it) =>
        gone.includes(it.Properties['Name'] as string),
      );
      // CloudFormation does what the template says that it deployed last.
      expect(policiesOf(before!)).toEqual(KEPT);
      // What a new name gets is a resource of its own: no stream takes another one's place.
      const idOf = (template: Template, name: string) =>
        Object.entries(template.Resources).find(([, it]) => it.Properties['Name'] === name)?.[0];
      const [newName = ''] = names(after[site]!).filter((name) => name.endsWith('orders-2'));
      expect(Object.keys(at(site).Resources)).not.toContain(idOf(after[site]!, newName));
    }
  });

  test('a site that is taken out leaves the others as they are, and its own to itself', () => {
    const three = { name: 'north', region: 'us-east-2' };
    const before = templatesOf(deployment({ sites: [...EAST_WEST_SITES, three] }));
    const after = templatesOf(deployment());
    // Its stack is not deployed any more: nothing in another stack's template is its data.
    expect(Object.keys(before).filter((name) => !Object.hasOwn(after, name))).toEqual(['north']);
    for (const site of SITES) expect(dataIn(after[site]!)).toEqual(dataIn(before[site]!));
    // Its replica of the control table is refused by DynamoDB: it is protected.
    const replicas = ofType(before['control']!, 'AWS::DynamoDB::GlobalTable').flatMap(
      ({ Properties }) => Properties['Replicas'] as { Region: string; DeletionProtectionEnabled: boolean }[],
    );
    const gone = replicas.filter(({ Region }) => Region === three.region);
    expect(gone.map(({ DeletionProtectionEnabled }) => DeletionProtectionEnabled)).toEqual([true]);
  });

  test('everything is encrypted, tables can be restored to a point in time', () => {
    for (const site of SITES) {
      const template = at(site);
      for (const { Properties } of ofType(template, 'AWS::Kinesis::Stream'))
        expect(Properties['StreamEncryption'].EncryptionType).toBe('KMS');
      for (const { Properties } of ofType(template, 'AWS::DynamoDB::GlobalTable')) {
        expect(Properties['SSESpecification']).toEqual({ SSEEnabled: true, SSEType: 'KMS' });
        for (const replica of Properties['Replicas'] as Resource['Properties'][])
          expect(replica['PointInTimeRecoverySpecification']).toEqual({ PointInTimeRecoveryEnabled: true });
      }
    }
  });

  test('stacks refuse to be deleted, but on an emulator, where everything goes', () => {
    const kept = deployment();
    expect([kept.control, ...Object.values(kept.sites)].every((stack) => stack.terminationProtection)).toBe(true);
    const gone = deployment({ local: true });
    expect([gone.control, ...Object.values(gone.sites)].some((stack) => stack.terminationProtection)).toBe(false);
    for (const resource of Object.values(templatesOf(gone)).flatMap((template) =>
      DATA.flatMap((type) => ofType(template, type)),
    ))
      expect(resource.DeletionPolicy).toBe('Delete');
  });
});

/** Single shards are split and merged by whoever reshards a stream by hand: functions change the number of shards. */
const BY_HAND = ['MergeShards', 'SplitShard'];
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  TransactWriteItems: ['ConditionCheckItem', 'DeleteItem', 'PutItem'],
  Invoke: ['InvokeFunction'],
};
/** Of the event source mapping: Lambda calls them with the function's role. */
const LOG_ACTIONS = ['DescribeStream', 'GetRecords', 'GetShardIterator', 'ListStreams'].map((it) => `dynamodb:${it}`);

const dataIn = (template: Template) =>
  DATA.flatMap((type) => ofType(template, type).map(({ Properties }) => Properties));

const policiesOf = ({ DeletionPolicy, UpdateReplacePolicy }: Resource) => [DeletionPolicy, UpdateReplacePolicy];

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

/** Every statement of the policies of every function, and of the workflows. */
function allStatements(): readonly { statement: Statement; where: string; role: string }[] {
  return SITES.flatMap((where) =>
    ofType(at(where), 'AWS::IAM::Policy').flatMap(({ Properties }) => {
      const name = String(Properties['PolicyName']);
      const role = [...FUNCTIONS, 'Workflows'].find((it) => name.startsWith(it.replaceAll('-', ''))) ?? '';
      expect(role).not.toBe('');
      return (Properties['PolicyDocument'].Statement as Statement[]).map((statement) => ({ statement, where, role }));
    }),
  );
}

/** A star stands only behind the prefix of this site's streams, or for the name of a table's stream of changes. */
function narrow(site: string): RegExp {
  const arn = `arn:\\$\\{AWS::Partition\\}:[a-z]+:[a-z0-9-]+:\\$\\{AWS::AccountId\\}:`;
  const named = '[a-zA-Z]+[:/][^*]+';
  const starred = `stream/orders-${site}-\\*|table/orders-${site}/stream/\\*`;
  return new RegExp(`^(\\$\\{[A-Za-z0-9.]+\\}|${arn}(${named}|${starred}))$`);
}

function configOf(template: Template, role: (typeof FUNCTIONS)[number], site: string): unknown {
  const made = ofType(template, 'AWS::Lambda::Function').find(
    ({ Properties }) => Properties['FunctionName'] === functionName('orders', site, role),
  );
  return JSON.parse(textOf(made?.Properties['Environment'].Variables.LOCKSTEP_CONFIG, template));
}

/** What the plugins have found and nobody has acknowledged, warnings too. Errors have made `synth` throw before. */
function violationsOf({ outdir }: App): readonly string[] {
  const report = JSON.parse(readFileSync(join(outdir, 'validation-report.json'), 'utf8')) as {
    pluginReports: { violations: { ruleName: string; violatingConstructs: { constructPath?: string }[] }[] }[];
  };
  return report.pluginReports.flatMap(({ violations }) =>
    violations.flatMap(({ ruleName, violatingConstructs }) =>
      violatingConstructs.map(({ constructPath = '' }) => `${ruleName} at ${constructPath}`),
    ),
  );
}
