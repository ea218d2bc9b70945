/** What is wrong with the props is said at synth: the field, and what to write there. */
import { Duration } from 'aws-cdk-lib';
import { type LockstepProps, settle } from '../../lib/props.js';
import { placeControlTable } from '../../lib/regions.js';

const sites = [
  { name: 'east', region: 'us-east-1' },
  { name: 'west', region: 'us-west-2' },
];
const good: LockstepProps = { sites, streams: { orders: {} } };

describe('props', () => {
  test('the least that can be written is enough', () => {
    expect(settle('Orders', good)).toMatchObject({
      deployment: 'orders',
      control: { kind: 'global', region: 'us-east-1', replicas: ['us-west-2'], witness: 'us-east-2' },
      options: { closePeriodMs: 5000 },
      deletionProtection: true,
    });
  });

  const WRONG: readonly (readonly [says: string, wrong: object])[] = [
    ['deployment: write lower-case letters', { deployment: 'Orders_1' }],
    ['deployment: write lower-case letters', { deployment: 'a-name-that-is-too-long' }],
    ['sites: write at least one site', { sites: [] }],
    ['sites[0].name: write lower-case letters', { sites: [{ name: 'East', region: 'us-east-1' }] }],
    ['sites[0].name: write at most 29 characters', { deployment: 'fifteen-letters', sites: [longNamed(30)] }],
    ['sites[1].name: "east" is taken; write another', { sites: [sites[0], { name: 'east', region: 'us-west-2' }] }],
    ['sites[1].region: write a region, such as "us-east-1"', { sites: [sites[0], { name: 'west' }] }],
    ['sites[1].account: write the same for all', { sites: [sites[0], { ...sites[1], account: '123456789012' }] }],
    ['streams.orders.shards: ', { streams: { orders: { shards: 0 } } }],
    [
      'streams.orders.scaling: shards: at most 200',
      { streams: { orders: { scaling: { shards: { min: 1, max: 300 } } } } },
    ],
    ['streams.orders.mirrors.count: at most 1 here', { streams: { orders: { mirrors: { count: 2 } } } }],
    ['streams.or ders: write letters, digits', { streams: { 'or ders': {} } }],
    ['witness: "eu-west-1" cannot be one: write us-east-2', { witness: 'eu-west-1' }],
    ['guardCopies: ', { guardCopies: 0 }],
    ['barPeriod: write a Duration of 1 to 60 seconds', { barPeriod: Duration.millis(10) }],
    ['barPeriod: write a Duration of 1 to 60 seconds', { barPeriod: 5 }],
    ['emulator: write a URL', { local: true, emulator: 'localhost:4566' }],
    ['options.callTimeoutMs: ', { options: { callTimeoutMs: 1 } }],
    ['options: Unrecognized key: "guardCopies"', { options: { guardCopies: 4 } }],
    ['Unrecognized key: "stream"', { stream: {} }],
  ];

  test.each(WRONG)('%s', (says, wrong) => {
    expect(() => settle('Orders', { ...good, ...wrong })).toThrow(`\n  ${says}`);
  });

  test('everything that is wrong is said at once', () => {
    expect(() => settle('Orders', { ...good, guardCopies: 0, sites: [] })).toThrow(/sites: [^]*guardCopies: /);
  });
});

function longNamed(length: number): { name: string; region: string } {
  return { name: 'a'.repeat(length), region: 'us-east-1' };
}

describe('the regions of the control table', () => {
  const REFUSED: readonly (readonly [regions: string[], witness: string | undefined, says: string])[] = [
    [['us-east-1', 'eu-west-1'], undefined, 'us-east-1, eu-west-1 are not in one set. Write regions of one of US'],
    [['us-east-1', 'us-west-1'], undefined, 'us-east-1, us-west-1 are not in one set'],
    [['sa-east-1', 'us-east-1'], undefined, 'are not in one set'],
    [['us-east-1', 'us-west-2'], 'us-west-2', '"us-west-2" cannot be one: write us-east-2'],
    [['eu-west-1', 'eu-west-2'], 'us-east-1', '"us-east-1" cannot be one: write eu-west-3 or eu-central-1'],
    [['us-east-1', 'us-east-2', 'us-west-2'], 'us-east-1', 'three regions already'],
    [['us-east-1', 'us-east-1'], 'us-east-2', 'all sites share a region'],
    [['eu-west-1', 'eu-west-2', 'eu-west-3', 'eu-central-1'], undefined, 'at most three'],
  ];

  test.each(REFUSED)('%j with witness %s is refused: %s', (regions, witness, says) => {
    expect(placeControlTable(regions, witness, false)).toMatchObject({ what: expect.stringContaining(says) });
  });

  test.each([
    [['us-west-2', 'us-east-2'], undefined, 'us-east-1'],
    [['eu-central-1', 'eu-west-1'], undefined, 'eu-west-2'],
    [['eu-central-1', 'eu-west-1'], 'eu-west-3', 'eu-west-3'],
    [['ap-northeast-1', 'ap-northeast-3'], undefined, 'ap-northeast-2'],
  ])('%j with witness %s has %s', (regions, given, witness) => {
    const [region, ...replicas] = regions;
    expect(placeControlTable(regions, given, false)).toEqual({ kind: 'global', region, replicas, witness });
  });

  test('two sites in one of three regions are no fourth', () => {
    const regions = ['us-east-1', 'us-east-1', 'us-west-2'];
    expect(placeControlTable(regions, undefined, false)).toMatchObject({
      replicas: ['us-west-2'],
      witness: 'us-east-2',
    });
  });

  test('an emulator knows no such tables, nor sets', () => {
    expect(placeControlTable(['us-east-1', 'eu-west-1'], undefined, true)).toEqual({
      kind: 'single',
      region: 'us-east-1',
    });
  });
});
