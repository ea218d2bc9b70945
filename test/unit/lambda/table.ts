import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { HandledTable, type SitesStand } from '../../../src/adapters/aws/handled-table.js';
import type { Clock } from '../../../src/ports/environment.js';
import { NOWHERE, half, refused, scripted, type Script } from '../aws/scripted.js';

type Attributes = Readonly<Record<string, { readonly S?: string; readonly N?: string }>>;

/** As much of DynamoDB as a `HandledTable` asks for. What it says of conditions is tried on the real thing, too. */
export class FakeTable {
  readonly items = new Map<string, Attributes>();
  readonly clock: Clock & { nowMs: number };
  sites: SitesStand = { epoch: 1, allInSync: true };
  /** Stands before or after each command: may throw what a service throws. */
  before: (command: string) => void = () => undefined;
  after: (command: string) => void = () => undefined;
  #writer = 0;

  constructor(nowMs: number) {
    const clock = { nowMs, now: () => clock.nowMs, sleep: async () => undefined, nextTurn: async () => undefined };
    this.clock = clock;
  }

  /** As one process of a consumer sees it. */
  open(consumer = 'billing'): HandledTable {
    const client = new DynamoDBClient(NOWHERE);
    const script: Script = ({ command, input }) => {
      try {
        this.before(command);
        const answer = this.#answer(command, input as never);
        this.after(command);
        return answer;
      } catch (error) {
        return error as Error;
      }
    };
    scripted(client, script);
    this.#writer += 1;
    const writer = this.#writer;
    let count = 0;
    const random = {
      ...half,
      bytes: (n: number) => Uint8Array.from({ length: n }, () => writer * 16 + ((count += 1) % 16)),
    };
    return new HandledTable({
      client,
      tableName: 'shop-consumers',
      consumer,
      streamHours: 24,
      logHours: 24,
      sites: async () => this.sites,
      clock: this.clock,
      random,
    });
  }

  #answer(command: string, input: Input): object {
    if (command === 'BatchGetItem') {
      const { Keys } = input.RequestItems['shop-consumers'] as { Keys: Attributes[] };
      return { Responses: { 'shop-consumers': Keys.flatMap((key) => this.items.get(nameOf(key)) ?? []) } };
    }
    if (command === 'Query') {
      const pk = input.ExpressionAttributeValues[':pk']?.S;
      return { Items: [...this.items.values()].filter((item) => item['pk']?.S === pk) };
    }
    if (command === 'BatchWriteItem') {
      for (const { DeleteRequest } of input.RequestItems['shop-consumers'] as {
        DeleteRequest: { Key: Attributes };
      }[]) {
        this.items.delete(nameOf(DeleteRequest.Key));
      }
      return {};
    }
    const stands = this.items.get(nameOf(command === 'PutItem' ? input.Item : input.Key));
    if (!this.#holds(input, stands)) throw refused('ConditionalCheckFailedException', 400, { Item: stands });
    if (command === 'PutItem') this.items.set(nameOf(input.Item), input.Item);
    else this.items.delete(nameOf(input.Key));
    return {};
  }

  #holds({ ConditionExpression, ExpressionAttributeValues: values }: Input, stands: Attributes | undefined): boolean {
    switch (ConditionExpression) {
      case undefined:
        return true;
      case '#by = :by':
        return stands?.['by']?.S === values[':by']?.S;
      case 'attribute_not_exists(pk) OR (#state = :begun AND untilMs < :now)':
        return !stands || (stands['state']?.S === 'begun' && Number(stands['untilMs']?.N) < Number(values[':now']?.N));
      default:
        throw new Error(`what is ${ConditionExpression}?`);
    }
  }
}

interface Input {
  readonly RequestItems: Readonly<Record<string, unknown>>;
  readonly Item: Attributes;
  readonly Key: Attributes;
  readonly ConditionExpression?: string;
  readonly ExpressionAttributeValues: Attributes;
}

const nameOf = (item: Attributes): string => `${item['pk']?.S}/${item['sk']?.S}`;
