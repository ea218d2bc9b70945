import { KinesisClient } from '@aws-sdk/client-kinesis';
import { KinesisStreams } from '../../../src/adapters/aws/kinesis-streams.js';
import { PortThrottled, PortUnavailable } from '../../../src/ports/failures.js';
import { caught } from '../../contract/support.js';
import { NOWHERE, type Script, half, inTurn, noAnswer, refused, scripted, sleepless } from './scripted.js';

function streamsOn(script: Script) {
  const client = new KinesisClient(NOWHERE);
  const sent = scripted(client, script);
  return { streams: new KinesisStreams({ client, clock: sleepless(), random: half }), sent };
}

const record = (partitionKey: string) => ({ partitionKey, data: Uint8Array.of(1) });
const taken = { ShardId: 's-0', SequenceNumber: '7' };

describe('put on Kinesis', () => {
  it('has an outcome for each record', async () => {
    const refusals = ['ProvisionedThroughputExceededException', 'KMSThrottlingException', 'InternalFailure'];
    const { streams } = streamsOn(() => ({ Records: [taken, ...refusals.map((ErrorCode) => ({ ErrorCode }))] }));
    expect(await streams.put('s', ['a', 'b', 'c', 'd', 'e'].map(record))).toEqual([
      { ok: true, shardId: 's-0', sequence: '7' },
      { ok: false, reason: 'throttled' },
      { ok: false, reason: 'throttled' },
      { ok: false, reason: 'unavailable' },
      { ok: false, reason: 'unavailable' },
    ]);
  });

  it('is tried once: its caller offers the records again', async () => {
    for (const error of [noAnswer(), refused('InternalFailure', 500)]) {
      const { streams, sent } = streamsOn(() => error);
      expect(await caught(streams.put('s', [record('a')]))).toBeInstanceOf(PortUnavailable);
      expect(sent).toHaveLength(1);
    }
    const throttled = streamsOn(() => refused('LimitExceededException'));
    expect(await throttled.streams.put('s', [record('a')])).toEqual([{ ok: false, reason: 'throttled' }]);
    const missing = streamsOn(() => refused('ResourceNotFoundException'));
    expect(await missing.streams.put('s', [record('a')])).toEqual([{ ok: false, reason: 'unavailable' }]);
  });
});

describe('describe on Kinesis', () => {
  const shard = (id: number, more: object = {}) => ({
    ShardId: `shardId-${id}`,
    HashKeyRange: { StartingHashKey: '0', EndingHashKey: '9' },
    SequenceNumberRange: { StartingSequenceNumber: '1' },
    ...more,
  });
  const summary = (StreamStatus: string) => ({ StreamDescriptionSummary: { StreamStatus, RetentionPeriodHours: 48 } });

  it('lists all shards, parents first, whatever the pages', async () => {
    const closed = { SequenceNumberRange: { EndingSequenceNumber: '5' } };
    const children = [shard(2, { ParentShardId: 'shardId-0' }), shard(1, { ParentShardId: 'shardId-0' })];
    const { streams, sent } = streamsOn(
      inTurn(summary('UPDATING'), { Shards: children, NextToken: 'more' }, { Shards: [shard(0, closed)] }),
    );
    const described = await streams.describe('s');
    expect(described).toMatchObject({ status: 'active', changing: true, retentionHours: 48 });
    expect(described?.shards.map(({ shardId, open, parents }) => [shardId, open, parents])).toEqual([
      ['shardId-0', false, []],
      ['shardId-1', true, ['shardId-0']],
      ['shardId-2', true, ['shardId-0']],
    ]);
    expect(sent[2]?.input).toEqual({ NextToken: 'more' });
  });

  it('knows what is being created, and what is gone or going', async () => {
    expect(await streamsOn(() => summary('CREATING')).streams.describe('s')).toMatchObject({ status: 'creating' });
    expect(await streamsOn(() => summary('DELETING')).streams.describe('s')).toBeUndefined();
    expect(await streamsOn(() => refused('ResourceNotFoundException')).streams.describe('s')).toBeUndefined();
    expect(await caught(streamsOn(() => noAnswer()).streams.describe('s'))).toBeInstanceOf(PortUnavailable);
  });

  it('a change of a stream that is being changed is for later', async () => {
    const { streams } = streamsOn(({ command }) =>
      command === 'ListShards' ? { Shards: [shard(0)] } : refused('ResourceInUseException'),
    );
    expect(await caught(streams.split('s', 'shardId-0'))).toBeInstanceOf(PortThrottled);
    for (const name of ['ResourceInUseException', 'LimitExceededException']) {
      const busy = streamsOn(() => refused(name));
      expect(await caught(busy.streams.resize('s', 2))).toBeInstanceOf(PortThrottled);
      expect(busy.sent).toHaveLength(1);
    }
    await streams.create('s', 1);
  });
});

describe('encryption on Kinesis', () => {
  const summary = (StreamStatus: string, EncryptionType?: string) => ({
    StreamDescriptionSummary: { StreamStatus, EncryptionType },
  });
  const encrypted = (script: Script) => {
    const client = new KinesisClient(NOWHERE);
    const sent = scripted(client, script);
    const streams = new KinesisStreams({ client, keyId: 'alias/shop-east', clock: sleepless(), random: half });
    return { streams, commands: () => sent.map(({ command }) => command) };
  };

  it('a stream is being created until it is encrypted: whoever looks brings it on', async () => {
    const { streams, commands } = encrypted(
      inTurn(
        summary('CREATING', 'NONE'),
        summary('ACTIVE', 'NONE'),
        {},
        summary('UPDATING', 'NONE'),
        summary('ACTIVE', 'KMS'),
      ),
    );
    for (const status of ['creating', 'creating', 'creating', 'active']) {
      expect(await streams.describe('s')).toMatchObject({ status });
    }
    expect(commands().filter((command) => command === 'StartStreamEncryption')).toHaveLength(1);
  });

  it('two that look at once are no trouble; a key that cannot be used is', async () => {
    const asking =
      (answer: object): Script =>
      ({ command }) =>
        command === 'StartStreamEncryption' ? answer : summary('ACTIVE', 'NONE');
    const busy = encrypted(asking(refused('ResourceInUseException')));
    expect(await busy.streams.describe('s')).toMatchObject({ status: 'creating' });
    const denied = encrypted(asking(refused('KMSAccessDeniedException')));
    expect(await caught(denied.streams.describe('s'))).toBeInstanceOf(Error);
  });

  it('without a key streams are as they are', async () => {
    const { streams, sent } = streamsOn(({ command }) => (command === 'ListShards' ? {} : summary('ACTIVE', 'NONE')));
    expect(await streams.describe('s')).toMatchObject({ status: 'active' });
    expect(sent.map(({ command }) => command)).not.toContain('StartStreamEncryption');
  });
});

describe('read on Kinesis', () => {
  const page = (next: string | null, behindMs: number, ...sequences: readonly string[]) => ({
    Records: sequences.map((SequenceNumber) => ({ SequenceNumber, PartitionKey: 'k', Data: Uint8Array.of(1) })),
    MillisBehindLatest: behindMs,
    ...(next === null ? {} : { NextShardIterator: next }),
  });

  it('goes on with the iterator of the page before', async () => {
    const { streams, sent } = streamsOn(({ command }, count) =>
      command === 'GetShardIterator' ? { ShardIterator: 'first' } : page(`after-${count}`, 0, String(count)),
    );
    const { next } = await streams.read('s', '0', 'oldest', 10);
    expect(next).toEqual({ after: '2' });
    await streams.read('s', '0', next ?? 'oldest', 10);
    expect(sent.map(({ command, input }) => [command, input['ShardIterator']])).toEqual([
      ['GetShardIterator', undefined],
      ['GetRecords', 'first'],
      ['GetRecords', 'after-2'],
    ]);
  });

  it('asks on where nothing comes though there is more', async () => {
    const { streams, sent } = streamsOn(({ command }, count) =>
      command === 'GetShardIterator' ? { ShardIterator: 'i' } : count < 4 ? page('i', 500) : page('i', 500, '9'),
    );
    expect(await streams.read('s', '0', 'oldest', 10)).toMatchObject({ records: [{ sequence: '9' }], atTip: false });
    expect(sent).toHaveLength(4);
  });

  it('takes a new iterator for one that expired, and pauses for throttling', async () => {
    const script = inTurn(
      { ShardIterator: 'a' },
      page('b', 0, '1'),
      refused('ExpiredIteratorException'),
      { ShardIterator: 'c' },
      refused('ProvisionedThroughputExceededException'),
      page(null, 0, '2'),
    );
    const { streams, sent } = streamsOn(script);
    await streams.read('s', '0', 'oldest', 10);
    const last = await streams.read('s', '0', { after: '1' }, 10);
    expect(last).toMatchObject({ records: [{ sequence: '2' }], atTip: true });
    expect(last.next).toBeUndefined();
    expect(sent[3]?.input).toMatchObject({ ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: '1' });
    expect(sent).toHaveLength(6);
  });
});
