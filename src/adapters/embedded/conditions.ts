import type { Clause, Comparison, Condition } from '../../ports/tables.js';
import { readAttribute } from './item-codec.js';
import { compareText } from './key-bytes.js';

/** @param item the encoded item, undefined where there is none */
export function holds(condition: Condition | undefined, item: Buffer | undefined): boolean {
  if (condition === undefined || condition.length === 0) return true;
  for (const clause of condition) {
    if (clauseHolds(clause, item)) return true;
  }
  return false;
}

function clauseHolds(clause: Clause, item: Buffer | undefined): boolean {
  if (clause === 'absent') return item === undefined;
  if (item === undefined) return false;
  for (const comparison of clause) {
    if (!comparisonHolds(comparison, item)) return false;
  }
  return true;
}

function comparisonHolds({ attribute, is, value }: Comparison, item: Buffer): boolean {
  const actual = readAttribute(item, attribute);
  if (actual === undefined || actual instanceof Uint8Array || typeof actual !== typeof value) return false;
  if (is === '=') return actual === value;
  const order = typeof actual === 'string' ? compareText(actual, String(value)) : Number(actual) - Number(value);
  switch (is) {
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
  }
}
