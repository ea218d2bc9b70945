import type { RangeQuery } from '../../ports/tables.js';
import { type Attributes, compareUtf8 } from './dynamo-items.js';

/** Bounds of a range query as DynamoDB takes them: one comparison of the sort key, the rest filtered here. */
export interface RangeParameters {
  readonly KeyConditionExpression: string;
  readonly ExpressionAttributeNames: Record<string, string>;
  readonly ExpressionAttributeValues: Attributes;
  /** Whether a sort key that DynamoDB found is within the range. */
  readonly isWithin: (sk: string) => boolean;
  /** At most so many rows of the base table are found that are not within. */
  readonly slack: number;
}

interface Bound {
  readonly at: string;
  readonly inclusive: boolean;
}

/**
 * @param names the attributes of the partition and sort key
 * @param encode how a sort key stands in the table
 * @returns nothing where no sort key can be within the bounds
 */
export function rangeParameters(
  query: RangeQuery,
  names: { readonly pk: string; readonly sk: string },
  encode: (sk: string) => string,
): RangeParameters | undefined {
  const { low, high } = boundsOf(query, encode);
  if (high && (high.at === '' || (low && compareUtf8(low.at, high.at) >= 0))) return undefined;
  const values: Attributes = { ':pk': { S: query.pk } };
  if (low) values[':low'] = { S: low.at };
  if (high) values[':high'] = { S: high.at };
  return {
    KeyConditionExpression: `#pk = :pk${onSk(low, high)}`,
    ExpressionAttributeNames: { '#pk': names.pk, ...(low || high ? { '#sk': names.sk } : {}) },
    ExpressionAttributeValues: values,
    isWithin: (sk) => sk !== high?.at && (low?.inclusive !== false || sk !== low.at),
    slack: low && high ? 2 : 0,
  };
}

function boundsOf(
  { from, to, after, reverse = false }: RangeQuery,
  encode: (sk: string) => string,
): { readonly low: Bound | undefined; readonly high: Bound | undefined } {
  const cursor = after === undefined ? undefined : { at: encode(after), inclusive: false };
  const start = from === undefined ? undefined : { at: encode(from), inclusive: true };
  const end = to === undefined ? undefined : { at: encode(to), inclusive: false };
  return reverse
    ? { low: nonEmpty(start), high: tighter(end, cursor, -1) }
    : { low: nonEmpty(tighter(start, cursor, 1)), high: end };
}

function onSk(low: Bound | undefined, high: Bound | undefined): string {
  // BETWEEN includes both ends: what stands on an exclusive one is left out here.
  if (low && high) return ' AND #sk BETWEEN :low AND :high';
  if (low) return ` AND #sk ${low.inclusive ? '>=' : '>'} :low`;
  return high ? ' AND #sk < :high' : '';
}

/** Every sort key is above an empty one, which no expression may name. */
function nonEmpty(bound: Bound | undefined): Bound | undefined {
  return bound?.at === '' ? undefined : bound;
}

/** The bound that leaves less; at the same key an exclusive one does. @param sign 1 for lower bounds, -1 for upper ones */
function tighter(a: Bound | undefined, b: Bound | undefined, sign: 1 | -1): Bound | undefined {
  if (!a || !b) return a ?? b;
  const order = compareUtf8(a.at, b.at) * sign;
  if (order === 0) return a.inclusive ? b : a;
  return order > 0 ? a : b;
}
