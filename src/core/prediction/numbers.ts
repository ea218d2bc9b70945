/** Small numerics that all models share. */

/** One-sided 95 %. */
const Z = 1.645;

/**
 * The lower end of Wilson's interval: what share of successes is the least that these trials let one believe in.
 *
 * @param hits may be fractional, as decayed counts are @returns 0 to 1; 0 without a trial
 */
export function lowerBound(hits: number, trials: number): number {
  if (trials <= 0) return 0;
  const share = Math.min(1, hits / trials);
  const z2 = Z * Z;
  const centre = share + z2 / (2 * trials);
  const spread = Z * Math.sqrt((share * (1 - share)) / trials + z2 / (4 * trials * trials));
  return Math.max(0, (centre - spread) / (1 + z2 / trials));
}

/** Folds one more number into a hash, 32 bits (a step of MurmurHash 3). */
export function fold(hash: number, value: number): number {
  let k = Math.imul(value, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  let h = hash ^ Math.imul(k, 0x1b873593);
  h = (h << 13) | (h >>> 19);
  return (Math.imul(h, 5) + 0xe6546b64) >>> 0;
}

/** Spreads a folded hash over all of its bits. Never 0, which tables keep for 'free'. */
export function finish(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0 || 1;
}

/** The place of the largest of the first `size` values. */
export function argMax(values: Float64Array, size: number): number {
  let best = 0;
  for (let i = 1; i < size; i += 1) if (values[i]! > values[best]!) best = i;
  return best;
}
