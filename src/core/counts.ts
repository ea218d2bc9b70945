import type { DecisionRef } from './entry.js';
import { isTimestamp } from './timestamp.js';

/** Small maps and lists as one text, in records and items: `orders=2,payments=1`, `T2@{timestamp},T1@{timestamp}`. */

export function encodeCounts(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name}=${count}`)
    .join(',');
}

/** @throws Error where it is not what `encodeCounts` makes */
export function decodeCounts(text: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const pair of text.split(',')) {
    const equals = pair.lastIndexOf('=');
    const count = Number(pair.slice(equals + 1));
    if (equals < 1 || !Number.isSafeInteger(count) || count < 1) throw new Error('not name=count');
    counts[pair.slice(0, equals)] = count;
  }
  return counts;
}

export function encodeRefs(refs: readonly DecisionRef[]): string {
  return refs.map(({ id, at }) => `${id}@${at}`).join(',');
}

/** @throws Error where it is not what `encodeRefs` makes */
export function decodeRefs(text: string): DecisionRef[] {
  return text.split(',').map((ref) => {
    const at = ref.slice(ref.indexOf('@') + 1);
    if (!isTimestamp(at)) throw new Error('not transaction@timestamp');
    return { id: ref.slice(0, ref.indexOf('@')), at };
  });
}
