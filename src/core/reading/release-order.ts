import type { Predecessor } from '../event.js';
import type { Timestamp } from '../timestamp.js';
import { Heap } from './heap.js';
import { ArrivalQueue, type Slice } from './slice.js';

/** What the order has to know of the reader. */
export interface Surroundings {
  /** Whether a predecessor has been delivered, or will never be. */
  isOut(predecessor: Predecessor): boolean;
  /** The slice of a predecessor, while it is held. */
  held(predecessor: Predecessor): Slice | undefined;
}

/**
 * Which complete slices may go out: those whose versioned events follow what is out, and before whose other events
 * nothing with the same (stream, key) arrived that is still here. Among those, the earliest commit goes first, so that
 * the closed timestamp follows closely behind.
 *
 * A predecessor has an earlier timestamp, so version order has no cycles; arrival order may have some, where the same
 * two transactions arrived one way on this key and the other way on that. See `towards`.
 */
export class ReleaseOrder {
  readonly #around: Surroundings;
  readonly #queues = new Map<string, ArrivalQueue>();
  /** Slices that wait for a predecessor, by its transaction id. */
  readonly #waiting = new Map<string, Slice[]>();
  readonly #awaited = new Heap<Predecessor>((a, b) => a.at < b.at);
  readonly #complete = new Heap<Slice>((a, b) => a.at < b.at);
  readonly #ready = new Heap<Slice>((a, b) => a.at < b.at);
  #completeCount = 0;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** How many complete slices are held. */
  get completeCount(): number {
    return this.#completeCount;
  }

  /** An unversioned part of this slice arrived. */
  arrive(slice: Slice, part: string): void {
    let queue = this.#queues.get(part);
    if (queue === undefined) {
      queue = new ArrivalQueue(part);
      this.#queues.set(part, queue);
    }
    queue.push(slice);
    slice.queues.push(queue);
  }

  complete(slice: Slice): void {
    this.#completeCount += 1;
    this.#complete.push(slice);
    this.#release(slice);
  }

  /** The slice is out, or given up: what waited for it may go on. */
  retire(slice: Slice): void {
    if (slice.isComplete) this.#completeCount -= 1;
    slice.isGone = true;
    for (const queue of slice.queues) {
      const head = queue.head();
      if (head === undefined) this.#queues.delete(queue.part);
      else this.#release(head);
    }
    this.wake(slice.id);
  }

  /** This transaction is out, or will never be: look again at what waits for it. */
  wake(id: string): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    for (const slice of waiting) this.#release(slice);
  }

  /** Everything at or below it has been met: a predecessor that was not will never be. */
  passed(known: Timestamp): void {
    const ids = new Set<string>();
    for (let first = this.#awaited.peek(); first !== undefined && first.at <= known; first = this.#awaited.peek()) {
      this.#awaited.pop();
      ids.add(first.id);
    }
    for (const id of ids) this.wake(id);
  }

  /** The complete slice with the earliest timestamp, whether it may go out or not. */
  earliest(): Slice | undefined {
    return peek(this.#complete);
  }

  /** The earliest of those that may go out. */
  nextReady(): Slice | undefined {
    return peek(this.#ready);
  }

  /**
   * What may go out now so that `slice` gets nearer: itself, or what it waits for in the end. In a circle, which only
   * arrival orders that contradict each other make, the earliest commit of it goes first. Undefined where something in
   * between is not complete yet.
   */
  towards(slice: Slice): Slice | undefined {
    const seen = new Set<Slice>();
    for (let each = slice; ;) {
      if (seen.has(each)) {
        const way = [...seen];
        return way.slice(way.indexOf(each)).reduce((a, b) => (b.at < a.at ? b : a));
      }
      seen.add(each);
      const predecessor = this.#missing(each);
      const before = predecessor === undefined ? inFrontOf(each) : this.#around.held(predecessor);
      if (before === undefined) return predecessor === undefined ? each : undefined;
      if (!before.isComplete) return undefined;
      each = before;
    }
  }

  #missing(slice: Slice): Predecessor | undefined {
    return slice.after.find((predecessor) => !this.#around.isOut(predecessor));
  }

  #release(slice: Slice): void {
    if (slice.isReady || slice.isGone || !slice.isComplete) return;
    const missing = this.#missing(slice);
    if (missing !== undefined) this.#await(missing, slice);
    else if (inFrontOf(slice) === undefined) {
      slice.isReady = true;
      this.#ready.push(slice);
    }
  }

  #await(predecessor: Predecessor, slice: Slice): void {
    const waiting = this.#waiting.get(predecessor.id);
    if (waiting === undefined) this.#waiting.set(predecessor.id, [slice]);
    else if (!waiting.includes(slice)) waiting.push(slice);
    this.#awaited.push(predecessor);
  }
}

/** What arrived before it on one of its keys and is still here. */
function inFrontOf(slice: Slice): Slice | undefined {
  for (const queue of slice.queues) {
    const head = queue.head();
    if (head !== undefined && head !== slice) return head;
  }
  return undefined;
}

function peek(heap: Heap<Slice>): Slice | undefined {
  while (heap.peek()?.isGone === true) heap.pop();
  return heap.peek();
}
