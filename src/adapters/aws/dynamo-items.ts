import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { Clause, Comparison, Condition, Item, Key, Row, Scalar } from '../../ports/tables.js';

/**
 * Items, keys and conditions of the port in the language of DynamoDB.
 *
 * A table's key attributes are `pk` and `sk`; an item's own attributes of these names get an underscore in front. DynamoDB
 * takes no empty key, so an empty `sk`, and one that begins with NUL, gets a NUL in front: the order stays what it is.
 */

export type Attributes = Record<string, AttributeValue>;

const NUL = '\0';
const KEY_NAME = /^_*(?:pk|sk)$/;

export const escapeSk = (sk: string): string => (sk === '' || sk.startsWith(NUL) ? NUL + sk : sk);
const unescapeSk = (sk: string): string => (sk.startsWith(NUL) ? sk.slice(1) : sk);

export const encodeKey = ({ pk, sk }: Key): Attributes => ({ pk: { S: pk }, sk: { S: escapeSk(sk) } });

const attributeName = (name: string): string => (KEY_NAME.test(name) ? `_${name}` : name);

function encodeScalar(value: Scalar): AttributeValue {
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'number') return { N: String(value) };
  if (typeof value === 'boolean') return { BOOL: value };
  return { B: value };
}

function decodeScalar(name: string, value: AttributeValue): Scalar {
  if (value.S !== undefined) return value.S;
  if (value.N !== undefined) return Number(value.N);
  if (value.BOOL !== undefined) return value.BOOL;
  if (value.B !== undefined) return new Uint8Array(value.B);
  throw new Error(`attribute ${name} has a type that Lockstep never writes`);
}

export function encodeItem(key: Key, item: Item): Attributes {
  const attributes = encodeKey(key);
  for (const [name, value] of Object.entries(item)) attributes[attributeName(name)] = encodeScalar(value);
  return attributes;
}

export function decodeItem(attributes: Attributes): Item {
  const item: Record<string, Scalar> = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'pk' || name === 'sk') continue;
    item[KEY_NAME.test(name) ? name.slice(1) : name] = decodeScalar(name, value);
  }
  return item;
}

export function decodeKey(attributes: Attributes): Key {
  return { pk: attributes['pk']?.S ?? '', sk: unescapeSk(attributes['sk']?.S ?? '') };
}

export const decodeRow = (attributes: Attributes): Row => ({
  key: decodeKey(attributes),
  item: decodeItem(attributes),
});

/** About what DynamoDB counts: names and values, key included. */
export function bytesOf(attributes: Attributes): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(attributes)) {
    bytes += Buffer.byteLength(name) + (value.B?.length ?? Buffer.byteLength(value.S ?? value.N ?? ' '));
  }
  return bytes;
}

/** A condition as the parameters of a request. */
export interface ConditionParameters {
  readonly ConditionExpression: string;
  readonly ExpressionAttributeNames?: Record<string, string>;
  readonly ExpressionAttributeValues?: Attributes;
}

/** @returns nothing where the condition always holds */
export function encodeCondition(condition: Condition | undefined): ConditionParameters | undefined {
  if (condition === undefined || condition.length === 0) return undefined;
  const names = new Map<string, string>();
  const values: Attributes = {};
  const compare = ({ attribute, is, value }: Comparison): string => {
    if (typeof value === 'boolean' && is !== '=') throw new Error(`${attribute}: true and false have no order`);
    const name = names.get(attribute) ?? `#${names.size}`;
    names.set(attribute, name);
    const placeholder = `:${Object.keys(values).length}`;
    values[placeholder] = encodeScalar(value);
    return `${name} ${is} ${placeholder}`;
  };
  const clause = (of: Clause): string => {
    if (of === 'absent') return 'attribute_not_exists(pk)';
    return of.length === 0 ? 'attribute_exists(pk)' : of.map(compare).join(' AND ');
  };
  const ConditionExpression = condition.map((of) => `(${clause(of)})`).join(' OR ');
  if (names.size === 0) return { ConditionExpression };
  return {
    ConditionExpression,
    ExpressionAttributeNames: Object.fromEntries(
      [...names].map(([attribute, name]) => [name, attributeName(attribute)]),
    ),
    ExpressionAttributeValues: values,
  };
}

/** What always holds, for a request that cannot do without a condition. */
export const ALWAYS: ConditionParameters = {
  ConditionExpression: 'attribute_exists(pk) OR attribute_not_exists(pk)',
};

/** The order of DynamoDB's strings: that of their UTF-8. */
export const compareUtf8 = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
