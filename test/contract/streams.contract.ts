import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { PortUnavailable } from '../../src/ports/failures.js';
import {
  type Position,
  type PutOutcome,
  type PutRecord,
  type Shard,
  type StreamDescription,
  type StreamRecord,
  type Streams,
  compareSequences,
} from '../../src/ports/streams.js';
import { caught, unique } from './support.js';

export interface StreamsUnderTest {
  readonly streams: Streams;
  close(): Promise<void>;
}

export interface StreamsContractOptions {
  /** Runs per property: fewer where each call is slow. @default 30 */
  readonly runs?: number;
  /** Between looks at a stream that is being created or changed, milliseconds. @default 20 */
  readonly pollMs?: number;
  /** Between the removal of a stream and its creation anew: an emulator counts by the second. @default 0 */
  readonly apartMs?: number;
  /** Whether less than half as many shards are refused: an emulator takes any number below. @default true */
  readonly halvesAtMost?: boolean;
}

const LARGEST_HASH = 2n ** 128n - 1n;
const record = (partitionKey: string, data = `data of ${partitionKey}`): PutRecord => ({
  partitionKey,
  data: new Uint8Array(Buffer.from(data)),
});
const records = (count: number, prefix = 'key'): PutRecord[] =>
  Array.from({ length: count }, (_, i) => record(`${prefix}-${i}`));

function hashOf(partitionKey: string): bigint {
  return BigInt(`0x${createHash('md5').update(partitionKey).digest('hex')}`);
}

function covers({ hashRange }: Shard, partitionKey: string): boolean {
  const hash = hashOf(partitionKey);
  return BigInt(hashRange.from) <= hash && hash <= BigInt(hashRange.to);
}

/** The open shards, in the order of their ranges, with the whole hash space between them. */
function openShards(description: StreamDescription): readonly Shard[] {
  const open = description.shards
    .filter((shard) => shard.open)
    .toSorted((a, b) => (BigInt(a.hashRange.from) < BigInt(b.hashRange.from) ? -1 : 1));
  let next = 0n;
  for (const { hashRange } of open) {
    expect(BigInt(hashRange.from)).toBe(next);
    next = BigInt(hashRange.to) + 1n;
  }
  expect(next).toBe(LARGEST_HASH + 1n);
  return open;
}

/** All records of a shard, from a position to its tip or end, in pages. */
async function readAll(
  streams: Streams,
  name: string,
  shardId: string,
  position: Position = 'oldest',
  limit = 1000,
): Promise<StreamRecord[]> {
  const all: StreamRecord[] = [];
  for (let at: Position | undefined = position; at !== undefined;) {
    const page = await streams.read(name, shardId, at, limit);
    expect(page.records.length).toBeLessThanOrEqual(limit);
    all.push(...page.records);
    if (page.next === undefined) expect(page.atTip).toBe(true);
    at = page.atTip ? undefined : page.next;
  }
  return all;
}

function sequencesOf(outcomes: readonly PutOutcome[]): string[] {
  return outcomes.map((outcome) => {
    if (!outcome.ok) throw new Error(`a record was refused: ${outcome.reason}`);
    return outcome.sequence;
  });
}

function expectGrowing(sequences: readonly string[]): void {
  for (const [i, sequence] of sequences.entries()) {
    expect(sequence).toMatch(/^[1-9]\d*$/);
    if (i > 0) expect(compareSequences(sequences[i - 1] ?? '', sequence)).toBeLessThan(0);
  }
}

/** What every implementation of the streams port must do. */
export function describeStreams(
  title: string,
  makeAdapter: () => Promise<StreamsUnderTest>,
  { runs = 30, pollMs = 20, apartMs = 0, halvesAtMost = true }: StreamsContractOptions = {},
): void {
  describe(`streams: ${title}`, () => {
    let streams: Streams;
    let close: () => Promise<void>;

    beforeAll(async () => {
      const made = await makeAdapter();
      streams = made.streams;
      close = () => made.close();
    });
    afterAll(() => close());

    /** Changes take a while where streams are real. */
    async function described(name: string, holds: (d: StreamDescription) => boolean = () => true) {
      for (let attempt = 0; attempt < 500; attempt += 1) {
        const description = await streams.describe(name);
        if (description?.status === 'active' && holds(description)) return description;
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
      throw new Error(`${name} did not get there`);
    }

    async function created(shardCount: number): Promise<string> {
      const name = unique('s').slice(0, 40);
      await streams.create(name, shardCount);
      await described(name);
      return name;
    }

    async function readStream(name: string): Promise<StreamRecord[]> {
      const all: StreamRecord[] = [];
      for (const shard of (await described(name)).shards) all.push(...(await readAll(streams, name, shard.shardId)));
      return all;
    }

    describe('create, describe and remove', () => {
      it('makes shards that divide the hash space', async () => {
        const description = await described(await created(3));
        expect(description.shards).toHaveLength(3);
        expect(description.retentionHours).toBe(24);
        for (const shard of openShards(description)) expect(shard.parents).toEqual([]);
      });

      it('does not know what was never created', async () => {
        expect(await streams.describe(unique('s').slice(0, 40))).toBeUndefined();
      });

      it('changes nothing when asked again', async () => {
        const name = await created(2);
        await streams.put(name, records(5));
        const before = await described(name);
        await streams.create(name, 2);
        expect(await described(name)).toEqual(before);
        expect(await readStream(name)).toHaveLength(5);
      });

      it('forgets a removed stream, and starts empty under the same name', async () => {
        const name = await created(1);
        const [before = ''] = sequencesOf(await streams.put(name, records(1)));
        await streams.remove(name);
        for (let i = 0; i < 500 && (await streams.describe(name)) !== undefined; i += 1) {
          await new Promise((resolve) => setTimeout(resolve, pollMs));
        }
        expect(await streams.describe(name)).toBeUndefined();
        await new Promise((resolve) => setTimeout(resolve, apartMs));
        await streams.create(name, 1);
        await described(name);
        expect(await readStream(name)).toEqual([]);
        const [after = ''] = sequencesOf(await streams.put(name, records(1)));
        expectGrowing([before, after]);
      });

      it('keeps the retention that was set', async () => {
        const name = await created(1);
        await streams.setRetention(name, 48);
        expect((await described(name, (d) => d.retentionHours === 48)).retentionHours).toBe(48);
      });
    });

    describe('put', () => {
      it('tells for each record where it went: the shard that covers the MD5 of its key', async () => {
        const name = await created(4);
        const sent = records(60);
        const outcomes = await streams.put(name, sent);
        const { shards } = await described(name);
        for (const [i, outcome] of outcomes.entries()) {
          const shard = shards.find((one) => one.open && covers(one, sent[i]?.partitionKey ?? ''));
          expect(outcome).toMatchObject({ ok: true, shardId: shard?.shardId });
        }
        expect(new Set(outcomes.map((outcome) => outcome.shardId)).size).toBe(4);
      });

      it('takes none, and refuses more than it says as a whole', async () => {
        const name = await created(1);
        expect(await streams.put(name, [])).toEqual([]);
        expect(await caught(streams.put(name, records(501)))).toBeInstanceOf(Error);
        expect(await caught(streams.put(name, [record('a'), record('')]))).toBeInstanceOf(Error);
        expect(await caught(streams.put(name, [record('a'), record('k'.repeat(257))]))).toBeInstanceOf(Error);
        const huge = { partitionKey: 'k', data: new Uint8Array(1024 * 1024) };
        expect(await caught(streams.put(name, [record('a'), huge]))).toBeInstanceOf(Error);
        const large = { partitionKey: 'k', data: new Uint8Array(1000 * 1024) };
        expect(
          await caught(
            streams.put(
              name,
              Array.from({ length: 11 }, () => large),
            ),
          ),
        ).toBeInstanceOf(Error);
        expect(await readStream(name)).toEqual([]);
      });

      it('takes nothing for a stream that is not there', async () => {
        const put = streams.put(unique('s').slice(0, 40), records(2));
        const outcomes = await put.catch((error: unknown) => {
          expect(error).toBeInstanceOf(PortUnavailable);
          return [];
        });
        expect(outcomes.filter((outcome) => outcome.ok)).toEqual([]);
      });

      it('keeps data from being changed from outside', async () => {
        const name = await created(1);
        const data = Uint8Array.of(1, 2, 3);
        await streams.put(name, [{ partitionKey: 'k', data }]);
        data.fill(9);
        const [read] = await readStream(name);
        read?.data.fill(7);
        expect((await readStream(name))[0]?.data).toEqual(Uint8Array.of(1, 2, 3));
      });

      it('gives sequences that grow, and keeps whatever is put at the same time', async () => {
        const name = await created(2);
        const calls = Array.from({ length: 20 }, (_, i) => streams.put(name, records(5, `call-${i}`)));
        const sequences = (await Promise.all(calls)).flatMap(sequencesOf);
        expect(new Set(sequences).size).toBe(100);
        const read = await readStream(name);
        expect(new Set(read.map((one) => one.sequence))).toEqual(new Set(sequences));
        const [earlier = ''] = sequencesOf(await streams.put(name, [record('same')]));
        const [later = ''] = sequencesOf(await streams.put(name, [record('same')]));
        expectGrowing([earlier, later]);
      });
    });

    describe('read', () => {
      it('gives back what was put, byte for byte, whatever the keys and data', async () => {
        const name = await created(3);
        const one = fc.record({
          partitionKey: fc.oneof(fc.string({ minLength: 1, maxLength: 20 }), fc.constantFrom('é', '😀😀', '\0')),
          data: fc.uint8Array({ minLength: 1, maxLength: 300 }),
        });
        const sent: string[] = [];
        const text = (it: PutRecord): string => JSON.stringify([it.partitionKey, Buffer.from(it.data).toString('hex')]);
        await fc.assert(
          fc.asyncProperty(fc.array(one, { maxLength: 20 }), async (batch) => {
            sequencesOf(await streams.put(name, batch));
            sent.push(...batch.map(text));
          }),
          { numRuns: runs },
        );
        const read = await readStream(name);
        expect(read.map(text).toSorted()).toEqual(sent.toSorted());
        for (const shard of (await described(name)).shards) {
          const inShard = await readAll(streams, name, shard.shardId, 'oldest', 7);
          expectGrowing(inShard.map(({ sequence }) => sequence));
          for (const { partitionKey } of inShard) expect(covers(shard, partitionKey)).toBe(true);
        }
      });

      it('goes on behind a record, and says when it is at the tip', async () => {
        const name = await created(1);
        const shardId = (await described(name)).shards[0]?.shardId ?? '';
        expect(await streams.read(name, shardId, 'oldest', 10)).toMatchObject({ records: [], atTip: true });
        for (let i = 0; i < 3; i += 1) await streams.put(name, [record(`k${i}`)]);
        const first = await streams.read(name, shardId, 'oldest', 2);
        expect(first.records.map((r) => r.partitionKey)).toEqual(['k0', 'k1']);
        expect(first.atTip).toBe(false);
        const second = await streams.read(name, shardId, first.next ?? 'oldest', 2);
        expect(second.records.map((r) => r.partitionKey)).toEqual(['k2']);
        expect(second.atTip).toBe(true);
        const third = await streams.read(name, shardId, second.next ?? 'oldest', 2);
        expect(third).toMatchObject({ records: [], atTip: true });
        await streams.put(name, [record('k3')]);
        const fourth = await streams.read(name, shardId, third.next ?? 'oldest', 2);
        expect(fourth.records.map((r) => r.partitionKey)).toEqual(['k3']);
        const behind = await streams.read(name, shardId, { after: first.records[0]?.sequence ?? '' }, 10);
        expect(behind.records.map((r) => r.partitionKey)).toEqual(['k1', 'k2', 'k3']);
      });

      it('starts at the first record of a time', async () => {
        const name = await created(1);
        const shardId = (await described(name)).shards[0]?.shardId ?? '';
        for (let i = 0; i < 5; i += 1) {
          await streams.put(name, [record(`k${i}`)]);
          await new Promise((resolve) => setTimeout(resolve, 3));
        }
        const all = await readAll(streams, name, shardId);
        for (const { arrivedAtMs } of all) {
          const expected = all.filter((one) => one.arrivedAtMs >= arrivedAtMs);
          expect(await readAll(streams, name, shardId, { atMs: arrivedAtMs }, 2)).toEqual(expected);
        }
        expect(await readAll(streams, name, shardId, { atMs: 0 })).toEqual(all);
        const last = all.at(-1)?.arrivedAtMs ?? 0;
        expect(all.map((one) => one.arrivedAtMs).every((at, i, ats) => i === 0 || at >= (ats[i - 1] ?? 0))).toBe(true);
        expect(last).toBeGreaterThan(0);
      });
    });

    describe('resize', () => {
      it.each([
        [1, 2],
        [2, 3],
        [4, 2],
        [3, 2],
      ])('from %i shards to %i: they cover every key, and what was there is read', async (from, to) => {
        const name = await created(from);
        await streams.put(name, records(20, 'before'));
        await streams.resize(name, to);
        await described(name, (d) => openShards(d).length === to && d.changing !== true);
        expect(sequencesOf(await streams.put(name, records(20, 'after')))).toHaveLength(20);
        expect(await readStream(name)).toHaveLength(40);
      });

      it('refuses more than twice and less than half as many', async () => {
        const name = await created(3);
        expect(await caught(streams.resize(name, 7))).toBeInstanceOf(Error);
        if (halvesAtMost) expect(await caught(streams.resize(name, 1))).toBeInstanceOf(Error);
        expect(openShards(await described(name))).toHaveLength(3);
      });
    });

    describe('split and merge', () => {
      it('splits in the middle: the parent closes, the children take over', async () => {
        const name = await created(1);
        const before = sequencesOf(await streams.put(name, records(20, 'before')));
        const parent = (await described(name)).shards[0]?.shardId ?? '';
        await streams.split(name, parent);
        const description = await described(name, (d) => d.shards.length === 3);
        const [low, high] = openShards(description);
        expect(BigInt(low?.hashRange.to ?? 0)).toBe(2n ** 127n - 1n);
        expect([low?.parents, high?.parents]).toEqual([[parent], [parent]]);
        expect(description.shards[0]).toMatchObject({ shardId: parent, open: false });
        const outcomes = await streams.put(name, records(20, 'after'));
        for (const outcome of outcomes) expect([low?.shardId, high?.shardId]).toContain(outcome.shardId);
        for (const sequence of sequencesOf(outcomes)) expectGrowing([before.at(-1) ?? '', sequence]);
        expect(await readStream(name)).toHaveLength(40);
      });

      it('reads a closed shard to its end, and says that it is the end', async () => {
        const name = await created(1);
        const shardId = (await described(name)).shards[0]?.shardId ?? '';
        await streams.put(name, records(3));
        await streams.split(name, shardId);
        await described(name, (d) => d.shards.length === 3);
        const first = await streams.read(name, shardId, 'oldest', 2);
        expect(first.atTip).toBe(false);
        const rest = await streams.read(name, shardId, first.next ?? 'oldest', 2);
        expect(rest.records).toHaveLength(1);
        expect(rest.atTip).toBe(true);
        expect(rest.next).toBeUndefined();
      });

      it('merges neighbours', async () => {
        const name = await created(2);
        const [low, high] = openShards(await described(name));
        await streams.put(name, records(10));
        await streams.merge(name, high?.shardId ?? '', low?.shardId ?? '');
        const description = await described(name, (d) => d.shards.length === 3);
        const [whole] = openShards(description);
        expect(whole?.hashRange).toEqual({ from: '0', to: String(LARGEST_HASH) });
        expect(whole?.parents.toSorted()).toEqual([low?.shardId, high?.shardId]);
        const parentsLast = description.shards.findIndex((shard) => shard.open);
        expect(description.shards.slice(0, parentsLast).map((shard) => shard.open)).toEqual([false, false]);
        const [outcome] = await streams.put(name, records(1));
        expect(outcome?.shardId).toBe(whole?.shardId);
        expect(await readStream(name)).toHaveLength(11);
      });

      it('refuses to merge what are no neighbours, and to split what is not open', async () => {
        const name = await created(3);
        const [a, , c] = openShards(await described(name));
        expect(await caught(streams.merge(name, a?.shardId ?? '', c?.shardId ?? ''))).toBeInstanceOf(Error);
        expect(await caught(streams.split(name, 'shardId-000000009999'))).toBeInstanceOf(Error);
        expect((await described(name)).shards).toHaveLength(3);
      });
    });

    it('wakes those who wait for records', async () => {
      const name = await created(1);
      const waiting = Promise.all([streams.awaitRecords(name, 20_000), streams.awaitRecords(name, 20_000)]);
      await streams.put(name, records(1));
      await waiting;
    });
  });
}
