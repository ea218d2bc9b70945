import type { Json } from '../api.js';
import type { SeenEvent } from './context.js';

/** What stands at the end of a path: a scalar, or an array or object with nothing in it. */
export type Leaf = string | number | boolean | null;

/** An event's key and payload, taken apart: which values stand where. */
export interface Leaves {
  /** How the values go together: the payload with the number of a leaf in place of each. */
  readonly shape: Shape;
  /** One for each path of the shape, the key first. */
  readonly values: readonly Leaf[];
}

export interface Shape {
  readonly signature: string;
  readonly kind: 'json' | 'base64' | 'none';
  readonly skeleton: Json;
  readonly paths: readonly string[];
}

/** A payload with more is not foreseen: nobody writes it twice alike. */
const MAX_LEAVES = 64;
const MAX_DEPTH = 16;
const MAX_LEAF_CHARACTERS = 4096;

const KEY = 'key';
const DATA = 'data';

/** @returns undefined for an event that is too large or nests too deep to be foreseen */
export function takeApart({ key, data, dataBase64 }: SeenEvent): Leaves | undefined {
  const paths: string[] = [KEY];
  const values: Leaf[] = [key];
  const skeleton = walk(data ?? dataBase64 ?? null, DATA, 0, paths, values);
  if (skeleton === undefined) return undefined;
  const kind = dataBase64 !== undefined ? 'base64' : data === undefined ? 'none' : 'json';
  return { shape: { signature: `${kind}:${JSON.stringify([skeleton, paths])}`, kind, skeleton, paths }, values };
}

/** The other way round. @returns undefined where the values do not make an event: a key that is no text */
export function putTogether(
  { kind, skeleton }: Shape,
  values: readonly Leaf[],
): Pick<SeenEvent, 'key' | 'data' | 'dataBase64'> | undefined {
  const [key] = values;
  if (typeof key !== 'string' || key === '') return undefined;
  if (kind === 'none') return { key };
  const data = fill(skeleton, values);
  if (kind === 'json') return { key, data };
  return typeof data === 'string' ? { key, dataBase64: data } : undefined;
}

/** @returns the skeleton; undefined where there is too much */
function walk(value: Json, path: string, depth: number, paths: string[], values: Leaf[]): Json | undefined {
  if (typeof value !== 'object' || value === null) return leaf(value, path, paths, values);
  if (depth >= MAX_DEPTH) return undefined;
  if (Array.isArray(value)) {
    const items: Json[] = [];
    for (const [index, item] of (value as readonly Json[]).entries()) {
      const walked = walk(item, `${path}/${index}`, depth + 1, paths, values);
      if (walked === undefined) return undefined;
      items.push(walked);
    }
    return items;
  }
  const members: [string, Json][] = [];
  // Sorted, so that the order in which a client wrote its members makes no other shape.
  for (const name of Object.keys(value).sort()) {
    const walked = walk(
      (value as Readonly<Record<string, Json>>)[name] ?? null,
      `${path}/${name}`,
      depth + 1,
      paths,
      values,
    );
    if (walked === undefined) return undefined;
    members.push([name, walked]);
  }
  return Object.fromEntries(members);
}

function leaf(value: Leaf, path: string, paths: string[], values: Leaf[]): number | undefined {
  if (values.length >= MAX_LEAVES) return undefined;
  if (typeof value === 'string' && value.length > MAX_LEAF_CHARACTERS) return undefined;
  paths.push(path);
  values.push(value);
  return values.length - 1;
}

function fill(skeleton: Json, values: readonly Leaf[]): Json {
  if (typeof skeleton === 'number') return values[skeleton] ?? null;
  if (Array.isArray(skeleton)) return (skeleton as readonly Json[]).map((item) => fill(item, values));
  return Object.fromEntries(
    Object.entries(skeleton as Readonly<Record<string, Json>>).map(([name, item]) => [name, fill(item, values)]),
  );
}
