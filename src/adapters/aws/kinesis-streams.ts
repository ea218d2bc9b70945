import {
  CreateStreamCommand,
  DecreaseStreamRetentionPeriodCommand,
  DeleteStreamCommand,
  DescribeStreamSummaryCommand,
  IncreaseStreamRetentionPeriodCommand,
  type KinesisClient,
  ListShardsCommand,
  MergeShardsCommand,
  PutRecordsCommand,
  type PutRecordsResultEntry,
  type Shard as KinesisShard,
  SplitShardCommand,
  StartStreamEncryptionCommand,
  type StreamDescriptionSummary,
  UpdateShardCountCommand,
} from '@aws-sdk/client-kinesis';
import type { Clock, Random } from '../../ports/environment.js';
import { PortThrottled, PortUnavailable } from '../../ports/failures.js';
import type {
  Position,
  PutOutcome,
  PutRecord,
  RecordPage,
  Shard,
  StreamDescription,
  Streams,
} from '../../ports/streams.js';
import { failureOf, isNamed, portError } from './failures.js';
import { KinesisReader } from './kinesis-reader.js';
import { Backoff, type RetryLimits } from './retry.js';
import { Wakeups } from './wakeups.js';

export interface KinesisStreamsOptions {
  readonly client: KinesisClient;
  readonly clock: Clock;
  readonly random: Random;
  /** With it streams are encrypted before anything is put on them: an alias, or an ARN. @default they are not */
  readonly keyId?: string;
  /** What a small put may take, milliseconds: records that are slow to be taken wait elsewhere. @default as any call */
  readonly putMs?: number;
  /** How often those who wait for records look again, milliseconds: a shard answers five reads a second. @default 1000 */
  readonly pollMs?: number;
  /** Once it is aborted, nobody waits for records any more. */
  readonly stopping?: AbortSignal;
  /** @default 4 attempts, within about a second */
  readonly retry?: RetryLimits;
}

const MAX_PUT_RECORDS = 500;
const MAX_PUT_BYTES = 10 * 1024 * 1024;
/** Data and partition key together. */
const MAX_RECORD_BYTES = 1024 * 1024;
const MAX_KEY_CHARACTERS = 256;
const MAX_READ_RECORDS = 10_000;
const POLL_MS = 1000;
const SLOW_BYTES_PER_MS = 1000;

/**
 * A site's streams in Kinesis. The client must not retry by itself (`maxAttempts: 1`).
 *
 * What breaks the documented limits is a mistake of the caller and throws a plain Error before anything is put.
 */
export class KinesisStreams implements Streams {
  readonly #client: KinesisClient;
  readonly #backoff: Backoff;
  readonly #reader: KinesisReader;
  readonly #wakeups: Wakeups;
  readonly #pollMs: number;
  readonly #putMs: number | undefined;
  readonly #keyId: string | undefined;

  constructor({ client, clock, random, keyId, pollMs = POLL_MS, putMs, stopping, retry }: KinesisStreamsOptions) {
    this.#client = client;
    this.#backoff = new Backoff(clock, random, retry);
    this.#reader = new KinesisReader(client, clock, this.#backoff);
    this.#wakeups = new Wakeups(clock, stopping);
    this.#pollMs = pollMs;
    this.#putMs = putMs;
    this.#keyId = keyId;
  }

  async create(name: string, shardCount: number): Promise<void> {
    try {
      await this.#repeated(name, () =>
        this.#client.send(
          new CreateStreamCommand({
            StreamName: name,
            ShardCount: shardCount,
            StreamModeDetails: { StreamMode: 'PROVISIONED' },
          }),
        ),
      );
    } catch (error) {
      // There already, being created, or being removed: whoever asks again finds out.
      if (!isNamed(error, 'ResourceInUseException')) throw error;
    }
  }

  async describe(name: string): Promise<StreamDescription | undefined> {
    const summary = await this.#summary(name);
    const status = summary?.StreamStatus;
    if (!summary || status === 'DELETING') return undefined;
    const common = { name, retentionHours: summary.RetentionPeriodHours ?? 24 };
    // It cannot be asked for at the creation: whoever looks next asks, and till it is done nothing may be put.
    const isOpen = this.#keyId !== undefined && summary.EncryptionType !== 'KMS';
    if (isOpen && status === 'ACTIVE') await this.#encrypt(name, this.#keyId);
    if (isOpen || status === 'CREATING') return { ...common, status: 'creating', shards: [] };
    const shards = await this.#shards(name);
    return { ...common, status: 'active', shards, ...(status === 'UPDATING' ? { changing: true } : {}) };
  }

  async #encrypt(name: string, KeyId: string | undefined): Promise<void> {
    const encryption = new StartStreamEncryptionCommand({ StreamName: name, EncryptionType: 'KMS', KeyId });
    await this.#client.send(encryption).catch((error: unknown) => {
      // Somebody else was faster.
      if (!isNamed(error, 'ResourceInUseException')) throw portError(error, `stream ${name}`);
    });
  }

  async #summary(name: string): Promise<StreamDescriptionSummary | undefined> {
    const { StreamDescriptionSummary: summary } = await this.#unlessGone(name, () =>
      this.#client.send(new DescribeStreamSummaryCommand({ StreamName: name })),
    );
    return summary;
  }

  async #shards(name: string): Promise<readonly Shard[]> {
    const shards: KinesisShard[] = [];
    let token: string | undefined;
    do {
      const page = await this.#unlessGone(name, () =>
        this.#client.send(
          new ListShardsCommand(
            // A token stands for the name and the filter that it was given for.
            token === undefined
              ? { StreamName: name, ShardFilter: { Type: 'FROM_TRIM_HORIZON' } }
              : { NextToken: token },
          ),
        ),
      );
      shards.push(...(page.Shards ?? []));
      token = page.NextToken;
    } while (token !== undefined);
    // Shards are numbered as they are made: parents come before children.
    return shards.map(describeShard).sort((a, b) => (a.shardId < b.shardId ? -1 : 1));
  }

  async remove(name: string): Promise<void> {
    await this.#unlessGone(name, () =>
      this.#client.send(new DeleteStreamCommand({ StreamName: name, EnforceConsumerDeletion: true })),
    );
    this.#reader.forget(name);
  }

  async setRetention(name: string, hours: number): Promise<void> {
    const summary = await this.#summary(name);
    if (!summary) throw new PortUnavailable(`there is no stream ${name}`);
    const before = summary.RetentionPeriodHours ?? 24;
    if (hours === before) return;
    const parameters = { StreamName: name, RetentionPeriodHours: hours };
    await this.#repeated(name, () =>
      hours > before
        ? this.#client.send(new IncreaseStreamRetentionPeriodCommand(parameters))
        : this.#client.send(new DecreaseStreamRetentionPeriodCommand(parameters)),
    ).catch(unlessBusy(name));
  }

  /** Kinesis splits and merges side by side, into shards of equal ranges. Not repeated: it would count twice. */
  async resize(name: string, shardCount: number): Promise<void> {
    await this.#client
      .send(
        new UpdateShardCountCommand({
          StreamName: name,
          TargetShardCount: shardCount,
          ScalingType: 'UNIFORM_SCALING',
        }),
      )
      .catch(unlessBusy(name));
  }

  async split(name: string, shardId: string): Promise<void> {
    const shard = (await this.#shards(name)).find((one) => one.shardId === shardId);
    if (shard?.open !== true) throw new Error(`stream ${name} has no open shard ${shardId}`);
    const { from, to } = shard.hashRange;
    if (from === to) throw new Error(`shard ${shardId} covers a single hash: it cannot be split`);
    const middle = (BigInt(from) + BigInt(to)) / 2n;
    // Not repeated: a split whose answer was lost would split a child next.
    await this.#client
      .send(new SplitShardCommand({ StreamName: name, ShardToSplit: shardId, NewStartingHashKey: String(middle + 1n) }))
      .catch(unlessBusy(name));
  }

  async merge(name: string, shardId: string, neighbourId: string): Promise<void> {
    const shards = await this.#shards(name);
    const pair = [shardId, neighbourId].map((id) => {
      const shard = shards.find((one) => one.shardId === id);
      if (shard?.open !== true) throw new Error(`stream ${name} has no open shard ${id}`);
      return shard;
    });
    const [lower, upper] = pair.sort((a, b) => (BigInt(a.hashRange.from) < BigInt(b.hashRange.from) ? -1 : 1));
    await this.#client
      .send(
        new MergeShardsCommand({
          StreamName: name,
          ShardToMerge: lower?.shardId,
          AdjacentShardToMerge: upper?.shardId,
        }),
      )
      .catch(unlessBusy(name));
  }

  async put(name: string, records: readonly PutRecord[]): Promise<readonly PutOutcome[]> {
    checkLimits(records);
    if (records.length === 0) return [];
    try {
      const { Records = [] } = await this.#client.send(
        new PutRecordsCommand({
          StreamName: name,
          Records: records.map(({ partitionKey, data }) => ({ PartitionKey: partitionKey, Data: data })),
        }),
        this.#putOptions(records),
      );
      this.#wakeups.wake(name);
      return records.map((_, index) => outcomeOf(Records[index]));
    } catch (error) {
      // Nothing of it was taken; the caller offers the records again.
      if (isNamed(error, 'ResourceNotFoundException', 'ResourceInUseException')) {
        return records.map(() => ({ ok: false, reason: 'unavailable' }));
      }
      if (failureOf(error) === 'throttled') return records.map(() => ({ ok: false, reason: 'throttled' }));
      throw portError(error, `stream ${name}`);
    }
  }

  /** As long as its size takes on a slow way, and a small one's time. */
  #putOptions(records: readonly PutRecord[]): { readonly requestTimeout?: number } {
    if (this.#putMs === undefined) return {};
    const bytes = records.reduce((sum, { data }) => sum + data.length, 0);
    return { requestTimeout: Math.round(this.#putMs + bytes / SLOW_BYTES_PER_MS) };
  }

  async read(name: string, shardId: string, position: Position, limit: number): Promise<RecordPage> {
    if (!(limit >= 1 && limit <= MAX_READ_RECORDS))
      throw new Error(`a limit is 1 to ${MAX_READ_RECORDS}, not ${limit}`);
    return this.#reader.read(name, shardId, position, limit);
  }

  /** Kinesis tells nobody: those who wait look again after a while, sooner where this process has put records. */
  awaitRecords(name: string, timeoutMs: number): Promise<void> {
    return this.#wakeups.wait(name, Math.min(timeoutMs, this.#pollMs));
  }

  /** For a call that may be made twice with the same effect. */
  async #repeated<T>(name: string, call: () => Promise<T>): Promise<T> {
    try {
      return await this.#backoff.run(call, (error) => failureOf(error) !== 'refused');
    } catch (error) {
      throw isNamed(error, 'ResourceInUseException') ? error : portError(error, `stream ${name}`);
    }
  }

  async #unlessGone<T extends object>(name: string, call: () => Promise<T>): Promise<Partial<T>> {
    try {
      return await this.#backoff.run(
        call,
        (error) => failureOf(error) !== 'refused' && !isNamed(error, 'ResourceNotFoundException'),
      );
    } catch (error) {
      if (isNamed(error, 'ResourceNotFoundException')) return {};
      throw portError(error, `stream ${name}`);
    }
  }
}

/** Another change of the stream is under way: nothing was done, and it may be asked for again. */
function unlessBusy(name: string): (error: unknown) => never {
  return (error) => {
    if (isNamed(error, 'ResourceInUseException')) {
      throw new PortThrottled(`stream ${name} is being changed: ${error.message}`, { cause: error });
    }
    throw portError(error, `stream ${name}`);
  };
}

function describeShard(shard: KinesisShard): Shard {
  return {
    shardId: shard.ShardId ?? '',
    hashRange: { from: shard.HashKeyRange?.StartingHashKey ?? '0', to: shard.HashKeyRange?.EndingHashKey ?? '0' },
    parents: [shard.ParentShardId, shard.AdjacentParentShardId].flatMap((id) => id ?? []),
    open: shard.SequenceNumberRange?.EndingSequenceNumber === undefined,
  };
}

function outcomeOf(entry: PutRecordsResultEntry | undefined): PutOutcome {
  if (entry?.SequenceNumber !== undefined && entry.ShardId !== undefined) {
    return { ok: true, shardId: entry.ShardId, sequence: entry.SequenceNumber };
  }
  const throttled = entry?.ErrorCode !== undefined && failureOf({ name: entry.ErrorCode }) === 'throttled';
  return { ok: false, reason: throttled ? 'throttled' : 'unavailable' };
}

function checkLimits(records: readonly PutRecord[]): void {
  if (records.length > MAX_PUT_RECORDS)
    throw new Error(`${records.length} records in one put, at most ${MAX_PUT_RECORDS}`);
  let total = 0;
  for (const { partitionKey, data } of records) {
    if (partitionKey.length < 1 || partitionKey.length > MAX_KEY_CHARACTERS || !partitionKey.isWellFormed()) {
      throw new Error(`a partition key is 1 to ${MAX_KEY_CHARACTERS} characters of Unicode`);
    }
    const bytes = data.length + Buffer.byteLength(partitionKey);
    if (bytes > MAX_RECORD_BYTES) throw new Error(`a record has ${bytes} bytes, at most ${MAX_RECORD_BYTES}`);
    total += bytes;
  }
  if (total > MAX_PUT_BYTES) throw new Error(`a put has ${total} bytes, at most ${MAX_PUT_BYTES}`);
}
