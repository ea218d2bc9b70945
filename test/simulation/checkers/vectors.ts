import { isDecided } from '../../../src/core/entry.js';
import { compareVectors } from '../../../src/core/version-vector.js';
import type { Standing } from '../../support/standing.js';

/** On streams that keep vectors each version of a key knows all that the one before it knew, and more. */
export function vectorsThatDoNotGrow(log: Standing): readonly string[] {
  return [...log.entries.values()].flatMap((entry) => {
    if (!isDecided(entry) || entry.status !== 'committed') return [];
    return entry.events.flatMap(({ stream, key, number, vector, after }) => {
      const before = after && log.decided(after.id);
      if (!vector || before?.at !== after?.at) return [];
      const last = before?.events.findLast((event) => event.stream === stream && event.key === key)?.vector;
      return last === undefined || compareVectors(vector, last) === 'after'
        ? []
        : [`${entry.id}:${number} does not know what ${before?.id} knew of ${stream}/${key}`];
    });
  });
}
