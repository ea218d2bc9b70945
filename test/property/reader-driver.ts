import { START, decodeCheckpoint, encodeCheckpoint, startMs } from '../../src/core/checkpoint.js';
import type { EventOut, WholeTransaction } from '../../src/core/api.js';
import { Reader } from '../../src/core/reader.js';
import { Page } from '../../src/core/reading/page.js';
import type { Timestamp } from '../../src/core/timestamp.js';
import { MARGIN_MS, type SiteName, type World } from './reader-world.js';

interface Cursor {
  position: number;
  finished: boolean;
}

export interface PageGot {
  readonly events: readonly EventOut[];
  readonly transactions: readonly WholeTransaction[];
  readonly checkpoint: string;
  readonly closed: Timestamp;
}

/** A consumer: reads the world's streams as a session would, in steps as small as the test likes. */
export class Driver {
  readonly pages: PageGot[] = [];
  readonly #world: World;
  readonly #streams: readonly string[];
  #reader!: Reader;
  #site!: SiteName;
  #fromMs = 0;
  readonly #cursors = new Map<string, Cursor>();
  readonly #granted = new Map<string, { closed: Timestamp; open: Set<string> }>();

  constructor(world: World, streams: readonly string[], site: SiteName) {
    this.#world = world;
    this.#streams = streams;
    this.move(site);
  }

  get reader(): Reader {
    return this.#reader;
  }

  get events(): EventOut[] {
    return this.pages.flatMap(({ events, transactions }) => [
      ...events,
      ...transactions.flatMap((transaction) => transaction.events),
    ]);
  }

  /** Starts anew at a replica with the checkpoint of the last page, as any process could. */
  move(site: SiteName): void {
    const text = this.pages.at(-1)?.checkpoint;
    const checkpoint = text === undefined ? START : decodeCheckpoint(text, this.#streams);
    const from = startMs(checkpoint, this.#world.terms(), MARGIN_MS);
    this.#fromMs = from === 'oldest' ? 0 : from;
    this.#site = site;
    this.#reader = new Reader(this.#streams, checkpoint);
    this.#cursors.clear();
    this.#granted.clear();
    this.#describe();
  }

  /** Forgets the last pages, as a consumer does that failed before it kept them. */
  restart(keep: number): void {
    this.pages.length = Math.min(this.pages.length, keep);
    this.move(this.#site);
  }

  /** Learns from the tables how far the streams are closed, then which shards are open. */
  ask(): void {
    this.#describe();
    for (const stream of this.#streams) {
      const open = this.#shards(stream).filter((shard) => shard.open);
      const ids = new Set(open.map(({ shardId }) => shardId));
      this.#granted.set(stream, { closed: this.#world.closedAt(this.#site, stream), open: ids });
    }
  }

  /** Reads some records of some shard. @returns false where there was nothing to read */
  feed(pick: number, count: number): boolean {
    const readable = this.#streams.flatMap((stream) =>
      this.#shards(stream)
        .filter((shard) => this.#isReadable(shard))
        .map((shard) => ({ stream, shard, cursor: this.#cursors.get(shard.shardId)! })),
    );
    const chosen = readable[pick % Math.max(1, readable.length)];
    if (chosen === undefined) return false;
    const { stream, shard, cursor } = chosen;
    const before = cursor.position;
    for (let left = count; left > 0 && cursor.position < shard.records.length; left -= 1) {
      const { record, arrivedAtMs } = shard.records[cursor.position]!;
      if (arrivedAtMs >= this.#fromMs) this.#reader.addDecoded(stream, shard.shardId, record, 100);
      cursor.position += 1;
    }
    if (cursor.position < shard.records.length) return true;
    const granted = this.#granted.get(stream);
    if (granted?.open.has(shard.shardId)) this.#reader.grant(stream, shard.shardId, granted.closed);
    if (!shard.open) {
      this.#describe();
      this.#reader.finish(stream, shard.shardId);
      cursor.finished = true;
    }
    return cursor.position > before || cursor.finished;
  }

  page(limit: number, whole: boolean): PageGot {
    const isCut = this.#reader.checkpoint().partial !== undefined;
    const [events, transactions] = [new Page<EventOut>(limit), new Page<WholeTransaction>(limit)];
    this.#reader.setUncleanTerms(this.#world.uncleanTerms());
    // In the middle of a transaction there is no way on by whole ones.
    if (whole && !isCut) this.#reader.takeTransactions(transactions);
    else this.#reader.takeEvents(events);
    if (this.#reader.gap) throw new Error(`a gap: ${JSON.stringify(this.#reader.gap)}`);
    const checkpoint = encodeCheckpoint(this.#reader.checkpoint(), this.#streams);
    const page = {
      events: events.items,
      transactions: transactions.items,
      checkpoint,
      closed: this.#reader.closed,
    };
    this.pages.push(page);
    return page;
  }

  /** Reads all there is and takes all that goes. */
  drain(limit = 1000): void {
    for (let rounds = 0; rounds < 1000; rounds += 1) {
      this.ask();
      for (let i = 0; i < 50; i += 1) {
        let any = false;
        for (let pick = 0; pick < 20; pick += 1) any = this.feed(pick, 1000) || any;
        if (!any) break;
      }
      const { events, transactions } = this.page(limit, false);
      if (events.length + transactions.length === 0) return;
    }
    throw new Error('it never ends');
  }

  #isReadable({ shardId, parents }: { shardId: string; parents: readonly string[] }): boolean {
    const cursor = this.#cursors.get(shardId);
    return (
      cursor !== undefined && !cursor.finished && parents.every((parent) => this.#cursors.get(parent)?.finished ?? true)
    );
  }

  #describe(): void {
    for (const stream of this.#streams)
      for (const { shardId, parents } of this.#shards(stream)) {
        if (this.#cursors.has(shardId)) continue;
        this.#cursors.set(shardId, { position: 0, finished: false });
        this.#reader.open(stream, shardId, parents);
      }
  }

  #shards(stream: string): ReturnType<World['shardsOf']> {
    return this.#world.shardsOf(this.#site, stream);
  }
}

/** What the committed transactions hold for these streams: event ids. */
export function owed(world: World, streams: readonly string[], upTo?: Timestamp): string[] {
  return world
    .committed()
    .filter(({ at }) => upTo === undefined || at <= upTo)
    .flatMap(({ parts }) => parts.filter(({ stream }) => streams.includes(stream)))
    .flatMap(({ events }) => events.map(({ out }) => out.id))
    .sort();
}
