import { randomFillSync } from 'node:crypto';
import type { Clock, Random } from '../../ports/environment.js';

/** Longer sleeps overflow Node's timers, which then go off at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's time. AWS keeps it within milliseconds; nothing rests on that but the reader's margin. */
export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= MAX_TIMER_MS) {
      await new Promise<void>((resolve) => setTimeout(resolve, Math.min(leftMs, MAX_TIMER_MS)));
    }
  },
  nextTurn: () => new Promise<void>((resolve) => setImmediate(resolve)),
};

/** The system's randomness, fit for identifiers and tokens. */
export const systemRandom: Random = {
  next(): number {
    const bytes = randomFillSync(Buffer.alloc(8));
    // 53 bits, as many as a number holds.
    return ((bytes.readUInt32LE(0) >>> 5) * 0x400_0000 + (bytes.readUInt32LE(4) >>> 6)) / 2 ** 53;
  },
  bytes: (count) => randomFillSync(new Uint8Array(count)),
};
