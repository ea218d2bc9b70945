import { randomFillSync } from 'node:crypto';
import type { Clock, Random } from '../../ports/environment.js';

/** Longer sleeps overflow Node's timers, which then go off at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's time. A sleep keeps the process alive: somebody waits for it. */
export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= MAX_TIMER_MS) {
      await new Promise<void>((resolve) => setTimeout(resolve, Math.min(leftMs, MAX_TIMER_MS)));
    }
  },
  nextTurn: () => new Promise<void>((resolve) => setImmediate(resolve)),
};

/** Random bytes are fetched from the system in this many at a time. */
const POOL_BYTES = 8192;
const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

function take(count: number): number {
  if (used + count > POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  const start = used;
  used += count;
  return start;
}

/** The system's randomness, fit for identifiers. */
export const systemRandom: Random = {
  next(): number {
    const at = take(8);
    // 53 bits, as many as a number holds.
    return ((pool.readUInt32LE(at) >>> 5) * 0x400_0000 + (pool.readUInt32LE(at + 4) >>> 6)) / 2 ** 53;
  },
  bytes(count: number): Uint8Array {
    if (count > POOL_BYTES / 8) return randomFillSync(new Uint8Array(count));
    const at = take(count);
    return new Uint8Array(pool.subarray(at, at + count));
  },
};
