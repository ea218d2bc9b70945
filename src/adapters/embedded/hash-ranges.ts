import { hash } from 'node:crypto';
import type { HashRange, Shard } from '../../ports/streams.js';

/**
 * The hash keys of Kinesis: the MD5 of a partition key as a number from 0 to 2^128 − 1. Ranges are kept as 32
 * hexadecimal digits, which compare as strings, and shown as decimals.
 */
export interface HexRange {
  readonly from: string;
  readonly to: string;
}

const SIZE = 1n << 128n;
const HEX_DIGITS = 32;

export function hashOf(partitionKey: string): string {
  return hash('md5', partitionKey, 'hex');
}

export function covers(range: HexRange, hashed: string): boolean {
  return range.from <= hashed && hashed <= range.to;
}

/** Divides the whole range into `count` parts of equal size; the last one takes what is left. */
export function divide(count: number): readonly HexRange[] {
  const size = SIZE / BigInt(count);
  return Array.from({ length: count }, (_, index) => {
    const from = size * BigInt(index);
    return { from: toHex(from), to: toHex(index === count - 1 ? SIZE - 1n : from + size - 1n) };
  });
}

/** The two halves of a range; undefined where it is a single hash. */
export function halve(range: HexRange): readonly [HexRange, HexRange] | undefined {
  const from = fromHex(range.from);
  const to = fromHex(range.to);
  if (from === to) return undefined;
  const middle = (from + to) / 2n;
  return [
    { from: range.from, to: toHex(middle) },
    { from: toHex(middle + 1n), to: range.to },
  ];
}

/** The range that two neighbours make up; undefined where they are none. */
export function join(a: HexRange, b: HexRange): HexRange | undefined {
  const [low, high] = a.from < b.from ? [a, b] : [b, a];
  return fromHex(low.to) + 1n === fromHex(high.from) ? { from: low.from, to: high.to } : undefined;
}

export function toDecimals(range: HexRange): HashRange {
  return { from: String(fromHex(range.from)), to: String(fromHex(range.to)) };
}

/** The open shard that takes the records of a key. */
export function shardFor(shards: readonly Shard[], partitionKey: string): Shard | undefined {
  const hashed = fromHex(hashOf(partitionKey));
  return shards.find(
    ({ open, hashRange }) => open && BigInt(hashRange.from) <= hashed && hashed <= BigInt(hashRange.to),
  );
}

function toHex(value: bigint): string {
  return value.toString(16).padStart(HEX_DIGITS, '0');
}

function fromHex(digits: string): bigint {
  return BigInt(`0x${digits}`);
}
