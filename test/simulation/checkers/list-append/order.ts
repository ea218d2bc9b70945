import type { Appends } from './appends.js';
import { type Anomaly, type Append, type ListAppendTransaction, type Read, anomaly, startsWith } from './history.js';

/** The versions of a key in the order in which one read shows them. */
export class Order {
  readonly anomalies: Anomaly[] = [];
  /** The append that made each version; none where that is not known, or its transaction does not count. */
  readonly versions: readonly (Append | undefined)[];
  readonly #read: Read;
  /** By length: of whom a read of that length holds some appends but not all. */
  readonly #partial = new Map<number, ListAppendTransaction[]>();
  readonly #toldOf = new Set<ListAppendTransaction>();

  constructor(read: Read, appends: Appends, counted: ReadonlySet<ListAppendTransaction>) {
    this.#read = read;
    const seen = new Set<string>();
    this.versions = read.values.map((value) => {
      const append = appends.only(read.key, value);
      const again = seen.has(value);
      seen.add(value);
      if (again) this.#report('duplicate', [], `${value} twice`);
      else if (appends.of(read.key, value).length === 0) {
        this.#report('phantom', [], `${value}, which nobody appended`);
      }
      if (again || append === undefined) return undefined;
      if (append.by.outcome === 'aborted') {
        this.#report('G1a', [append.by], `${value}, which ${append.by.id} appended before it aborted`);
      }
      return counted.has(append.by) ? append : undefined;
    });
    for (const [writer, places] of this.#placesByWriter()) {
      const appended = writer.operations.filter(
        (operation) =>
          operation.kind === 'append' &&
          operation.key === read.key &&
          appends.only(read.key, operation.value) !== undefined,
      );
      this.#checkOwnOrder(places);
      this.#notePartial(writer, places, appended.length);
    }
  }

  holds(read: Read): boolean {
    return startsWith(this.#read.values, read.values);
  }

  /** Of a read that this order holds. Each writer is told of once: after a lost append, all later reads are partial. */
  intermediate({ by, key, values }: Read): Anomaly[] {
    const writers = (this.#partial.get(values.length) ?? []).filter(
      (writer) => writer !== by && !this.#toldOf.has(writer),
    );
    return writers.map((writer) => {
      this.#toldOf.add(writer);
      return anomaly('G1b', [by, writer], `${by.id} read some of what ${writer.id} appended to ${key}, but not all`);
    });
  }

  /** Of a read that this order does not hold: where they part. */
  parting(read: Read): Anomaly {
    const place = read.values.findIndex((value, at) => value !== this.#read.values[at]);
    const said = ({ by, values }: Read) => `${by.id} read ${values[place] ?? 'nothing'}`;
    const text = `at place ${place} of ${read.key} ${said(read)}, but ${said(this.#read)}`;
    return anomaly('incompatible-order', [read.by, this.#read.by], text);
  }

  #placesByWriter(): Map<ListAppendTransaction, number[]> {
    const writers = new Map<ListAppendTransaction, number[]>();
    for (const [place, append] of this.versions.entries()) {
      if (append === undefined) continue;
      const places = writers.get(append.by);
      if (places === undefined) writers.set(append.by, [place]);
      else places.push(place);
    }
    return writers;
  }

  #checkOwnOrder(places: readonly number[]): void {
    const appends = places.flatMap((place) => this.versions[place] ?? []);
    for (const [at, { by, value, place }] of appends.entries()) {
      const before = appends[at - 1];
      if (before === undefined || before.place < place) continue;
      this.#report('incompatible-order', [by], `${before.value} before ${value}, which ${by.id} appended first`);
    }
  }

  #notePartial(writer: ListAppendTransaction, places: readonly number[], appended: number): void {
    const [first = 0] = places;
    const whole = places.length === appended ? (places.at(-1) ?? first) : this.versions.length;
    for (let length = first + 1; length <= whole; length += 1) {
      const writers = this.#partial.get(length);
      if (writers === undefined) this.#partial.set(length, [writer]);
      else writers.push(writer);
    }
  }

  #report(kind: Anomaly['kind'], others: readonly ListAppendTransaction[], what: string): void {
    const { by, key } = this.#read;
    this.anomalies.push(anomaly(kind, [by, ...others], `${by.id} read in ${key} ${what}`));
  }
}
