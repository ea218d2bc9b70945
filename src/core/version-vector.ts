/**
 * Version vectors: per (stream, key), how many decisions each home site has taken on it. They tell which of two changes
 * knew of the other, without any clock.
 */
export type VersionVector = Readonly<Record<string, number>>;

export type VectorOrder = 'equal' | 'before' | 'after' | 'concurrent';

/** How the first stands to the second: `after` knew all that the second knew, and more. */
export function compareVectors(a: VersionVector, b: VersionVector): VectorOrder {
  let isLower = false;
  let isHigher = false;
  for (const site of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const [mine, theirs] = [a[site] ?? 0, b[site] ?? 0];
    if (mine < theirs) isLower = true;
    if (mine > theirs) isHigher = true;
  }
  if (isLower && isHigher) return 'concurrent';
  if (isLower) return 'before';
  return isHigher ? 'after' : 'equal';
}

/** What knows all that each of these knows. */
export function mergeVectors(...vectors: readonly VersionVector[]): VersionVector {
  const merged: Record<string, number> = {};
  for (const vector of vectors) {
    for (const [site, count] of Object.entries(vector)) merged[site] = Math.max(merged[site] ?? 0, count);
  }
  return merged;
}

/** One more decision of this site. */
export function advanceVector(vector: VersionVector, site: string): VersionVector {
  return { ...vector, [site]: (vector[site] ?? 0) + 1 };
}
