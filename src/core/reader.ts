import type { EventOut, WholeTransaction } from './api.js';
import { type Checkpoint, MAX_EMITTED, justBefore } from './checkpoint.js';
import type { Predecessor } from './event.js';
import { ClosedShards } from './reading/closed-shards.js';
import { Delivered } from './reading/delivered.js';
import { Held, type PartRecord } from './reading/held.js';
import type { Page } from './reading/page.js';
import type { Slice } from './reading/slice.js';
import { type DecodedRecord, UnreadableRecord, decodeRecord } from './record.js';
import { NEVER, type Timestamp, latest } from './timestamp.js';

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
  readonly #delivered: Delivered;
  readonly #shards: ClosedShards;
  readonly #held: Held;
  /** The one that a page cut, here or elsewhere, once it is met. */
  #cut: Slice | undefined;
  /** How far the streams are closed: everything at or below it that they have was added. */
  #known: Timestamp;
  /** Nothing from here on is held: see `shed`. */
  #ceiling: Timestamp | undefined;
  readonly #fromOldest: boolean;
  #unreadable = 0;
  #gap: ReadGap | undefined;

  constructor(streams: readonly string[], checkpoint: Checkpoint) {
    this.#delivered = new Delivered(checkpoint);
    this.#shards = new ClosedShards(streams);
    this.#held = new Held(streams, (predecessor) => this.#isOut(predecessor));
    this.#known = checkpoint.closed;
    this.#fromOldest = checkpoint.closed === NEVER;
  }

  /** How many transactions are held, whole or not. */
  get pendingCount(): number {
    return this.#held.count;
  }

  /** How many of those are whole: they wait for room, for a predecessor, or for a newer closed timestamp. */
  get completeCount(): number {
    return this.#held.order.completeCount;
  }

  get heldBytes(): number {
    return this.#held.bytes;
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

  /** Whether everything short of what was let go is out: nothing more comes but from a new reader. */
  get isSpent(): boolean {
    return this.#ceiling !== undefined && this.closed === justBefore(this.#ceiling);
  }

  /**
   * Lets go of the later half of what waits to be closed, and takes nothing of that time any more. For when too much is
   * held because nothing is closed for long: the rest goes out without more memory. Then `isSpent` says so, and a new
   * reader goes on from the checkpoint.
   */
  shed(): void {
    this.#ceiling = this.#held.shedAbove(this.#known) ?? this.#ceiling;
    if (this.#cut?.isGone === true) this.#cut = undefined;
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
    const { transactionId: id, at } = record;
    let slice = this.#held.find({ at, id });
    if (slice === undefined) {
      if (at <= this.#delivered.closed || (this.#ceiling !== undefined && at >= this.#ceiling)) return;
      if (this.#delivered.recognise(id, at, record.takenFrom)) {
        this.#held.order.wake(id);
        return;
      }
      slice = this.#held.open(record);
      if (this.#delivered.isPartial(id)) this.#cut = slice;
    }
    this.#held.add(slice, record, bytes);
  }

  #isOut({ at, id }: Predecessor): boolean {
    if (at <= this.#delivered.closed || this.#delivered.has(id)) return true;
    // Everything at or below `known` has been met: what is not held then is out, or is not kept any more.
    return at <= this.#known && this.#held.find({ at, id }) === undefined;
  }

  /** Learns how far the streams are closed, gives up what should be whole by then, and moves its own closed timestamp. */
  #settle(): void {
    const known = this.#closedHere();
    if (known > this.#known) {
      const isCutHere = this.#cut !== undefined;
      if (!this.#delivered.raise(this.#known, known, isCutHere)) this.#lose({ from: this.closed, to: known });
      this.#known = known;
      this.#held.order.passed(known);
    }
    this.#giveUp();
    this.#advance();
  }

  /** What was let go is as good as not met. */
  #closedHere(): Timestamp {
    const closed = this.#shards.closed();
    if (this.#ceiling === undefined || closed < this.#ceiling) return closed;
    return justBefore(this.#ceiling) ?? NEVER;
  }

  /** What is not whole at a closed timestamp never will be: its other parts are not kept any more. */
  #giveUp(): void {
    for (let torn = this.#held.earliestTorn(); torn !== undefined; torn = this.#held.earliestTorn()) {
      if (torn.at > this.#known) return;
      if (torn === this.#cut) this.#delivered.abandonPartial();
      this.#retire(torn);
      if (!this.#delivered.has(torn.id) && !this.#delivered.isLeftBehind(torn.at, this.#known)) {
        this.#lose({ from: justBefore(torn.at) ?? NEVER, to: this.#known });
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
      const next = this.#held.order.towards(first);
      // Its going out lets the closed timestamp pass, so it needs no room. Without room, arrival order has to yield.
      if (next === first || !hasRoom) return first;
      if (next !== undefined) return next;
    }
    return hasRoom ? this.#held.order.nextReady() : undefined;
  }

  /** The earliest that is whole. What went out under another timestamp is not here any more. */
  #earliest(): Slice | undefined {
    for (;;) {
      const first = this.#held.order.earliest();
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
    for (const twin of this.#held.twinsOf(slice)) this.#skip(twin);
    this.#advance();
  }

  /** It was delivered under another timestamp. */
  #skip(slice: Slice): void {
    this.#delivered.skip(slice.id, slice.at);
    this.#retire(slice);
  }

  #retire(slice: Slice): void {
    if (slice === this.#cut) this.#cut = undefined;
    this.#held.retire(slice);
  }
}

function toOut({ out }: { readonly out: EventOut }): EventOut {
  return out;
}
