import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  type ScanCommandInput,
  TransactWriteItemsCommand,
  type TransactWriteItem,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb';
import type { Clock, Random } from '../../ports/environment.js';
import { PortThrottled, PortUnavailable } from '../../ports/failures.js';
import {
  ConditionFailed,
  type Item,
  type Key,
  type RangeQuery,
  type Row,
  type RowPage,
  type ScanRange,
  type Tables,
  type Write,
} from '../../ports/tables.js';
import {
  ALWAYS,
  type Attributes,
  bytesOf,
  decodeItem,
  decodeKey,
  decodeRow,
  encodeCondition,
  encodeItem,
  encodeKey,
  escapeSk,
} from './dynamo-items.js';
import { rangeParameters } from './dynamo-range.js';
import { isPassing, refusalOf, unknownOutcome } from './dynamo-failures.js';
import { failureOf, isNamed } from './failures.js';
import { STATUS_INDEX } from './names.js';
import { Backoff, type RetryLimits, chunksOf, eachLimited } from './retry.js';

export interface DynamoTablesOptions {
  readonly client: DynamoDBClient;
  /** The site's table: `pk` and `sk`, and `STATUS_INDEX` over `indexPk` and `indexSk`. */
  readonly tableName: string;
  readonly clock: Clock;
  readonly random: Random;
  /** @default 4 attempts, within about a second */
  readonly retry?: RetryLimits;
}

const MAX_ITEMS = 100;
const MAX_ITEM_BYTES = 400 * 1024;
/** 4 MB less what conditions and names take beside the items. */
const MAX_TRANSACT_BYTES = 4 * 1024 * 1024 - 256 * 1024;
const MAX_LIMIT = 1000;
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
const BATCH_GET = 100;
const BATCH_WRITE = 25;
/** Single writes, or batches of reads, at work at the same time. */
const CONCURRENT = 32;
/** Between an index's sort key and the key of the item that it stands for: no valid `indexSk` contains it. */
const CURSOR = '\uFDD0';

/**
 * A site's tables in one DynamoDB table. Each access pattern with its cost: docs/decisions/0021-dynamodb-single-table.md.
 *
 * The client must not retry by itself (`maxAttempts: 1`): here it is known which attempt may have had its effect.
 */
export class DynamoTables implements Tables {
  readonly maxItems = MAX_ITEMS;
  readonly maxItemBytes = MAX_ITEM_BYTES;
  readonly maxTransactBytes = MAX_TRANSACT_BYTES;
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #random: Random;
  readonly #backoff: Backoff;

  constructor({ client, tableName, clock, random, retry }: DynamoTablesOptions) {
    this.#client = client;
    this.#table = tableName;
    this.#random = random;
    this.#backoff = new Backoff(clock, random, retry);
  }

  // -------------------------------------------------------------------------------------------------------- transact

  async transact(writes: readonly Write[]): Promise<void> {
    if (writes.length > MAX_ITEMS) throw new Error(`a transaction names ${writes.length} items, at most ${MAX_ITEMS}`);
    if (writes.length === 0) return;
    const command = {
      TransactItems: writes.map((write) => this.#transactItem(write)),
      // The same in every attempt: one whose answer was lost is not done twice, and not refused either.
      ClientRequestToken: Buffer.from(this.#random.bytes(16)).toString('hex'),
    };
    let isUnknown = false;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#client.send(new TransactWriteItemsCommand(command));
        return;
      } catch (error) {
        const refusal = refusalOf(error);
        if (refusal instanceof ConditionFailed || (failureOf(error) === 'refused' && !isPassing(refusal)))
          throw refusal;
        // Of our own token: an earlier attempt is still under way.
        if (isNamed(error, 'TransactionInProgressException') || refusal instanceof PortUnavailable) isUnknown = true;
        if (attempt >= this.#backoff.attempts) {
          throw isUnknown ? unknownOutcome(`the table ${this.#table}`, refusal) : refusal;
        }
      }
      await this.#backoff.pause(attempt);
    }
  }

  #transactItem(write: Write): TransactWriteItem {
    const at = { TableName: this.#table, ReturnValuesOnConditionCheckFailure: 'ALL_OLD' } as const;
    const condition = encodeCondition(write.when);
    switch (write.kind) {
      case 'put':
        return { Put: { ...at, Item: encodeItem(write.key, write.item), ...condition } };
      case 'delete':
        return { Delete: { ...at, Key: encodeKey(write.key), ...condition } };
      case 'check':
        return { ConditionCheck: { ...at, Key: encodeKey(write.key), ...(condition ?? ALWAYS) } };
    }
  }

  // ------------------------------------------------------------------------------------------------------- writeEach

  async writeEach(writes: readonly Write[]): Promise<readonly boolean[]> {
    const names = new Set(writes.map(({ key }) => nameOf(key)));
    if (names.size < writes.length) {
      // An item that is named twice is written twice, one after the other.
      const held = [];
      for (const write of writes) held.push(await this.#writeOne(write));
      return held;
    }
    const free = writes.filter((write) => write.kind !== 'check' && !write.when?.length);
    const batched = free.length > 1 ? new Set(free) : new Set<Write>();
    const single = writes.filter((write) => !batched.has(write));
    const [held] = await Promise.all([
      eachLimited(single, CONCURRENT, (write) => this.#writeOne(write)),
      eachLimited(chunksOf([...batched], BATCH_WRITE), CONCURRENT, (chunk) => this.#writeBatch(chunk)),
    ]);
    const answers = new Map(single.map((write, index) => [write, held[index] === true]));
    return writes.map((write) => answers.get(write) ?? true);
  }

  /** @returns whether its condition held */
  async #writeOne(write: Write): Promise<boolean> {
    if (write.kind === 'check') return this.#check(write);
    const parameters = { TableName: this.#table, ...encodeCondition(write.when) };
    const command =
      write.kind === 'put'
        ? () => this.#client.send(new PutItemCommand({ ...parameters, Item: encodeItem(write.key, write.item) }))
        : () => this.#client.send(new DeleteItemCommand({ ...parameters, Key: encodeKey(write.key) }));
    let isUnknown = false;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await command();
        return true;
      } catch (error) {
        if (isNamed(error, 'ConditionalCheckFailedException')) {
          // It may be our own earlier attempt after which the condition does not hold any more.
          if (isUnknown) throw unknownOutcome(`the table ${this.#table}`, error);
          return false;
        }
        const refusal = refusalOf(error);
        if (failureOf(error) === 'refused' && !isPassing(refusal)) throw refusal;
        if (refusal instanceof PortUnavailable) isUnknown = true;
        if (attempt >= this.#backoff.attempts) throw refusal;
      }
      await this.#backoff.pause(attempt);
    }
  }

  async #check(write: Write): Promise<boolean> {
    try {
      await this.transact([write]);
      return true;
    } catch (error) {
      if (error instanceof ConditionFailed) return false;
      throw error;
    }
  }

  async #writeBatch(writes: readonly Write[]): Promise<void> {
    let left = writes.map((write): WriteRequest =>
      write.kind === 'put'
        ? { PutRequest: { Item: encodeItem(write.key, write.item) } }
        : { DeleteRequest: { Key: encodeKey(write.key) } },
    );
    for (let attempt = 1; ; attempt += 1) {
      const { UnprocessedItems } = await this.#repeated(() =>
        this.#client.send(new BatchWriteItemCommand({ RequestItems: { [this.#table]: left } })),
      );
      left = UnprocessedItems?.[this.#table] ?? [];
      if (left.length === 0) return;
      if (attempt >= this.#backoff.attempts * 2) throw this.#throttled();
      await this.#backoff.pause(attempt);
    }
  }

  // ----------------------------------------------------------------------------------------------------------- reads

  async get(keys: readonly Key[]): Promise<readonly (Item | undefined)[]> {
    if (keys.length === 0) return [];
    const found = new Map<string, Item>();
    const unique = [...new Map(keys.map((key) => [nameOf(key), key])).values()];
    const [only] = unique;
    if (only && unique.length === 1) {
      const { Item: attributes } = await this.#repeated(() =>
        this.#client.send(new GetItemCommand({ TableName: this.#table, Key: encodeKey(only), ConsistentRead: true })),
      );
      if (attributes) found.set(nameOf(only), decodeItem(attributes));
    } else {
      await eachLimited(chunksOf(unique, BATCH_GET), CONCURRENT, (chunk) => this.#getBatch(chunk, found));
    }
    return keys.map((key) => found.get(nameOf(key)));
  }

  async #getBatch(keys: readonly Key[], found: Map<string, Item>): Promise<void> {
    let left = keys.map(encodeKey);
    for (let attempt = 1; ; attempt += 1) {
      const { Responses, UnprocessedKeys } = await this.#repeated(() =>
        this.#client.send(
          new BatchGetItemCommand({ RequestItems: { [this.#table]: { Keys: left, ConsistentRead: true } } }),
        ),
      );
      const rows = Responses?.[this.#table] ?? [];
      for (const attributes of rows) found.set(nameOf(decodeKey(attributes)), decodeItem(attributes));
      left = UnprocessedKeys?.[this.#table]?.Keys ?? [];
      if (left.length === 0) return;
      // What is large comes in several answers: only one that brings nothing says that the table is busy.
      if (rows.length > 0) attempt = 0;
      else if (attempt >= this.#backoff.attempts * 2) throw this.#throttled();
      else await this.#backoff.pause(attempt);
    }
  }

  async query(query: RangeQuery): Promise<RowPage> {
    const limit = limitOf(query);
    const range = rangeParameters(query, { pk: 'pk', sk: 'sk' }, escapeSk);
    if (!range) return { rows: [] };
    const { isWithin, slack, ...parameters } = range;
    const rows: Row[] = [];
    let bytes = 0;
    let start: Attributes | undefined;
    do {
      const page = await this.#page({
        ...parameters,
        TableName: this.#table,
        ConsistentRead: true,
        ScanIndexForward: query.reverse !== true,
        // One more than asked for tells whether there are more.
        Limit: limit + 1 + slack - rows.length,
        ExclusiveStartKey: start,
      });
      for (const attributes of page.items) {
        if (!isWithin(attributes['sk']?.S ?? '')) continue;
        if (rows.length >= limit || bytes > MAX_PAGE_BYTES) return endedAt(rows);
        rows.push(decodeRow(attributes));
        bytes += bytesOf(attributes);
      }
      start = page.next;
    } while (start);
    return { rows };
  }

  async queryIndex(query: RangeQuery): Promise<RowPage> {
    const limit = limitOf(query);
    const { bounded, start: first } = cursorOf(query);
    const range = rangeParameters(bounded, { pk: 'indexPk', sk: 'indexSk' }, (sk) => sk);
    if (!range) return { rows: [] };
    const { isWithin, slack, ...parameters } = range;
    let start = first;
    const found: Attributes[] = [];
    do {
      const page = await this.#page({
        ...parameters,
        TableName: this.#table,
        IndexName: STATUS_INDEX,
        ProjectionExpression: 'pk, sk, indexPk, indexSk',
        ScanIndexForward: query.reverse !== true,
        Limit: limit + 1 + slack - found.length,
        ExclusiveStartKey: start,
      });
      found.push(...page.items.filter((attributes) => isWithin(attributes['indexSk']?.S ?? '')));
      start = page.next;
    } while (start && found.length <= limit);
    const listed = found.slice(0, limit);
    const last = listed.at(-1);
    const rows = await this.#listedRows(listed);
    if (found.length <= limit || !last) return { rows };
    return { rows, next: `${last['indexSk']?.S ?? ''}${CURSOR}${keyText(last)}` };
  }

  /** The index holds keys only, and lags: what has moved on meanwhile is not listed. */
  async #listedRows(listed: readonly Attributes[]): Promise<readonly Row[]> {
    const keys = listed.map(decodeKey);
    const items = await this.get(keys);
    return keys.flatMap((key, index) => {
      const item = items[index];
      const entry = listed[index];
      const same = item?.['indexPk'] === entry?.['indexPk']?.S && item?.['indexSk'] === entry?.['indexSk']?.S;
      return item && same ? [{ key, item }] : [];
    });
  }

  async scan({ prefix, after, attributes, limit }: ScanRange): Promise<RowPage> {
    const { Items = [], LastEvaluatedKey } = await this.#repeated(() =>
      this.#client.send(
        new ScanCommand({
          TableName: this.#table,
          ConsistentRead: true,
          ...(prefix === ''
            ? {}
            : {
                FilterExpression: 'begins_with(pk, :prefix)',
                ExpressionAttributeValues: { ':prefix': { S: prefix } },
              }),
          ...projectionOf(attributes),
          ...(limit === undefined ? {} : { Limit: limit }),
          ExclusiveStartKey: after === undefined ? undefined : keyAt(after),
        }),
      ),
    );
    const rows = Items.map(decodeRow);
    return LastEvaluatedKey ? { rows, next: keyText(LastEvaluatedKey) } : { rows };
  }

  async #page(
    parameters: ConstructorParameters<typeof QueryCommand>[0],
  ): Promise<{ readonly items: readonly Attributes[]; readonly next: Attributes | undefined }> {
    const { Items, LastEvaluatedKey } = await this.#repeated(() => this.#client.send(new QueryCommand(parameters)));
    return { items: Items ?? [], next: LastEvaluatedKey };
  }

  /** A call that may be made twice with the same effect. */
  async #repeated<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await this.#backoff.run(call, (error) => failureOf(error) !== 'refused' || isPassing(refusalOf(error)));
    } catch (error) {
      throw refusalOf(error, `the table ${this.#table}`);
    }
  }

  #throttled(): PortThrottled {
    return new PortThrottled(`the table ${this.#table} leaves a part of each batch undone`);
  }
}

const nameOf = ({ pk, sk }: Key): string => `${pk}\u{10FFFF}${sk}`;

/** Names of attributes may be words of the query language: each gets another one. */
function projectionOf(attributes: readonly string[] | undefined): Partial<ScanCommandInput> {
  if (attributes === undefined) return {};
  const names = ['pk', 'sk', ...attributes];
  return {
    ProjectionExpression: names.map((_, index) => `#a${index}`).join(),
    ExpressionAttributeNames: Object.fromEntries(names.map((name, index) => [`#a${index}`, name])),
  };
}

function endedAt(rows: readonly Row[]): RowPage {
  const last = rows.at(-1);
  return last ? { rows, next: last.key.sk } : { rows };
}

function limitOf({ limit = MAX_LIMIT }: RangeQuery): number {
  if (!(limit >= 1 && limit <= MAX_LIMIT)) throw new Error(`a limit is 1 to ${MAX_LIMIT}, not ${limit}`);
  return limit;
}

function keyAt(text: string): Attributes {
  const [pk, sk] = JSON.parse(text) as [string, string];
  return { pk: { S: pk }, sk: { S: sk } };
}

const keyText = (attributes: Attributes): string => JSON.stringify([attributes['pk']?.S, attributes['sk']?.S]);

/** A cursor of ours names an item, and DynamoDB goes on behind it; a bare sort key is a bound like the others. */
function cursorOf(query: RangeQuery): { readonly bounded: RangeQuery; readonly start: Attributes | undefined } {
  const { after, ...unbounded } = query;
  const [indexSk = '', key] = after?.split(CURSOR) ?? [];
  if (key === undefined) return { bounded: query, start: undefined };
  return { bounded: unbounded, start: { ...keyAt(key), indexPk: { S: query.pk }, indexSk: { S: indexSk } } };
}
