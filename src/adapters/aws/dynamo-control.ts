import {
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  type PutItemCommandInput,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import type { ControlRow, ControlStore, Versioned } from '../../ports/control-store.js';
import type { Clock, Random } from '../../ports/environment.js';
import { PortUnavailable } from '../../ports/failures.js';
import { type Attributes, compareUtf8 } from './dynamo-items.js';
import { failureOf, isNamed, portError } from './failures.js';
import { Backoff, type RetryLimits } from './retry.js';

export interface DynamoControlOptions {
  /** Of the region whose replica this site uses: each calls its own. */
  readonly client: DynamoDBClient;
  /** A table with `pk` and `sk`; with sites in several regions a global table with multi-region strong consistency. */
  readonly tableName: string;
  readonly clock: Clock;
  readonly random: Random;
  /** @default 4 attempts, within about a second */
  readonly retry?: RetryLimits;
}

/** All records stand in one partition, in the order of their names: there are few, and none is on a transaction's path. */
const PARTITION = 'control';
const PAGE = 1000;
/** Above every name. */
const LAST = '\u{10FFFF}';

/**
 * The control store in a DynamoDB table of its own. Single items only, since a strongly consistent global table knows no
 * transactions; every read is strongly consistent, and so reads what any region has acknowledged.
 */
export class DynamoControlStore implements ControlStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #random: Random;
  readonly #backoff: Backoff;

  constructor({ client, tableName, clock, random, retry }: DynamoControlOptions) {
    this.#client = client;
    this.#table = tableName;
    this.#random = random;
    this.#backoff = new Backoff(clock, random, retry);
  }

  async get(name: string): Promise<Versioned<unknown> | undefined> {
    const { Item } = await this.#repeated(() =>
      this.#client.send(new GetItemCommand({ TableName: this.#table, Key: keyOf(name), ConsistentRead: true })),
    );
    return Item && recordOf(Item);
  }

  async compareAndSet(name: string, version: number, value: unknown): Promise<boolean> {
    const json: unknown = JSON.stringify(value);
    if (typeof json !== 'string') throw new Error(`the value for ${name} is no JSON`);
    // By it a write is recognised whose answer was lost.
    const writer = Buffer.from(this.#random.bytes(12)).toString('hex');
    const command: PutItemCommandInput = {
      TableName: this.#table,
      Item: { ...keyOf(name), version: { N: String(version + 1) }, value: { S: json }, writer: { S: writer } },
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      ...(version === 0
        ? { ConditionExpression: 'attribute_not_exists(pk)' }
        : {
            ConditionExpression: '#version = :version',
            ExpressionAttributeNames: { '#version': 'version' },
            ExpressionAttributeValues: { ':version': { N: String(version) } },
          }),
    };
    let isUnknown = false;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#client.send(new PutItemCommand(command));
        return true;
      } catch (error) {
        const stands = isNamed(error, 'ConditionalCheckFailedException') ? (itemOf(error) ?? {}) : undefined;
        if (stands) return this.#whoseIs(stands, { version, writer, isUnknown });
        // Another region was writing the same record: that write came first.
        if (isNamed(error, 'ReplicatedWriteConflictException')) {
          if (!isUnknown) return false;
        } else if (failureOf(error) === 'refused') throw portError(error, this.#what);
        isUnknown ||= failureOf(error) === 'unknown';
        if (attempt >= this.#backoff.attempts) throw this.#ended(error, isUnknown);
      }
      await this.#backoff.pause(attempt);
    }
  }

  /** What stands instead of the version that was expected: what an attempt of ours wrote, or another one's record. */
  #whoseIs(
    stands: Attributes,
    { version, writer, isUnknown }: { readonly version: number; readonly writer: string; readonly isUnknown: boolean },
  ): boolean {
    if (stands['writer']?.S === writer) return true;
    if (isUnknown && Number(stands['version']?.N ?? 0) > version + 1) {
      throw new PortUnavailable(`${this.#what}: the record was overwritten before the outcome was known`);
    }
    return false;
  }

  #ended(error: unknown, isUnknown: boolean): Error {
    const ended = portError(error, this.#what);
    if (!isUnknown || ended instanceof PortUnavailable) return ended;
    return new PortUnavailable(`${this.#what}: the outcome is unknown`, { cause: error });
  }

  async list(
    prefix: string,
    options: { readonly after?: string; readonly limit?: number; readonly reverse?: boolean } = {},
  ): Promise<readonly ControlRow[]> {
    const { after, limit = Infinity, reverse = false } = options;
    const bounds = boundsOf(prefix, after, reverse);
    if (!bounds) return [];
    const rows: ControlRow[] = [];
    let start: Attributes | undefined;
    do {
      const { Items = [], LastEvaluatedKey } = await this.#repeated(() =>
        this.#client.send(
          new QueryCommand({
            TableName: this.#table,
            ConsistentRead: true,
            KeyConditionExpression: 'pk = :pk AND sk BETWEEN :low AND :high',
            ExpressionAttributeValues: { ':pk': { S: PARTITION }, ...bounds },
            ScanIndexForward: !reverse,
            // BETWEEN includes the name to go on behind.
            Limit: Math.min(PAGE, limit - rows.length + 1),
            ExclusiveStartKey: start,
          }),
        ),
      );
      for (const item of Items) {
        const name = item['sk']?.S ?? '';
        if (name !== after && rows.length < limit) rows.push({ name, record: recordOf(item) });
      }
      start = LastEvaluatedKey;
    } while (start && rows.length < limit);
    return rows;
  }

  get #what(): string {
    return `the control store ${this.#table}`;
  }

  async #repeated<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await this.#backoff.run(call, (error) => failureOf(error) !== 'refused');
    } catch (error) {
      throw portError(error, this.#what);
    }
  }
}

const keyOf = (name: string): Attributes => ({ pk: { S: PARTITION }, sk: { S: name } });

/** Both ends included; nothing where no name is between them. */
function boundsOf(prefix: string, after: string | undefined, reverse: boolean): Attributes | undefined {
  const end = prefix + LAST;
  const low = !reverse && after !== undefined && compareUtf8(after, prefix) > 0 ? after : prefix;
  const high = reverse && after !== undefined && compareUtf8(after, end) < 0 ? after : end;
  // No expression may name an empty key.
  return compareUtf8(low, high) < 0 ? { ':low': { S: low || '\0' }, ':high': { S: high } } : undefined;
}

function recordOf(item: Attributes): Versioned<unknown> {
  return { value: JSON.parse(item['value']?.S ?? 'null') as unknown, version: Number(item['version']?.N) };
}

/** The record that a failed condition met. */
function itemOf(error: Error): Attributes | undefined {
  return (error as { readonly Item?: Attributes }).Item;
}
