import { MemoryStore } from '../../src/adapters/embedded/memory-store.js';
import { EmbeddedStreams } from '../../src/adapters/embedded/streams.js';
import { VirtualClock } from '../../src/adapters/embedded/virtual-clock.js';
import type { ReadSite, StreamClosed } from '../../src/app/reading/read-site.js';
import type { EventPage } from '../../src/core/api.js';
import type { DecidedEntry } from '../../src/core/entry.js';
import { prepareEvent } from '../../src/core/event.js';
import { encodeHeartbeat, encodeRecords } from '../../src/core/record.js';
import type { Term } from '../../src/core/route.js';
import { NEVER, type Timestamp, clockAt, timestamp } from '../../src/core/timestamp.js';
import type { Position, RecordPage } from '../../src/ports/streams.js';

export const HOUR_MS = 3_600_000;

/** A site with embedded streams and a closed timestamp that is always honest, for tests of reading. */
export class TestSite implements ReadSite {
  readonly clock: VirtualClock;
  readonly streams: EmbeddedStreams;
  readonly marginMs = 1000;
  term = 1;
  termsList: Term[] = [{ term: 1, home: 'east', startedAtMs: 0 }];
  completeFrom = 0;
  isLevel = true;
  /** Questions to home, with what was asked. */
  readonly asked: boolean[] = [];
  readonly reads: { shardId: string; position: Position; records: number }[] = [];
  readAtMost = 10_000;
  /** Called before each read. */
  beforeRead: (() => void | Promise<void>) | undefined;
  #lastTick = 0;
  #closed: Timestamp = NEVER;

  constructor(clock = new VirtualClock()) {
    this.clock = clock;
    this.streams = new EmbeddedStreams(new MemoryStore(), this.clock);
    const read = this.streams.read.bind(this.streams);
    this.streams.read = async (name, shardId, position, limit): Promise<RecordPage> => {
      await this.beforeRead?.();
      const page = await read(name, shardId, position, Math.min(limit, this.readAtMost));
      this.reads.push({ shardId, position, records: page.records.length });
      return page;
    };
  }

  get recordsRead(): number {
    return this.reads.reduce((sum, { records }) => sum + records, 0);
  }

  physicalName(stream: string): string {
    return `test-${stream}`;
  }

  async create(stream: string, shards = 1): Promise<void> {
    await this.streams.create(this.physicalName(stream), shards);
  }

  stamp(): Timestamp {
    this.#lastTick = Math.max(this.#lastTick + 1, clockAt(this.clock.now()));
    return timestamp(this.term, this.#lastTick);
  }

  async closed(streams: readonly string[], atLeastNow: boolean): Promise<ReadonlyMap<string, StreamClosed>> {
    this.asked.push(atLeastNow);
    if (atLeastNow && this.isLevel) this.#closed = this.stamp();
    return new Map(streams.map((stream) => [stream, { closed: this.#closed, isCurrent: atLeastNow && this.isLevel }]));
  }

  terms(): TestSite['termsList'] {
    return this.termsList;
  }

  learnTerms(): Promise<void> {
    return Promise.resolve();
  }

  retentionMs(): number {
    return 24 * HOUR_MS;
  }

  completeFromMs(): number {
    return this.completeFrom;
  }

  /** Commits events, `stream/key` each, and puts all of their records, or some. */
  async commit(
    id: string,
    places: readonly string[],
    which = (_stream: string): boolean => true,
  ): Promise<DecidedEntry> {
    const entry = this.decide(id, places);
    await this.put(entry, which);
    return entry;
  }

  decide(id: string, places: readonly string[]): DecidedEntry {
    const events = places.map((place, number) => {
      const [stream = '', key = ''] = place.split('/');
      return { ...prepareEvent({ stream, key, type: 'test', data: { id, number } }), number };
    });
    const streams = [...new Set(events.map(({ stream }) => stream))];
    return { id, status: 'committed', at: this.stamp(), streams, startedAtMs: 0, expiresAtMs: 0, events };
  }

  async put(entry: DecidedEntry, which = (_stream: string): boolean => true): Promise<void> {
    for (const { stream, key, data } of encodeRecords(entry, 'test', () => this.#closed)) {
      if (which(stream)) await this.streams.put(this.physicalName(stream), [{ partitionKey: key, data }]);
    }
  }

  async heartbeat(stream: string): Promise<void> {
    this.#closed = this.stamp();
    const data = encodeHeartbeat('test', stream, 'here', this.#closed, this.#closed);
    await this.streams.put(this.physicalName(stream), [{ partitionKey: 'beat', data }]);
  }
}

/** A site with the streams `s` and `other`, and so many transactions of one event on `s`. */
export async function siteWith(count: number, shards = 2): Promise<TestSite> {
  const site = new TestSite();
  await site.create('s', shards);
  await site.create('other', 1);
  for (let i = 0; i < count; i += 1) await site.commit(`t${i}`, [`s/k${i % 7}`]);
  return site;
}

export function idsOf({ events }: EventPage): string[] {
  return events.map(({ id }) => id);
}
