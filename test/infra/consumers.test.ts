/** A consumer of one's own, deployed with the sites. */
import { Code, Function, Runtime } from 'aws-cdk-lib/aws-lambda';
import type { ConsumerProps, ConsumerScope, Lockstep } from '../../lib/index.js';
import { consumerFunctionName } from '../../src/adapters/aws/names.js';
import { deployment, ofType, type Template, templatesOf } from './support.js';

const SITES = ['east', 'west'] as const;

const billing = (at: ConsumerScope, functionName = at.functionName): Function =>
  new Function(at.scope, 'Billing', {
    functionName,
    runtime: Runtime.NODEJS_24_X,
    code: Code.fromInline('export const handler = () => undefined;'),
    handler: 'index.handler',
  });

function withConsumer(props: Partial<ConsumerProps> = {}, to: Lockstep = deployment()): Lockstep {
  to.addConsumer('billing', { streams: ['orders', 'payments'], handler: (at) => billing(at), ...props });
  return to;
}

const mappingsIn = (template: Template) =>
  ofType(template, 'AWS::Lambda::EventSourceMapping').filter(({ Properties }) =>
    JSON.stringify(Properties['FunctionName']).includes('Billing'),
  );

describe('a consumer', () => {
  const templates = templatesOf(withConsumer());
  const at = (name: string): Template => templates[name]!;

  test.each(SITES)('at %s has a function and a mapping per stream, which the site switches on', (site) => {
    const names = ofType(at(site), 'AWS::Lambda::Function').map(
      ({ Properties }) => Properties['FunctionName'] as string,
    );
    expect(names).toContain(consumerFunctionName('orders', site, 'billing'));
    const mappings = mappingsIn(at(site));
    expect(mappings).toHaveLength(2);
    for (const { Properties } of mappings) {
      expect(Properties).toMatchObject({
        Enabled: false,
        StartingPosition: 'TRIM_HORIZON',
        FunctionResponseTypes: ['ReportBatchItemFailures'],
      });
    }
  });

  test('shares one table with all sites, strongly consistent, and knows it', () => {
    const tables = ofType(at('control'), 'AWS::DynamoDB::GlobalTable');
    const table = tables.find(({ Properties }) => Properties['TableName'] === 'orders-consumers');
    expect(table?.Properties).toMatchObject({ MultiRegionConsistency: 'STRONG' });
    const [made] = ofType(at('west'), 'AWS::Lambda::Function').filter(
      ({ Properties }) => Properties['FunctionName'] === 'orders-west-on-billing',
    );
    expect(JSON.parse(made!.Properties['Environment'].Variables.LOCKSTEP_CONSUMER as string)).toEqual({
      consumer: 'billing',
      table: 'orders-consumers',
      region: 'us-west-2',
      control: 'orders-control',
      sites: 2,
      streamHours: 24,
      logHours: 24,
    });
  });

  test('that does without has no table, and at least once', () => {
    const without = templatesOf(withConsumer({ exactlyOnce: false }));
    expect(ofType(without['control']!, 'AWS::DynamoDB::GlobalTable')).toHaveLength(1);
  });

  test('gets records pushed where it asks for it, at each site, and may take them', () => {
    const pushed = templatesOf(withConsumer({ enhancedFanOut: true }));
    for (const site of SITES) {
      const template = pushed[site]!;
      const consumers = Object.entries(template.Resources).filter(
        ([, { Type }]) => Type === 'AWS::Kinesis::StreamConsumer',
      );
      expect(consumers.map(([, { Properties }]) => Properties['ConsumerName'] as string)).toEqual([
        `orders-${site}-on-billing`,
        `orders-${site}-on-billing`,
      ]);
      const sources = mappingsIn(template).map(({ Properties }) => Properties['EventSourceArn'] as unknown);
      expect(sources).toEqual(consumers.map(([id]) => ({ 'Fn::GetAtt': [id, 'ConsumerARN'] })));
      const policies = JSON.stringify(ofType(template, 'AWS::IAM::Policy'));
      expect(policies).toContain('kinesis:SubscribeToShard');
    }
    expect(ofType(at('east'), 'AWS::Kinesis::StreamConsumer')).toEqual([]);
  });

  test('may read its streams, whatever their generation, and its table', () => {
    const statements = Object.values(SITES).flatMap((site) =>
      ofType(at(site), 'AWS::IAM::Policy')
        .filter(({ Properties }) => String(Properties['PolicyName']).startsWith('Billing'))
        .flatMap(
          ({ Properties }) => Properties['PolicyDocument'].Statement as { Action: unknown; Resource: unknown }[],
        ),
    );
    expect(statements.length).toBeGreaterThan(0);
    for (const { Action, Resource } of statements) {
      expect(JSON.stringify([Action, Resource]).replace(/-(east|west)-\*-(orders|payments)/, '')).not.toContain('*');
    }
  });

  const WRONG: readonly (readonly [says: string, name: string, props: Partial<ConsumerProps>])[] = [
    ['write lower-case letters', 'Billing', {}],
    ['write at most 49 characters', 'b'.repeat(50), {}],
    ['streams: write at least one', 'billing', { streams: [] }],
    ['"odrers" is not declared; write one of orders, payments, audit', 'billing', { streams: ['odrers'] }],
    ['the mirrors of "audit" are made later', 'billing', { streams: ['audit'] }],
    ['has to be named orders-east-on-billing', 'billing', { handler: (at) => billing(at, 'billing') }],
  ];

  test.each(WRONG)('is refused at synth: %s', (says, name, props) => {
    const handler = (it: ConsumerScope) => billing(it);
    expect(() => deployment().addConsumer(name, { streams: ['orders'], handler, ...props })).toThrow(says);
  });
});
