import type { Predecessor } from '../event.js';
import type { RecordEvent } from '../record.js';
import type { Timestamp } from '../timestamp.js';

/** A transaction as far as it concerns the streams that are read, while its parts come in. */
export class Slice {
  readonly id: string;
  readonly at: Timestamp;
  /** The decision that it takes over after an unclean takeover. */
  readonly takenFrom: Timestamp | undefined;
  /** How many parts it has on the streams that are read. */
  readonly needed: number;
  readonly #parts = new Set<string>();
  readonly #events: RecordEvent[] = [];
  /** The unversioned parts, whose arrival order counts. */
  readonly queues: ArrivalQueue[] = [];
  /** Predecessors of its versioned events, those within itself left out. */
  readonly after: Predecessor[] = [];
  bytes = 0;
  /** Emitted, skipped or given up. */
  isGone = false;
  isReady = false;

  constructor(id: string, at: Timestamp, takenFrom: Timestamp | undefined, needed: number) {
    this.id = id;
    this.at = at;
    this.takenFrom = takenFrom;
    this.needed = needed;
  }

  get isComplete(): boolean {
    return this.#parts.size >= this.needed;
  }

  /** By number, once it is complete. */
  get events(): readonly RecordEvent[] {
    return this.#events;
  }

  /** @returns false where this part was met before: the same record may stand on a stream more than once */
  add(part: string, events: readonly RecordEvent[], bytes: number): boolean {
    if (this.isComplete || this.#parts.has(part)) return false;
    this.#parts.add(part);
    this.bytes += bytes;
    for (const event of events) {
      this.#events.push(event);
      if (event.after !== undefined && event.after.id !== this.id) this.after.push(event.after);
    }
    if (this.#parts.size === this.needed && this.needed > 1) this.#events.sort((a, b) => a.out.number - b.out.number);
    return true;
  }
}

/** The slices with a part of one (stream, key), in the order in which those arrived. */
export class ArrivalQueue {
  readonly part: string;
  #slices: Slice[] = [];
  #first = 0;

  constructor(part: string) {
    this.part = part;
  }

  push(slice: Slice): void {
    this.#slices.push(slice);
  }

  /** The first that is still here; undefined: empty. */
  head(): Slice | undefined {
    while (this.#slices[this.#first]?.isGone === true) this.#first += 1;
    if (this.#first > 64 && 2 * this.#first > this.#slices.length) {
      this.#slices = this.#slices.slice(this.#first);
      this.#first = 0;
    }
    return this.#slices[this.#first];
  }
}
