import type { EventOut, WholeTransaction } from '../../src/core/api.js';
import { type Checkpoint, START, decodeCheckpoint, encodeCheckpoint } from '../../src/core/checkpoint.js';
import { Reader } from '../../src/core/reader.js';
import type { PartRecord } from '../../src/core/reading/held.js';
import { Page } from '../../src/core/reading/page.js';
import { NEVER, type Timestamp, clockAt, msOf, timestamp, toIso } from '../../src/core/timestamp.js';

/** Records as the decoder gives them, and a reader that keeps what it gave. */

export const ts = (ms: number, term = 1): Timestamp => timestamp(term, clockAt(ms));

export interface PartOptions {
  readonly id: string;
  readonly at: Timestamp;
  readonly stream?: string;
  readonly key?: string;
  readonly numbers?: readonly number[];
  readonly parts?: Readonly<Record<string, number>>;
  /** Version of the first event, and whom it follows. */
  readonly version?: number;
  readonly after?: { readonly at: Timestamp; readonly id: string };
  readonly takenFrom?: Timestamp;
  readonly closed?: Timestamp;
}

export function part(options: PartOptions): PartRecord {
  const { id, at, stream = 's', key = 'k', numbers = [0], parts = { [stream]: 1 }, version, after } = options;
  const committedat = toIso(msOf(at));
  const events = numbers.map((number, index) => {
    const out: EventOut = {
      specversion: '1.0',
      id: `${id}:${number}`,
      source: 'test',
      type: 'test',
      subject: key,
      time: committedat,
      data: number,
      stream,
      transactionid: id,
      number,
      parts: Object.values(parts).reduce((a, b) => a + b, 0),
      committedat,
      clock: at,
      ...(version === undefined ? {} : { version: version + index }),
    };
    return { out, ...(after && index === 0 ? { after } : {}), ...(version && index > 0 ? { after: { at, id } } : {}) };
  });
  return {
    kind: 'part',
    stream,
    key,
    transactionId: id,
    at,
    ...(options.takenFrom === undefined ? {} : { takenFrom: options.takenFrom }),
    partsByStream: parts,
    eventCount: numbers.length,
    events,
    closed: options.closed ?? NEVER,
  };
}

/** A reader of streams with one shard each, `s0`. */
export class Bench {
  readonly streams: readonly string[];
  reader: Reader;
  readonly #unclean: readonly number[];

  constructor(streams: readonly string[] = ['s'], checkpoint: Checkpoint = START, unclean: readonly number[] = []) {
    this.streams = streams;
    this.#unclean = unclean;
    this.reader = this.#open(checkpoint);
  }

  add(...records: readonly PartOptions[]): this {
    for (const options of records) {
      const record = part(options);
      this.reader.addDecoded(record.stream, 's0', record, 100);
    }
    return this;
  }

  /** Heartbeats on all streams. */
  close(closed: Timestamp): this {
    for (const stream of this.streams) {
      this.reader.addDecoded(stream, 's0', { kind: 'heartbeat', stream, closed }, 100);
    }
    return this;
  }

  /** Ids of events. */
  take(limit = 1000): string[] {
    const page = new Page<EventOut>(limit);
    this.reader.takeEvents(page);
    return page.items.map(({ id }) => id);
  }

  takeWhole(limit = 1000): WholeTransaction[] {
    const page = new Page<WholeTransaction>(limit);
    this.reader.takeTransactions(page);
    return [...page.items];
  }

  /** Another process, perhaps at another replica: nothing is left but the text. */
  resume(): this {
    const text = encodeCheckpoint(this.reader.checkpoint(), this.streams);
    this.reader = this.#open(decodeCheckpoint(text, this.streams));
    return this;
  }

  #open(checkpoint: Checkpoint): Reader {
    const reader = new Reader(this.streams, checkpoint);
    reader.setUncleanTerms(this.#unclean);
    for (const stream of this.streams) reader.open(stream, 's0', []);
    return reader;
  }
}
