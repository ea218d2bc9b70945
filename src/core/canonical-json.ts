import { LockstepError } from './errors.js';

/** How deep objects and arrays may nest in an event's data. */
export const MAX_DEPTH = 128;

/**
 * The RFC 8785 (JCS) form of a JSON value: sorted keys, shortest numbers, no white space.
 *
 * Own code although a library exists, because digests rest on it and because it must refuse, not overflow on, data that
 * nests too deep. The tests hold it against the `canonicalize` package.
 *
 * @throws LockstepError InvalidRequest where a value is no JSON, a string is no valid Unicode, or the nesting is deeper
 *   than `MAX_DEPTH`
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0);
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return writeString(value);
    case 'number':
      if (!Number.isFinite(value))
        throw new LockstepError('InvalidRequest', 'data: JSON has no infinite numbers and no NaN');
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      break;
    default:
      throw new LockstepError('InvalidRequest', `data: a ${typeof value} is no JSON value`);
  }
  if (value === null) return 'null';
  if (depth >= MAX_DEPTH) throw new LockstepError('InvalidRequest', `data: nests deeper than ${MAX_DEPTH} levels`);
  return Array.isArray(value) ? writeArray(value, depth + 1) : writeObject(value as Record<string, unknown>, depth + 1);
}

function writeString(text: string): string {
  if (!text.isWellFormed())
    throw new LockstepError('InvalidRequest', 'data: a string holds half a surrogate pair, which is not Unicode');
  return JSON.stringify(text);
}

function writeArray(values: readonly unknown[], depth: number): string {
  return `[${values.map((value) => write(value, depth)).join(',')}]`;
}

function writeObject(members: Readonly<Record<string, unknown>>, depth: number): string {
  // RFC 8785 sorts by UTF-16 code units, which is what JavaScript's own string comparison does.
  const keys = Object.keys(members).sort();
  let text = '{';
  for (const key of keys) {
    if (text.length > 1) text += ',';
    text += `${writeString(key)}:${write(members[key], depth)}`;
  }
  return `${text}}`;
}
