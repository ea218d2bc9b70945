import { LambdaClient } from '@aws-sdk/client-lambda';
import { eventSourceMappings } from '../../../src/adapters/aws/event-source-mappings.js';
import { consumerFunctionName } from '../../../src/adapters/aws/names.js';
import { physicalNameOf } from '../../../src/core/ids.js';
import { PortThrottled, PortUnavailable } from '../../../src/ports/failures.js';
import { caught } from '../../contract/support.js';
import { NOWHERE, type Script, half, noAnswer, refused, scripted, sleepless } from './scripted.js';

function consumersOn(script: Script) {
  const client = new LambdaClient(NOWHERE);
  const sent = scripted(client, script);
  const consumers = eventSourceMappings({ deployment: 'shop', site: 'east', client, clock: sleepless(), random: half });
  const updates = () =>
    sent.flatMap(({ command, input }) =>
      command === 'UpdateEventSourceMapping' ? [[input['UUID'], input['Enabled']]] : [],
    );
  return { consumers, sent, updates };
}

/** Orders are active here, payments elsewhere. */
const HERE = {
  orders: { isActiveHere: true, physicalName: physicalNameOf('shop', 'east', 'orders', 1) },
  payments: { isActiveHere: false, physicalName: physicalNameOf('shop', 'east', 'payments', 1) },
};
const arn = (service: string, what: string) => `arn:aws:${service}:us-east-1:123456789012:${what}`;
const mapping = (UUID: string, State: string, stream = 'orders', more: object = {}) => ({
  UUID,
  State,
  FunctionArn: arn('lambda', `function:${consumerFunctionName('shop', 'east', 'billing')}`),
  EventSourceArn: arn('kinesis', `stream/${physicalNameOf('shop', 'east', stream, 1)}`),
  ...more,
});
const listing =
  (...EventSourceMappings: object[]): Script =>
  ({ command }) =>
    command === 'ListEventSourceMappings' ? { EventSourceMappings } : {};

describe('consumers as event source mappings', () => {
  it('read the streams that are active here, and no others', async () => {
    const { consumers, updates } = consumersOn(
      listing(mapping('on', 'Disabled'), mapping('off', 'Enabled', 'payments'), mapping('new', 'Disabled', 'audit')),
    );
    await consumers.follow(HERE);
    expect(updates()).toEqual([
      ['on', true],
      ['off', false],
    ]);
  });

  it('to which records are pushed follow as well', async () => {
    const name = physicalNameOf('shop', 'east', 'payments', 1);
    const pushed = { EventSourceArn: arn('kinesis', `stream/${name}/consumer/shop-east-on-billing:1700000000`) };
    const { consumers, updates } = consumersOn(listing(mapping('pushed', 'Enabled', 'payments', pushed)));
    await consumers.follow(HERE);
    expect(updates()).toEqual([['pushed', false]]);
  });

  it('are left as they are where they read what they should, or are about to', async () => {
    const { consumers, updates } = consumersOn(
      listing(mapping('a', 'Enabled'), mapping('b', 'Enabling'), mapping('c', 'Disabling', 'payments')),
    );
    await consumers.follow(HERE);
    expect(updates()).toEqual([]);
  });

  it('of a replica that began anew read its next stream: by a mapping like the one before', async () => {
    const before = mapping('old', 'Enabled', 'orders', {
      BatchSize: 7,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
    const anew = { orders: { isActiveHere: true, physicalName: physicalNameOf('shop', 'east', 'orders', 2) } };
    const { consumers, sent, updates } = consumersOn(listing(before));
    await consumers.follow(anew);
    expect(updates()).toEqual([['old', false]]);
    expect(sent.at(-1)).toMatchObject({
      command: 'CreateEventSourceMapping',
      input: {
        FunctionName: before.FunctionArn,
        EventSourceArn: arn('kinesis', `stream/${anew.orders.physicalName}`),
        StartingPosition: 'TRIM_HORIZON',
        Enabled: true,
        BatchSize: 7,
        FunctionResponseTypes: ['ReportBatchItemFailures'],
      },
    });
    const both = consumersOn(
      listing(
        before,
        mapping('new', 'Enabled', 'orders', { EventSourceArn: arn('kinesis', `stream/${anew.orders.physicalName}`) }),
      ),
    );
    await both.consumers.follow(anew);
    expect(both.sent.map(({ command }) => command)).not.toContain('CreateEventSourceMapping');
    // While it is being filled nothing is known of it.
    const filling = consumersOn(listing(before));
    await filling.consumers.follow({ orders: { isActiveHere: true } });
    expect(filling.updates()).toEqual([]);
  });

  it('of others are left alone: another function, another stream, another site, another kind of source', async () => {
    const { consumers, updates } = consumersOn(
      listing(
        mapping('function', 'Enabled', 'payments', { FunctionArn: arn('lambda', 'function:somebody') }),
        mapping('site', 'Enabled', 'payments', { FunctionArn: arn('lambda', 'function:shop-west-on-billing') }),
        mapping('stream', 'Enabled', 'payments', { EventSourceArn: arn('kinesis', 'stream/payments') }),
        mapping('queue', 'Enabled', 'payments', { EventSourceArn: arn('sqs', 'stream/shop-east-1-payments') }),
        mapping('deleting', 'Deleting', 'payments'),
      ),
    );
    await consumers.follow(HERE);
    expect(updates()).toEqual([]);
  });

  it('are found on whatever page they are', async () => {
    const { consumers, sent, updates } = consumersOn(({ command, input }) => {
      if (command !== 'ListEventSourceMappings') return {};
      if (input['Marker'] === undefined) return { EventSourceMappings: [], NextMarker: 'more' };
      return { EventSourceMappings: [mapping('on', 'Disabled')] };
    });
    await consumers.follow(HERE);
    expect(updates()).toEqual([['on', true]]);
    expect(sent[1]?.input).toEqual({ Marker: 'more' });
  });

  it('that are being changed are asked again, and then are for later', async () => {
    let busy = 2;
    const settling = consumersOn((sent, count) => {
      if (sent.command !== 'UpdateEventSourceMapping') return listing(mapping('on', 'Updating'))(sent, count);
      return (busy -= 1) >= 0 ? refused('ResourceInUseException') : {};
    });
    await settling.consumers.follow(HERE);
    expect(settling.updates()).toHaveLength(3);
    const stuck = consumersOn((sent, count) =>
      sent.command === 'UpdateEventSourceMapping'
        ? refused('ResourceInUseException')
        : listing(mapping('on', 'Updating'))(sent, count),
    );
    expect(await caught(stuck.consumers.follow(HERE))).toBeInstanceOf(PortThrottled);
  });

  it('of a stream that is gone keep no other from following', async () => {
    const { consumers, updates } = consumersOn((sent, count) =>
      sent.input['UUID'] === 'gone'
        ? refused('InvalidParameterValueException')
        : listing(mapping('gone', 'Enabled', 'payments'), mapping('on', 'Disabled'))(sent, count),
    );
    await consumers.follow(HERE);
    expect(updates()).toEqual([
      ['gone', false],
      ['on', true],
    ]);
  });

  it('that nobody can tell about are for later', async () => {
    expect(await caught(consumersOn(() => noAnswer()).consumers.follow({}))).toBeInstanceOf(PortUnavailable);
  });
});
