import type { EventOut, WholeTransaction } from './api.js';
import { type Checkpoint, MAX_EMITTED, justBefore } from './checkpoint.js';
import { type Predecessor, partName } from './event.js';
import { ClosedShards } from './reading/closed-shards.js';
import { Delivered } from './reading/delivered.js';
import { Heap } from './reading/heap.js';
import type { Page } from './reading/page.js';
import { ReleaseOrder } from './reading/release-order.js';
import { Slice } from './reading/slice.js';
import { type DecodedRecord, UnreadableRecord, decodeRecord } from './record.js';
import { NEVER, type Timestamp, latest } from './timestamp.js';

/** A part, as the decoder gives it. */
export type PartRecord = Extract<DecodedRecord, { kind: 'part' }>;

/** Transactions above the closed timestamp that should have been kept and are not, `from` exclusive. */
export interface ReadGap {
  readonly from: Timestamp;
  readonly to: Timestamp;
}

/** Beyond so many, only what lowers their number goes out: the rest is for what pages cut on other replicas. */
const ENOUGH_EMITTED = MAX_EMITTED - 8;

/**
 * Reads committed transactions off one replica of one or several streams: exactly once, whole, versions in order.
 *
 * Pure: the caller reads the shards and tells what it met (`open`, `add`, `finish`, `grant`), takes pages (`takeEvents`,
 * `takeTransactions`) and the checkpoint that goes with them. Records may come twice, late, and in any order between
 * shards. A checkpoint goes on at any replica of the same streams.
 */
export class Reader {
  readonly #streams: ReadonlySet<string>;
  readonly #delivered: Delivered;
  readonly #shards: ClosedShards;
  readonly #order: ReleaseOrder;
  /** Everything held, by timestamp and id: after an unclean takeover one id may stand under two timestamps. */
  readonly #slices = new Map<string, Slice>();
  /** Timestamps of the held ones that take another decision over, by id. */
  readonly #takenOver = new Map<string, Timestamp>();
  /** The one that a page cut, here or elsewhere, once it is met. */
  #cut: Slice | undefined;
  readonly #gathering = new Heap<Slice>((a, b) => a.at < b.at);
  /** How far the streams are closed: everything at or below it that they have was added. */
  #known: Timestamp;
  readonly #fromOldest: boolean;
  #heldBytes = 0;
  #unreadable = 0;
  #gap: ReadGap | undefined;

  constructor(streams: readonly string[], checkpoint: Checkpoint) {
    this.#streams = new Set(streams);
    this.#delivered = new Delivered(checkpoint);
    this.#shards = new ClosedShards(streams);
    this.#known = checkpoint.closed;
    this.#fromOldest = checkpoint.closed === NEVER;
    this.#order = new ReleaseOrder({
      isOut: (predecessor) => this.#isOut(predecessor),
      held: ({ at, id }) => this.#slices.get(sliceKey(at, id)),
    });
  }

  /** How many transactions are held, whole or not. */
  get pendingCount(): number {
    return this.#slices.size;
  }

  /** How many of those are whole: they wait for room, for a predecessor, or for a newer closed timestamp. */
  get completeCount(): number {
    return this.#order.completeCount;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Records that the decoder did not understand: counted, and passed over. */
  get unreadable(): number {
    return this.#unreadable;
  }

  /** All transactions at or below it have been emitted. */
  get closed(): Timestamp {
    return this.#delivered.closed;
  }

  /** Set where something is not kept any more that this reader was owed. */
  get gap(): ReadGap | undefined {
    return this.#gap;
  }

  checkpoint(): Checkpoint {
    return this.#delivered.checkpoint();
  }

  /** Which terms began uncleanly, as the route says. To be told again when it changes. */
  setUncleanTerms(terms: readonly number[]): void {
    this.#delivered.setUncleanTerms(terms);
  }

  /** A shard of one of the streams. All must be known before anything is taken. */
  open(stream: string, shardId: string, parents: readonly string[]): void {
    this.#shards.open(stream, shardId, parents);
  }

  /** A closed shard was read to its end, and its children are known. */
  finish(stream: string, shardId: string): void {
    this.#shards.finish(stream, shardId);
  }

  /** The stream was known to be closed so far; then all its shards were opened here; then this one was read to its tip. */
  grant(stream: string, shardId: string, closed: Timestamp): void {
    this.#shards.grant(stream, shardId, closed);
  }

  /**
   * A record of a shard, in the order of the shard.
   *
   * @returns how far in commit time this shard has been read by it; undefined where it is unreadable
   */
  add(stream: string, shardId: string, data: Uint8Array): Timestamp | undefined {
    let record: DecodedRecord;
    try {
      record = decodeRecord(data);
    } catch (error) {
      if (!(error instanceof UnreadableRecord)) throw error;
      this.#unreadable += 1;
      return undefined;
    }
    return this.addDecoded(stream, shardId, record, data.length);
  }

  addDecoded(stream: string, shardId: string, record: DecodedRecord, bytes: number): Timestamp | undefined {
    const isPart = record.kind === 'part';
    if (record.stream !== stream || (isPart && (record.partsByStream[stream] ?? 0) < 1)) {
      this.#unreadable += 1;
      return undefined;
    }
    if (isPart) this.#addPart(record, bytes);
    this.#shards.see(stream, shardId, record.closed);
    return isPart ? latest(record.at, record.closed) : record.closed;
  }

  /** Fills the page with events; the last transaction may be cut. */
  takeEvents(page: Page<EventOut>): void {
    this.#settle();
    while (!page.isFull) {
      const slice = this.#pick();
      if (slice === undefined) return;
      const done = this.#delivered.countOf(slice.id);
      const left = slice.events.length - done;
      const each = slice.bytes / slice.events.length;
      const count = page.room(left, each);
      // One transaction at most is cut at a time: while the rest of another one is still to be met, this one is not.
      if (count === 0 || (count < left && this.#delivered.hasPartial && !this.#delivered.isPartial(slice.id))) return;
      page.push(slice.events.slice(done, done + count).map(toOut), count * each);
      if (count === left) this.#emit(slice);
      else this.#cutAt(slice, done + count);
    }
  }

  /** Fills the page with whole transactions. */
  takeTransactions(page: Page<WholeTransaction>): void {
    this.#settle();
    while (!page.isFull) {
      const slice = this.#pick();
      if (slice === undefined || page.room(1, slice.bytes) === 0) return;
      const events = slice.events.slice(this.#delivered.countOf(slice.id)).map(toOut);
      page.push([{ id: slice.id, committedAt: events[0]?.committedat ?? '', events }], slice.bytes);
      this.#emit(slice);
    }
  }

  #addPart(record: PartRecord, bytes: number): void {
    const { stream, transactionId: id, at } = record;
    const key = sliceKey(at, id);
    let slice = this.#slices.get(key);
    if (slice === undefined) {
      if (at <= this.#delivered.closed) return;
      if (this.#delivered.recognise(id, at, record.takenFrom)) {
        this.#order.wake(id);
        return;
      }
      slice = this.#hold(key, record);
    }
    const part = partName(stream, record.key);
    if (!slice.add(part, record.events, bytes)) return;
    this.#heldBytes += bytes;
    if (record.events.every(({ out }) => out.version === undefined)) this.#order.arrive(slice, part);
    if (slice.isComplete) this.#order.complete(slice);
  }

  #hold(key: string, { transactionId: id, at, takenFrom, partsByStream }: PartRecord): Slice {
    let needed = 0;
    for (const stream of this.#streams) needed += partsByStream[stream] ?? 0;
    const slice = new Slice(id, at, takenFrom, needed);
    this.#slices.set(key, slice);
    if (this.#delivered.isPartial(id)) this.#cut = slice;
    if (takenFrom !== undefined) this.#takenOver.set(id, at);
    if (needed > 1) this.#gathering.push(slice);
    return slice;
  }

  #isOut(predecessor: Predecessor): boolean {
    const { at, id } = predecessor;
    if (at <= this.#delivered.closed || this.#delivered.has(id)) return true;
    // Everything at or below `known` has been met: what is not held then is out, or is not kept any more.
    return at <= this.#known && !this.#slices.has(sliceKey(at, id));
  }

  /** Learns how far the streams are closed, gives up what should be whole by then, and moves its own closed timestamp. */
  #settle(): void {
    const known = this.#shards.closed();
    if (known > this.#known) {
      const isCutHere = this.#cut !== undefined;
      if (!this.#delivered.raise(this.#known, known, isCutHere)) this.#lose({ from: this.closed, to: known });
      this.#known = known;
      this.#order.passed(known);
    }
    this.#giveUp();
    this.#advance();
  }

  /** What is not whole at a closed timestamp never will be: its other parts are not kept any more. */
  #giveUp(): void {
    for (let first = this.#gathering.peek(); first !== undefined; first = this.#gathering.peek()) {
      const isOver = first.isGone || first.isComplete;
      if (!isOver && first.at > this.#known) return;
      this.#gathering.pop();
      if (isOver) continue;
      if (first === this.#cut) this.#delivered.abandonPartial();
      this.#retire(first);
      if (!this.#delivered.has(first.id) && !this.#delivered.isLeftBehind(first.at, this.#known)) {
        this.#lose({ from: justBefore(first.at) ?? NEVER, to: this.#known });
      }
    }
  }

  /** Who reads from the oldest is not owed what retention has cut: none of such a transaction is delivered. */
  #lose(gap: ReadGap): void {
    if (!this.#fromOldest) this.#gap ??= gap;
  }

  /** The closed timestamp never passes what is whole and still here. */
  #advance(): void {
    const first = this.#earliest();
    const to = first !== undefined && first.at <= this.#known ? justBefore(first.at) : this.#known;
    if (to !== undefined) this.#delivered.advance(to);
  }

  /** What goes out next, unless the checkpoint would have to name too many transactions. */
  #pick(): Slice | undefined {
    const first = this.#earliest();
    const isClosed = first !== undefined && first.at <= this.#known;
    const cut = this.#cut;
    if (cut?.isComplete === true && (this.#delivered.count < MAX_EMITTED || (isClosed && cut === first))) return cut;
    const hasRoom = this.#delivered.count < ENOUGH_EMITTED;
    if (isClosed) {
      const next = this.#order.towards(first);
      // Its going out lets the closed timestamp pass, so it needs no room. Without room, arrival order has to yield.
      if (next === first || !hasRoom) return first;
      if (next !== undefined) return next;
    }
    return hasRoom ? this.#order.nextReady() : undefined;
  }

  /** The earliest that is whole. What went out under another timestamp is not here any more. */
  #earliest(): Slice | undefined {
    for (;;) {
      const first = this.#order.earliest();
      if (first === undefined || !this.#delivered.has(first.id)) return first;
      this.#skip(first);
    }
  }

  #cutAt(slice: Slice, count: number): void {
    this.#cut = slice;
    this.#delivered.cut(slice.id, slice.at, count);
  }

  #emit(slice: Slice): void {
    this.#delivered.emit(slice.id, slice.at);
    this.#retire(slice);
    for (const at of [slice.takenFrom, this.#takenOver.get(slice.id)]) {
      const twin = at === undefined ? undefined : this.#slices.get(sliceKey(at, slice.id));
      if (twin !== undefined) this.#skip(twin);
    }
    this.#advance();
  }

  /** It was delivered under another timestamp. */
  #skip(slice: Slice): void {
    this.#delivered.skip(slice.id, slice.at);
    this.#retire(slice);
  }

  #retire(slice: Slice): void {
    if (slice.at === this.#takenOver.get(slice.id)) this.#takenOver.delete(slice.id);
    if (slice === this.#cut) this.#cut = undefined;
    this.#slices.delete(sliceKey(slice.at, slice.id));
    this.#heldBytes -= slice.bytes;
    this.#order.retire(slice);
  }
}

function sliceKey(at: Timestamp, id: string): string {
  return `${at}/${id}`;
}

function toOut({ out }: { readonly out: EventOut }): EventOut {
  return out;
}
