import type { EventOut, WholeTransaction } from '../../src/core/api.js';
import type { LogCase } from './event-log.js';
import { caseIndexOf, eventsOf, type TourEvent, transactionIdOf } from './mapping.js';

/** What a reader can have got wrong about an event or a case. */
export type FindingKind = 'lost' | 'altered' | 'duplicated' | 'unexpected' | 'torn' | 'disordered';

export interface Finding {
  readonly kind: FindingKind;
  /** Whose reading shows it. */
  readonly reader: string;
  readonly what: string;
}

export interface Verdict {
  /** Events of the log. */
  readonly input: number;
  /** Events that every reader got, unchanged. */
  readonly delivered: number;
  /** Events that some reader did not get, or not as they are. */
  readonly lost: number;
  /** Copies beyond the first, and events of this run that nobody wrote. */
  readonly duplicated: number;
  /** Cases that some reader got in part. */
  readonly torn: number;
  /** Cases that some reader got in another order. */
  readonly disordered: number;
  /** The first of each kind, in words. */
  readonly findings: readonly Finding[];
}

const MAX_FINDINGS_PER_KIND = 5;

/**
 * Holds what readers got against the log: every event of every case exactly once, all or none of a case, in the order of
 * the file.
 *
 * It shares nothing with the system under test: it knows the log, and which stream an event of it belongs on.
 */
export class Checker {
  private readonly run: string;
  private readonly cases: readonly ExpectedCase[];
  private readonly readings: Reading[] = [];

  /**
   * @param run what the ids of this run's transactions begin with; events of others are not looked at
   * @param prefix of the streams' names
   */
  constructor(run: string, cases: readonly LogCase[], prefix = '') {
    this.run = run;
    this.cases = cases.map((logCase, index) => ({
      transactionId: transactionIdOf(run, index),
      events: eventsOf(logCase, prefix),
    }));
  }

  /** One reader's reading, from the beginning: hand it everything that this reader got, in the order it got it. */
  reading(reader: string): Reading {
    const reading = new Reading(reader, this.run, this.cases);
    this.readings.push(reading);
    return reading;
  }

  verdict(): Verdict {
    const findings = this.readings.flatMap((reading) => reading.close());
    const input = this.cases.reduce((sum, { events }) => sum + events.length, 0);
    const lost = new Set(of(findings, 'lost', 'altered')).size;
    return {
      input,
      delivered: input - lost,
      lost,
      duplicated: of(findings, 'duplicated', 'unexpected').length,
      torn: new Set(of(findings, 'torn')).size,
      disordered: new Set(of(findings, 'disordered')).size,
      findings: firstOfEachKind(findings),
    };
  }
}

function of(findings: readonly InternalFinding[], ...kinds: FindingKind[]): string[] {
  return findings.filter(({ kind }) => kinds.includes(kind)).map(({ subject }) => subject);
}

function firstOfEachKind(findings: readonly InternalFinding[]): Finding[] {
  const counts = new Map<FindingKind, number>();
  return findings.flatMap(({ kind, reader, what }) => {
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return count <= MAX_FINDINGS_PER_KIND ? [{ kind, reader, what }] : [];
  });
}

interface ExpectedCase {
  readonly transactionId: string;
  readonly events: readonly TourEvent[];
}

/** With what it is about, so that a loss that two readers see is one. */
interface InternalFinding extends Finding {
  readonly subject: string;
}

/** What one reader got of one case. */
interface Seen {
  /** By index: how often, and whether the first copy was right. */
  readonly copies: number[];
  readonly right: boolean[];
  /** By stream: the last index that came. */
  readonly last: Map<string, number>;
}

export class Reading {
  private readonly reader: string;
  private readonly run: string;
  private readonly cases: readonly ExpectedCase[];
  private readonly seen: (Seen | undefined)[];
  private readonly findings: InternalFinding[] = [];
  private taken = 0;

  constructor(reader: string, run: string, cases: readonly ExpectedCase[]) {
    this.reader = reader;
    this.run = run;
    this.cases = cases;
    this.seen = Array.from(cases, () => undefined);
  }

  /** How many events of this run it got, copies included. */
  get eventCount(): number {
    return this.taken;
  }

  /** An event as it came from a stream. */
  take(stream: string, event: EventOut): void {
    const caseIndex = caseIndexOf(this.run, event.transactionid);
    if (caseIndex === undefined) return;
    this.taken += 1;
    const expected = this.cases[caseIndex];
    const wanted = expected?.events[event.number];
    if (expected === undefined || wanted?.stream !== stream) {
      this.find('unexpected', event.id, `${event.id} on ${stream}, where nobody wrote it`);
      return;
    }
    const seen = (this.seen[caseIndex] ??= { copies: [], right: [], last: new Map() });
    const copies = (seen.copies[event.number] ?? 0) + 1;
    seen.copies[event.number] = copies;
    if (copies > 1) {
      this.find('duplicated', event.id, `${event.id} on ${stream} came ${copies} times`);
      return;
    }
    const difference = differenceOf(wanted, event);
    seen.right[event.number] = difference === undefined;
    if (difference !== undefined) this.find('altered', event.id, `${event.id} on ${stream}: ${difference}`);
    this.checkOrder(seen, stream, event, expected);
  }

  /** A whole transaction as a reader of several streams got it: all of it at once, in its order. */
  takeTransaction(transaction: WholeTransaction): void {
    const caseIndex = caseIndexOf(this.run, transaction.id);
    if (caseIndex === undefined) return;
    for (const event of transaction.events) this.take(event.stream, event);
    const numbers = transaction.events.map(({ number }) => number);
    if (numbers.some((number, i) => number <= (numbers[i - 1] ?? -1))) {
      this.find('disordered', transaction.id, `${transaction.id} came as a whole in the order ${numbers.join(' ')}`);
    }
    const expected = this.cases[caseIndex]?.events.length ?? 0;
    if (new Set(numbers).size < expected) {
      this.find(
        'torn',
        transaction.id,
        `${transaction.id} came as a whole with ${numbers.length} of ${expected} events`,
      );
    }
  }

  /** Nothing more comes: what is missing now is lost. */
  close(): readonly InternalFinding[] {
    for (const [index, { transactionId, events }] of this.cases.entries()) {
      const copies = this.seen[index]?.copies ?? [];
      const missing = events.flatMap((_event, number) => (copies[number] === undefined ? [number] : []));
      for (const number of missing) {
        this.find(
          'lost',
          `${transactionId}:${number}`,
          `${transactionId}:${number} (${events[number]?.stream}) never came`,
        );
      }
      if (missing.length > 0 && missing.length < events.length) {
        const what = `${transactionId} came without ${missing.length} of its ${events.length} events`;
        this.find('torn', transactionId, what);
      }
    }
    return this.findings;
  }

  /** Within a stream by arrival, over all streams by number: the number is the place in the file. */
  private checkOrder(seen: Seen, stream: string, event: EventOut, { transactionId }: ExpectedCase): void {
    const before = seen.last.get(stream) ?? -1;
    if (event.number < before) {
      this.find('disordered', transactionId, `${event.id} on ${stream} came after number ${before}`);
    }
    seen.last.set(stream, Math.max(before, event.number));
  }

  private find(kind: FindingKind, subject: string, what: string): void {
    this.findings.push({ kind, reader: this.reader, subject, what });
  }
}

/** What of an event is not as it was written, the place in the case included. */
function differenceOf(wanted: TourEvent, got: EventOut): string | undefined {
  const pairs: readonly [string, unknown, unknown][] = [
    ['stream', wanted.stream, got.stream],
    ['key', wanted.key, got.subject],
    ['type', wanted.type, got.type],
    ['time', Date.parse(wanted.time), Date.parse(got.time)],
    ['client id', wanted.id, got.clientid],
    ['data', wanted.data, got.data],
  ];
  const wrong = pairs.find(([, was, is]) => !isSameJson(was, is));
  return wrong === undefined ? undefined : `another ${wrong[0]} than was written`;
}

function isSameJson(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return (
    Array.isArray(a) === Array.isArray(b) &&
    left.length === right.size &&
    left.every(([name, value]) => right.has(name) && isSameJson(value, right.get(name)))
  );
}
