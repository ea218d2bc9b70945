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
/** 2^18 buckets take 3 MB. */
export const MAX_BITS = 18;
/** Of one bucket in a text: two numbers of up to five bytes each, and its sums. */
const MOST_BYTES = 18;

export const newTally = (): Tally => ({ count: 0, lanes: new Uint32Array(LANES) });

/** Adds a line, or takes it away. */
export function tally(into: Tally, line: string, sign: 1 | -1 = 1): void {
  addSum(into, hash('sha256', line, 'buffer'), sign);
}

/** Of a line, to be added elsewhere: SHA-256, hexadecimal. */
export const digestOf = (line: string): string => hash('sha256', line, 'hex');

/** Adds the line of a digest, or takes it away. */
export function tallyDigest(into: Tally, digest: string, sign: 1 | -1 = 1): void {
  addSum(into, Buffer.from(digest, 'hex'), sign);
}

function addSum(into: Tally, sum: Buffer, sign: 1 | -1): void {
  into.count += sign;
  for (let lane = 0; lane < LANES; lane += 1) {
    into.lanes[lane] = (into.lanes[lane] ?? 0) + sign * sum.readUInt32BE(lane * 4);
  }
}

/** Adds what another tally has. */
export function addTally(into: Tally, other: Tally): void {
  into.count += other.count;
  for (let lane = 0; lane < LANES; lane += 1) into.lanes[lane] = (into.lanes[lane] ?? 0) + (other.lanes[lane] ?? 0);
}

/** How many and their sum, hexadecimal: 64 digits. */
export const tallyText = (all: Tally): string => hash('sha256', encodeTally(all), 'hex');

/** As one text, for another site. */
export function encodeTally({ count, lanes }: Tally): string {
  return `${count}|${[...lanes].map((lane) => lane.toString(16).padStart(8, '0')).join('')}`;
}

export function decodeTally(text: string): Tally {
  const [count, sums = ''] = text.split('|');
  return { count: Number(count), lanes: Uint32Array.from(sums.match(/.{8}/g) ?? [], (lane) => parseInt(lane, 16)) };
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

  /** Adds what others have, which are as many. */
  plus(more: Buckets): void {
    if (more.bits !== this.bits) throw new Error(`these are 2^${more.bits} buckets, not 2^${this.bits}`);
    more.counts.forEach((count, at) => (this.counts[at] = (this.counts[at] ?? 0) + count));
    more.#sums.forEach((sum, at) => (this.#sums[at] = (this.#sums[at] ?? 0) + sum));
  }

  /**
   * As one text, for another site: of each bucket that has something the distance from the one before, how many, and the
   * sums. Most take ten bytes.
   */
  encode(): string {
    const used = this.#which((at) => this.counts[at] !== 0 || this.#isLeft(at));
    const bytes = Buffer.alloc(1 + used.length * MOST_BYTES);
    let end = bytes.writeUInt8(this.bits, 0);
    let before = -1;
    for (const bucket of used) {
      end = writeNumber(bytes, bucket - before - 1, end);
      end = writeNumber(bytes, this.counts[bucket] ?? 0, end);
      for (const lane of [0, 1]) end = bytes.writeUInt32LE(this.#sums[bucket * 2 + lane] ?? 0, end);
      before = bucket;
    }
    return bytes.toString('base64', 0, end);
  }

  static decode(text: string): Buckets {
    const bytes = Buffer.from(text, 'base64');
    const bits = bytes[0] ?? Infinity;
    if (bits > MAX_BITS) throw new Error('not the sums of buckets');
    const buckets = new Buckets(bits);
    let bucket = -1;
    for (let at = 1; at < bytes.length;) {
      const [gap, behindGap] = readNumber(bytes, at);
      const [count, behindCount] = readNumber(bytes, behindGap);
      bucket += gap + 1;
      buckets.counts[bucket] = count;
      for (const lane of [0, 1]) buckets.#sums[bucket * 2 + lane] = bytes.readUInt32LE(behindCount + lane * 4);
      at = behindCount + 8;
    }
    return buckets;
  }
}

/** Some of 2^bits buckets. */
export interface SomeBuckets {
  readonly bits: number;
  /** A bit for each, in base64: however many are meant, it is short. */
  readonly which: string;
}

export function someBuckets(bits: number, which: readonly number[]): SomeBuckets {
  const marks = Buffer.alloc(Math.ceil(2 ** bits / 8));
  for (const at of which) marks[at >> 3] = (marks[at >> 3] ?? 0) | (1 << (at & 7));
  return { bits, which: marks.toString('base64') };
}

/** Whether a name is in one of them. */
export function among({ bits, which }: SomeBuckets): (name: string) => boolean {
  const marks = Buffer.from(which, 'base64');
  return (name) => {
    const at = bucketIn(name, bits);
    return ((marks[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  };
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

/** Seven bits a byte, the lowest first; the highest bit says that more follow. */
function writeNumber(bytes: Buffer, value: number, at: number): number {
  let rest = value;
  let end = at;
  for (; rest >= 128; rest = Math.floor(rest / 128)) end = bytes.writeUInt8((rest % 128) + 128, end);
  return bytes.writeUInt8(rest, end);
}

/** @returns the number, and where it ends */
function readNumber(bytes: Buffer, at: number): readonly [number, number] {
  let value = 0;
  for (let end = at, scale = 1; ; end += 1, scale *= 128) {
    const byte = bytes.readUInt8(end);
    value += (byte & 127) * scale;
    if (byte < 128) return [value, end + 1];
  }
}
