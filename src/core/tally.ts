import { hash } from 'node:crypto';

/**
 * Digests of many things at once, in whatever order they come, without keeping any of them: the sum of their SHA-256,
 * lane by lane modulo 2^32. What was added can be taken away again. Equal tallies are equal contents but by an accident
 * of one in 2^64 or less; whoever may write both sides could forge one, and could as well write what he likes.
 */
export interface Tally {
  count: number;
  readonly lanes: Uint32Array;
}

const parseInt = Number.parseInt;

/** Of a tally that is told to others: all of a SHA-256. */
const LANES = 8;

export const newTally = (): Tally => ({ count: 0, lanes: new Uint32Array(LANES) });

/** Adds a line, or takes it away. */
export function tally(into: Tally, line: string, sign: 1 | -1 = 1): void {
  const sum = hash('sha256', line, 'buffer');
  into.count += sign;
  for (let lane = 0; lane < LANES; lane += 1) {
    into.lanes[lane] = (into.lanes[lane] ?? 0) + sign * sum.readUInt32BE(lane * 4);
  }
}

/** How many and their sum, hexadecimal: 64 digits. */
export function tallyText({ count, lanes }: Tally): string {
  const sums = [...lanes].map((lane) => lane.toString(16).padStart(8, '0')).join('');
  return hash('sha256', `${count}|${sums}`, 'hex');
}

/**
 * Tallies of a great many buckets: enough of each sum to tell buckets that differ. What stands in one and in the other
 * is found by looking only into these.
 */
export class Buckets {
  readonly bits: number;
  /** How many were added to each. */
  readonly counts: Uint32Array;
  readonly #sums: Uint32Array;

  /** @param bits there are 2^bits buckets, 0 to 18 */
  constructor(bits: number) {
    this.bits = bits;
    this.counts = new Uint32Array(2 ** bits);
    this.#sums = new Uint32Array(2 ** bits * 2);
  }

  /** @param sum at least 16 hexadecimal digits */
  add(name: string, sum: string, sign: 1 | -1 = 1): void {
    const bucket = bucketIn(name, this.bits);
    if (sign > 0) this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    for (const lane of [0, 1]) {
      const at = bucket * 2 + lane;
      this.#sums[at] = (this.#sums[at] ?? 0) + sign * parseInt(sum.slice(lane * 8, lane * 8 + 8), 16);
    }
  }

  /** The same contents in fewer buckets. */
  folded(bits: number): Buckets {
    const folded = new Buckets(bits);
    const mask = 2 ** bits - 1;
    for (const bucket of this.#which((at) => this.counts[at] !== 0 || this.#isLeft(at))) {
      const into = bucket & mask;
      folded.counts[into] = (folded.counts[into] ?? 0) + (this.counts[bucket] ?? 0);
      for (const lane of [0, 1]) {
        const at = into * 2 + lane;
        folded.#sums[at] = (folded.#sums[at] ?? 0) + (this.#sums[bucket * 2 + lane] ?? 0);
      }
    }
    return folded;
  }

  get total(): number {
    let total = 0;
    for (const count of this.counts) total += count;
    return total;
  }

  /** Buckets in which something is left: what was added and not taken away, or the other way round. */
  get left(): readonly number[] {
    return this.#which((at) => this.#isLeft(at));
  }

  /** Buckets that are not the same there. */
  unlike(there: Buckets): readonly number[] {
    return this.#which(
      (at) =>
        this.counts[at] !== there.counts[at] ||
        this.#sums[at * 2] !== there.#sums[at * 2] ||
        this.#sums[at * 2 + 1] !== there.#sums[at * 2 + 1],
    );
  }

  #isLeft(at: number): boolean {
    return this.#sums[at * 2] !== 0 || this.#sums[at * 2 + 1] !== 0;
  }

  /** There are many, nearly all of them empty: no list of all is made. */
  #which(isMeant: (bucket: number) => boolean): readonly number[] {
    const found: number[] = [];
    for (let at = 0; at < this.counts.length; at += 1) if (isMeant(at)) found.push(at);
    return found;
  }

  /** As one text, for another site. */
  encode(): string {
    return [this.counts, this.#sums].map((part) => littleEndian(part).toString('base64')).join('.');
  }

  static decode(text: string): Buckets {
    const [counts, sums] = text.split('.').map((part) => numbersIn(Buffer.from(part, 'base64')));
    if (!counts || sums?.length !== counts.length * 2) throw new Error('not the digests of buckets');
    const buckets = new Buckets(Math.round(Math.log2(counts.length)));
    buckets.counts.set(counts);
    buckets.#sums.set(sums);
    return buckets;
  }
}

/** A test's sandbox looks a global name up slowly, and this is an innermost loop. */
const imul = Math.imul;

/** The bucket of a name: its FNV-1a, mixed once more so that the low bits are as good as the others. */
export function bucketIn(name: string, bits: number): number {
  let mixed = 0x811c9dc5;
  for (let i = 0; i < name.length; i += 1) mixed = imul(mixed ^ name.charCodeAt(i), 0x01000193);
  mixed ^= mixed >>> 15;
  mixed = imul(mixed, 0x2c1b3c6d);
  mixed ^= mixed >>> 13;
  return mixed & (2 ** bits - 1);
}

function littleEndian(numbers: Uint32Array): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4);
  numbers.forEach((value, index) => bytes.writeUInt32LE(value, index * 4));
  return bytes;
}

function numbersIn(bytes: Buffer): Uint32Array {
  return Uint32Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readUInt32LE(index * 4));
}
