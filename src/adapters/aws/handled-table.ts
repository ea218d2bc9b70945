import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DeleteItemCommand,
  type DynamoDBClient,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import { spread } from '../../core/ids.js';
import { type Timestamp, msOf } from '../../core/timestamp.js';
import type { Clock, Random } from '../../ports/environment.js';
import type { Attributes } from './dynamo-items.js';
import { failureOf, isNamed, portError } from './failures.js';
import { Backoff, type RetryLimits, chunksOf } from './retry.js';

/** One event, as a consumer may be given it: again and again, from any replica. */
export interface Delivered {
  readonly id: string;
  /** When it was decided, the first time: the same wherever the event stands. */
  readonly at: Timestamp;
}

/** Somebody else has begun to handle the event, and may still be at it. */
class BeingHandled extends Error {
  override readonly name = 'BeingHandled';
}

/** As the route says it. */
export interface SitesStand {
  /** Rises with every change. */
  readonly epoch: number;
  readonly allInSync: boolean;
}

export interface HandledTableOptions {
  /** Of the region whose replica is used; it must not retry by itself (`maxAttempts: 1`). */
  readonly client: DynamoDBClient;
  /** A table with `pk` and `sk`, all of whose replicas agree at once. */
  readonly tableName: string;
  /** Stands in front of its keys: each consumer handles each event. */
  readonly consumer: string;
  /** How long the streams keep a record, hours. */
  readonly streamHours: number;
  /** How long the log keeps what was decided while all sites are in sync, hours: so long it may wait for a stream. */
  readonly logHours: number;
  /** How the sites stand now. @throws PortUnavailable, PortThrottled */
  readonly sites: () => Promise<SitesStand>;
  readonly clock: Clock;
  readonly random: Random;
  /** @default 4 attempts, within about a second */
  readonly retry?: RetryLimits;
}

const HOUR_MS = 3_600_000;
/** Partitions per hour: one takes about a thousand writes a second. */
const PARTITIONS = 8;
const MAX_GET = 100;
const MAX_WRITE = 25;

/**
 * What a consumer has handled, in a DynamoDB table that all sites share.
 *
 * An item per event: `begun` while somebody is at it, `done` once it has been handled to its end. Single items and no time
 * to live, since a strongly consistent global table knows neither transactions nor expiry: items stand under the hour in
 * which their event was decided, and whole hours are forgotten.
 */
export class HandledTable {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #consumer: string;
  readonly #streamHours: number;
  readonly #logHours: number;
  readonly #sites: () => Promise<SitesStand>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #backoff: Backoff;
  #lookedAtHour: number | undefined;

  constructor(options: HandledTableOptions) {
    const { clock, random, retry } = options;
    this.#client = options.client;
    this.#table = options.tableName;
    this.#consumer = options.consumer;
    this.#streamHours = options.streamHours;
    this.#logHours = options.logHours;
    this.#sites = options.sites;
    this.#clock = clock;
    this.#random = random;
    this.#backoff = new Backoff(clock, random, retry);
  }

  /** Ids of those that have been handled to their end. */
  async done(events: readonly Delivered[]): Promise<ReadonlySet<string>> {
    const keys = new Map(events.map((event) => [event.id, this.#keyOf(event)]));
    const found = new Set<string>();
    for (const some of chunksOf([...keys.values()], MAX_GET)) {
      let Keys: Attributes[] = [...some];
      for (let attempt = 1; Keys.length > 0; attempt += 1) {
        const asked = { [this.#table]: { Keys, ConsistentRead: true } };
        const page = await this.#repeated(() => this.#client.send(new BatchGetItemCommand({ RequestItems: asked })));
        for (const item of page.Responses?.[this.#table] ?? []) {
          if (item['state']?.S === 'done') found.add(item['sk']?.S ?? '');
        }
        Keys = page.UnprocessedKeys?.[this.#table]?.Keys ?? [];
        if (Keys.length > 0) await this.#backoff.pause(attempt);
      }
    }
    return found;
  }

  /**
   * Has an event handled, unless it was before. What throws leaves the event as it was.
   *
   * @param forMs after it this process will have ended, and somebody else may begin
   * @throws BeingHandled, PortUnavailable, PortThrottled; and what the work throws
   */
  async once(event: Delivered, forMs: number, work: () => Promise<void>): Promise<void> {
    const by = Buffer.from(this.#random.bytes(12)).toString('hex');
    if (!(await this.#begin(event, by, this.#clock.now() + forMs))) return;
    try {
      await work();
    } catch (error) {
      await this.#leave(event, by).catch(() => undefined);
      throw error;
    }
    await this.#put(event, { state: { S: 'done' }, by: { S: by } }, undefined);
  }

  /** @returns whether it is for us to handle */
  async #begin(event: Delivered, by: string, untilMs: number): Promise<boolean> {
    const begun = { state: { S: 'begun' }, by: { S: by }, untilMs: { N: String(untilMs) } };
    const stands = await this.#put(event, begun, {
      ConditionExpression: 'attribute_not_exists(pk) OR (#state = :begun AND untilMs < :now)',
      ExpressionAttributeNames: { '#state': 'state' },
      ExpressionAttributeValues: { ':begun': { S: 'begun' }, ':now': { N: String(this.#clock.now()) } },
    });
    // An attempt of ours whose answer was lost.
    if (stands === undefined || stands['by']?.S === by) return true;
    if (stands['state']?.S === 'done') return false;
    throw new BeingHandled(`${event.id} is being handled by another process`);
  }

  /** @returns the item that the condition met */
  async #put(event: Delivered, item: Attributes, condition: object | undefined): Promise<Attributes | undefined> {
    const command = { TableName: this.#table, Item: { ...this.#keyOf(event), ...item }, ...condition };
    try {
      await this.#repeated(() =>
        this.#client.send(
          new PutItemCommand(
            condition === undefined ? command : { ...command, ReturnValuesOnConditionCheckFailure: 'ALL_OLD' },
          ),
        ),
      );
      return undefined;
    } catch (error) {
      if (isNamed(error, 'ConditionalCheckFailedException')) {
        return (error as { readonly Item?: Attributes }).Item ?? {};
      }
      throw error;
    }
  }

  async #leave(event: Delivered, by: string): Promise<void> {
    await this.#repeated(() =>
      this.#client.send(
        new DeleteItemCommand({
          TableName: this.#table,
          Key: this.#keyOf(event),
          ConditionExpression: '#by = :by',
          ExpressionAttributeNames: { '#by': 'by' },
          ExpressionAttributeValues: { ':by': { S: by } },
        }),
      ),
    );
  }

  /**
   * Forgets the hours whose events are on no stream any more; does something once an hour only.
   *
   * A site that returns puts what was decided while it was away onto its streams, however long that was. So nothing is
   * forgotten while one is out, nor until its streams keep nothing of what it put when it came back: a change of the route
   * that was not seen before may have been a return.
   */
  async forget(): Promise<void> {
    const hour = Math.floor(this.#clock.now() / HOUR_MS);
    if (this.#lookedAtHour === hour) return;
    const last = hour - this.#streamHours - this.#logHours - 1;
    const key = { pk: { S: `${this.#consumer}|forgotten` }, sk: { S: '-' } };
    const [note] = await this.#query(key.pk.S);
    const forgotten = Number(note?.['hour']?.N ?? last - 1);
    const { epoch, allInSync } = await this.#sites();
    const isAsBefore = allInSync && note?.['epoch']?.N === String(epoch);
    const sinceHour = isAsBefore ? Number(note['sinceHour']?.N) : hour;
    const upTo = hour - sinceHour > this.#streamHours ? Math.max(last, forgotten) : forgotten;
    for (let one = forgotten + 1; one <= upTo; one += 1) {
      for (let partition = 0; partition < PARTITIONS; partition += 1) await this.#empty(this.#pk(one, partition));
    }
    if (!isAsBefore || forgotten < upTo) {
      const stand = { hour: upTo, epoch, sinceHour };
      const numbers = Object.entries(stand).map(([name, value]) => [name, { N: String(value) }] as const);
      const Item = { ...key, ...Object.fromEntries(numbers) };
      await this.#repeated(() => this.#client.send(new PutItemCommand({ TableName: this.#table, Item })));
    }
    this.#lookedAtHour = hour;
  }

  async #empty(pk: string): Promise<void> {
    for (let items = await this.#query(pk); items.length > 0; items = await this.#query(pk)) {
      for (const some of chunksOf(items, MAX_WRITE)) {
        const requests = some.map(({ pk: hash, sk }) => ({ DeleteRequest: { Key: { pk: hash, sk } as Attributes } }));
        // What was not processed is met by the next query.
        await this.#repeated(() =>
          this.#client.send(new BatchWriteItemCommand({ RequestItems: { [this.#table]: requests } })),
        );
      }
    }
  }

  async #query(pk: string): Promise<readonly Attributes[]> {
    const { Items = [] } = await this.#repeated(() =>
      this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          ConsistentRead: true,
          KeyConditionExpression: 'pk = :pk',
          ExpressionAttributeValues: { ':pk': { S: pk } },
        }),
      ),
    );
    return Items;
  }

  #keyOf({ id, at }: Delivered): Attributes {
    const hour = Math.floor(msOf(at) / HOUR_MS);
    return { pk: { S: this.#pk(hour, spread(id, PARTITIONS)) }, sk: { S: id } };
  }

  #pk(hour: number, partition: number): string {
    return `${this.#consumer}|${hour}|${partition}`;
  }

  async #repeated<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await this.#backoff.run(call, isWorthAnotherTry);
    } catch (error) {
      throw isNamed(error, 'ConditionalCheckFailedException') ? error : portError(error, `the table ${this.#table}`);
    }
  }
}

/** Two regions that write the same item at the same time: one of them came first, and the condition has to be asked again. */
const isWorthAnotherTry = (error: unknown): boolean =>
  failureOf(error) !== 'refused' || isNamed(error, 'ReplicatedWriteConflictException');
