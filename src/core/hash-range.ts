import { hash } from 'node:crypto';

/** Where a key stands in Kinesis' 128-bit hash space: its MD5, as 32 hexadecimal digits, which compare like numbers. */
export function hashOf(key: string): string {
  return hash('md5', key, 'hex');
}

/** Both inclusive, 32 hexadecimal digits each. */
export interface HexRange {
  readonly from: string;
  readonly to: string;
}

export const WHOLE_RANGE: HexRange = { from: '0'.repeat(32), to: 'f'.repeat(32) };

export function contains(range: HexRange, hashed: string): boolean {
  return range.from <= hashed && hashed <= range.to;
}

/** Kinesis tells ranges in decimal. */
export function toHex(decimal: string): string {
  return BigInt(decimal).toString(16).padStart(32, '0');
}

/** Cuts the whole space into ranges of the same size. @param count a power of two, 1 to 256 */
export function evenRanges(count: number): readonly HexRange[] {
  const size = (1n << 128n) / BigInt(count);
  return Array.from({ length: count }, (_, index) => ({
    from: (size * BigInt(index)).toString(16).padStart(32, '0'),
    to: (size * BigInt(index + 1) - 1n).toString(16).padStart(32, '0'),
  }));
}

/** A key whose hash lies in the range, found by trying: for heartbeats, which must reach every shard. */
export function keyWithin(range: HexRange): string {
  for (let attempt = 0; ; attempt += 1) {
    const key = `heartbeat-${attempt}`;
    if (contains(range, hashOf(key))) return key;
  }
}
