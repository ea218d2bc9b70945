import { DynamoDBClient, TransactionCanceledException } from '@aws-sdk/client-dynamodb';
import { DynamoControlStore } from '../../../src/adapters/aws/dynamo-control.js';
import { DynamoTables } from '../../../src/adapters/aws/dynamo-tables.js';
import { failureOf } from '../../../src/adapters/aws/failures.js';
import { PortThrottled, PortUnavailable } from '../../../src/ports/failures.js';
import { ConditionFailed, type Write, WriteConflict } from '../../../src/ports/tables.js';
import { caught } from '../../contract/support.js';
import { NOWHERE, type Script, half, inTurn, noAnswer, refused, scripted, sleepless } from './scripted.js';

const key = (sk: string) => ({ pk: 'p', sk });
const put = (sk: string): Write => ({ kind: 'put', key: key(sk), item: { n: 1 }, when: ['absent'] });
const cancelled = (...codes: readonly string[]) =>
  new TransactionCanceledException({
    message: 'cancelled',
    $metadata: { httpStatusCode: 400 },
    CancellationReasons: codes.map((Code) => ({ Code, Message: `because of ${Code}` })),
  });

function tablesOn(script: Script) {
  const client = new DynamoDBClient(NOWHERE);
  const sent = scripted(client, script);
  const clock = sleepless();
  return { tables: new DynamoTables({ client, tableName: 't', clock, random: half }), sent, clock };
}

describe('what an error of the SDK means', () => {
  it.each([
    [refused('ProvisionedThroughputExceededException'), 'throttled'],
    [refused('ThrottlingException'), 'throttled'],
    [refused('Anything', 429), 'throttled'],
    [refused('InternalServerError', 500), 'unknown'],
    [refused('ServiceUnavailable', 503), 'unknown'],
    [refused('ResourceNotFoundException'), 'unknown'],
    [refused('AccessDeniedException', 403), 'unknown'],
    [refused('ValidationException'), 'refused'],
    [noAnswer(), 'unknown'],
    ['not even an error', 'unknown'],
  ])('%s: %s', (error, meaning) => {
    expect(failureOf(error)).toBe(meaning);
  });
});

describe('transact on DynamoDB', () => {
  it('says which conditions do not hold, with the items as they stand', async () => {
    const error = new TransactionCanceledException({
      message: 'cancelled',
      $metadata: { httpStatusCode: 400 },
      CancellationReasons: [
        { Code: 'None' },
        { Code: 'ConditionalCheckFailed', Item: { pk: { S: 'p' }, sk: { S: 'b' }, n: { N: '2' } } },
        { Code: 'TransactionConflict' },
        { Code: 'ConditionalCheckFailed' },
      ],
    });
    const { tables, sent } = tablesOn(() => error);
    const failure = await caught(tables.transact(['a', 'b', 'c', 'd'].map(put)));
    expect(failure).toBeInstanceOf(ConditionFailed);
    expect((failure as ConditionFailed).failed).toEqual(
      new Map<number, unknown>([
        [1, { n: 2 }],
        [3, undefined],
      ]),
    );
    expect(sent).toHaveLength(1);
  });

  it.each([
    ['a conflict', cancelled('None', 'TransactionConflict'), WriteConflict, 4],
    ['throttling of an item', cancelled('ThrottlingError'), PortThrottled, 4],
    ['capacity of an item', cancelled('ProvisionedThroughputExceeded'), PortThrottled, 4],
    ['throttling of the call', refused('ThrottlingException'), PortThrottled, 4],
    ['no answer', noAnswer(), PortUnavailable, 4],
    ['an error of the service', refused('InternalServerError', 500), PortUnavailable, 4],
    ['an attempt under way', refused('TransactionInProgressException'), PortUnavailable, 4],
    ['a mistake', cancelled('ValidationError'), Error, 1],
    ['a refused request', refused('ValidationException'), Error, 1],
  ])('%s', async (_, error, type, attempts) => {
    const { tables, sent, clock } = tablesOn(() => error);
    const failure = await caught(tables.transact([put('a')]));
    expect(failure).toBeInstanceOf(type);
    if (type === Error) {
      for (const port of [WriteConflict, PortThrottled, PortUnavailable]) expect(failure).not.toBeInstanceOf(port);
    }
    expect(sent).toHaveLength(attempts);
    // Half of a limit that doubles: the jitter is a half here.
    expect(clock.pauses).toEqual([12.5, 25, 50].slice(0, attempts - 1));
  });

  it('repeats one whose answer was lost under the same token', async () => {
    const { tables, sent } = tablesOn(inTurn(noAnswer(), cancelled('TransactionConflict'), {}));
    await tables.transact([put('a')]);
    const tokens = new Set(sent.map(({ input }) => input['ClientRequestToken']));
    expect([sent.length, tokens.size]).toEqual([3, 1]);
  });

  it('never says that nothing was written after an attempt of unknown outcome', async () => {
    for (const last of [cancelled('TransactionConflict'), refused('ThrottlingException')]) {
      const { tables } = tablesOn(inTurn(noAnswer(), last));
      expect(await caught(tables.transact([put('a')]))).toBeInstanceOf(PortUnavailable);
    }
  });

  it('takes no more than 100 items', async () => {
    const { tables, sent } = tablesOn(() => ({}));
    const writes = Array.from({ length: 101 }, (_, i) => put(String(i)));
    expect(await caught(tables.transact(writes))).toBeInstanceOf(Error);
    expect(sent).toEqual([]);
  });
});

describe('single writes on DynamoDB', () => {
  it('go together where they have no conditions, and again where a part was left', async () => {
    const left = { UnprocessedItems: { t: [{ DeleteRequest: { Key: { pk: { S: 'p' }, sk: { S: '0' } } } }] } };
    const { tables, sent } = tablesOn(({ input }, count) => (count === 1 && 'RequestItems' in input ? left : {}));
    const writes = Array.from({ length: 60 }, (_, i): Write => ({ kind: 'delete', key: key(String(i)) }));
    expect(await tables.writeEach(writes)).toEqual(writes.map(() => true));
    const sizes = sent.map(({ input }) => (input['RequestItems'] as { t: unknown[] }).t.length);
    expect(sizes.toSorted((a, b) => b - a)).toEqual([25, 25, 10, 1]);
  });

  it('answer whether each condition held', async () => {
    const { tables } = tablesOn(({ input }) =>
      JSON.stringify(input).includes('"a"') ? {} : refused('ConditionalCheckFailedException'),
    );
    expect(await tables.writeEach([put('a'), put('b')])).toEqual([true, false]);
  });

  it('do not take their own lost attempt for somebody else', async () => {
    const { tables } = tablesOn(inTurn(noAnswer(), refused('ConditionalCheckFailedException')));
    expect(await caught(tables.writeEach([put('a')]))).toBeInstanceOf(PortUnavailable);
  });
});

describe('reads on DynamoDB', () => {
  const found = (sks: readonly string[]) => sks.map((sk) => ({ pk: { S: 'p' }, sk: { S: sk }, n: { N: sk } }));

  it('get: a hundred keys a call, what was left again, in the order asked for', async () => {
    const { tables, sent } = tablesOn(({ input }) => {
      const { Keys } = (input['RequestItems'] as { t: { Keys: { sk: { S: string } }[] } }).t;
      const [first, ...rest] = Keys;
      // One a call comes back unprocessed, but for the last one.
      const isWhole = rest.length === 0;
      const Responses = { t: found((isWhole ? Keys : rest).map(({ sk }) => sk.S)) };
      return { Responses, UnprocessedKeys: isWhole ? {} : { t: { Keys: [first] } } };
    });
    const keys = Array.from({ length: 250 }, (_, i) => key(String(i)));
    const items = await tables.get([...keys, ...keys]);
    expect(items.map((item) => item?.['n'])).toEqual([...keys, ...keys].map(({ sk }) => Number(sk)));
    expect(sent).toHaveLength(6);
  });

  it('query: goes on over short pages until it has what was asked for', async () => {
    const { tables, sent } = tablesOn((_, count) => ({
      Items: found([String(count)]),
      ...(count < 9 ? { LastEvaluatedKey: { pk: { S: 'p' }, sk: { S: String(count) } } } : {}),
    }));
    expect(await tables.query({ pk: 'p', limit: 3 })).toMatchObject({ rows: [{}, {}, {}], next: '3' });
    expect(sent).toHaveLength(4);
    expect(sent.every(({ input }) => input['ConsistentRead'] === true)).toBe(true);
  });
});

describe('the control store on DynamoDB', () => {
  function controlOn(script: Script) {
    const client = new DynamoDBClient(NOWHERE);
    const sent = scripted(client, script);
    return { control: new DynamoControlStore({ client, tableName: 'c', clock: sleepless(), random: half }), sent };
  }
  const stands = (writer: string, version: number) =>
    refused('ConditionalCheckFailedException', 400, {
      Item: { writer: { S: writer }, version: { N: String(version) } },
    });
  const OURS = '07'.repeat(12);

  it('recognises its own write whose answer was lost', async () => {
    const { control } = controlOn(inTurn(noAnswer(), stands(OURS, 3)));
    expect(await control.compareAndSet('route', 2, {})).toBe(true);
  });

  it('loses to another writer, in the same region or another one', async () => {
    for (const error of [stands('another', 3), refused('ReplicatedWriteConflictException')]) {
      expect(await controlOn(() => error).control.compareAndSet('route', 2, {})).toBe(false);
    }
    const { control } = controlOn(inTurn(noAnswer(), stands('another', 3)));
    expect(await control.compareAndSet('route', 2, {})).toBe(false);
  });

  it('does not guess: overwritten before the outcome was known', async () => {
    for (const script of [inTurn(noAnswer(), stands('another', 4)), inTurn(noAnswer())]) {
      expect(await caught(controlOn(script).control.compareAndSet('route', 2, {}))).toBeInstanceOf(PortUnavailable);
    }
    const throttled = controlOn(() => refused('ThrottlingException'));
    expect(await caught(throttled.control.compareAndSet('route', 2, {}))).toBeInstanceOf(PortThrottled);
  });

  it('reads consistently', async () => {
    const { control, sent } = controlOn(() => ({}));
    expect(await control.get('route')).toBeUndefined();
    expect(await control.list('stream/')).toEqual([]);
    expect(sent.map(({ input }) => input['ConsistentRead'])).toEqual([true, true]);
  });
});
