import type { Item, Scalar } from '../../ports/tables.js';

/**
 * The bytes of an item: one byte of flags, then for each attribute the length of its name (1 byte), the name, a tag and
 * the value. Own code because it is on the path of every transaction: an attribute can be compared without decoding
 * the rest, and thousands of items share one buffer.
 */

/** In the first byte: the item stands in the secondary index. */
const INDEXED = 1;

const FALSE = 0;
const TRUE = 1;
/** 4 bytes */
const INTEGER = 2;
/** 8 bytes */
const DOUBLE = 3;
/** 1 byte of length, then ASCII */
const SHORT_ASCII = 4;
/** 4 bytes of length, then UTF-8 */
const TEXT = 5;
/** 4 bytes of length, then the bytes */
const BYTES = 6;

const SLAB_BYTES = 256 * 1024;
const MAX_NAME_BYTES = 255;
/** The most that an attribute takes beside its name and value. */
const OVERHEAD_PER_ATTRIBUTE = 6;

/** Items are written one behind the other into a slab; a slab lives as long as one of its items. */
let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let used = 0;

/**
 * @param maxBytes the most that the names and values may take together
 * @throws Error where the item is larger, or a value has no place in a table: a mistake of the caller
 */
export function encodeItem(item: Item, maxBytes: number): Buffer {
  reserve(item);
  const start = used;
  let payload = 0;
  let at = start + 1;
  for (const name in item) {
    const value = item[name];
    if (value === undefined) throw new Error(`attribute ${name} is undefined: leave it out`);
    const nameEnd = writeName(name, at);
    const end = writeValue(name, value, nameEnd);
    payload += nameEnd - at - 1 + valueBytes(nameEnd, end);
    at = end;
  }
  if (payload > maxBytes) throw new Error(`an item has ${payload} bytes, at most ${maxBytes} are possible`);
  slab[start] = typeof item['indexPk'] === 'string' && typeof item['indexSk'] === 'string' ? INDEXED : 0;
  used = at;
  return slab.subarray(start, at);
}

export function decodeItem(bytes: Buffer): Item {
  const item: Record<string, Scalar> = {};
  for (let at = 1; at < bytes.length;) {
    const tagAt = at + 1 + byteAt(bytes, at);
    item[nameAt(bytes, at)] = valueAt(bytes, tagAt);
    at = valueEnd(bytes, tagAt);
  }
  return item;
}

/** Only these attributes, those of them that are there. */
export function decodeSome(bytes: Buffer, names: readonly string[]): Item {
  const item: Record<string, Scalar> = {};
  for (let at = 1; at < bytes.length;) {
    const tagAt = at + 1 + byteAt(bytes, at);
    const name = nameAt(bytes, at);
    if (names.includes(name)) item[name] = valueAt(bytes, tagAt);
    at = valueEnd(bytes, tagAt);
  }
  return item;
}

/** One attribute of an encoded item, without decoding the others. */
export function readAttribute(bytes: Buffer, name: string): Scalar | undefined {
  for (let at = 1; at < bytes.length;) {
    const tagAt = at + 1 + byteAt(bytes, at);
    if (isNamed(bytes, at, name)) return valueAt(bytes, tagAt);
    at = valueEnd(bytes, tagAt);
  }
  return undefined;
}

/** Whether it has both `indexPk` and `indexSk`. */
export function isIndexed(bytes: Buffer): boolean {
  return (byteAt(bytes, 0) & INDEXED) !== 0;
}

/** Makes room for the item at the end of the slab, whatever it takes. */
function reserve(item: Item): void {
  let most = 1;
  for (const name in item) {
    const value = item[name];
    most += OVERHEAD_PER_ATTRIBUTE + 8 + name.length * 3;
    if (typeof value === 'string') most += value.length * 3;
    else if (value instanceof Uint8Array) most += value.length;
  }
  if (used + most <= slab.length) return;
  slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, most));
  used = 0;
}

function writeName(name: string, at: number): number {
  let end = at + 1;
  for (let i = 0; i < name.length; i += 1, end += 1) {
    const unit = name.charCodeAt(i);
    if (unit > 0x7f) {
      end = at + 1 + writeText(name, name, at + 1);
      break;
    }
    slab[end] = unit;
  }
  const length = end - at - 1;
  if (length > MAX_NAME_BYTES) throw new Error(`the attribute name ${name} is longer than ${MAX_NAME_BYTES} bytes`);
  slab[at] = length;
  return end;
}

function writeValue(name: string, value: Scalar, at: number): number {
  switch (typeof value) {
    case 'string':
      return writeString(name, value, at);
    case 'boolean':
      slab[at] = value ? TRUE : FALSE;
      return at + 1;
    case 'number':
      return writeNumber(name, value, at);
    default:
      if (!(value instanceof Uint8Array)) throw new Error(`attribute ${name} is no scalar`);
      slab[at] = BYTES;
      slab.writeUInt32LE(value.length, at + 1);
      slab.set(value, at + 5);
      return at + 5 + value.length;
  }
}

function writeNumber(name: string, value: number, at: number): number {
  if (!Number.isFinite(value)) throw new Error(`attribute ${name} is ${value}: no number that a table can hold`);
  if ((value | 0) === value && !Object.is(value, -0)) {
    slab[at] = INTEGER;
    return slab.writeInt32LE(value, at + 1);
  }
  slab[at] = DOUBLE;
  return slab.writeDoubleLE(value, at + 1);
}

function writeString(name: string, value: string, at: number): number {
  if (value.length < 64 && writeShort(value, at)) return at + 2 + value.length;
  const length = writeText(name, value, at + 5);
  slab[at] = TEXT;
  slab.writeUInt32LE(length, at + 1);
  return at + 5 + length;
}

/** False where the text is not ASCII. A loop is faster than native code for the short texts that items consist of. */
function writeShort(value: string, at: number): boolean {
  const start = at + 2;
  for (let i = 0; i < value.length; i += 1) {
    const unit = value.charCodeAt(i);
    if (unit > 0x7f) return false;
    slab[start + i] = unit;
  }
  slab[at] = SHORT_ASCII;
  slab[at + 1] = value.length;
  return true;
}

function writeText(name: string, value: string, at: number): number {
  const length = slab.write(value, at, 'utf8');
  if (length !== value.length && !value.isWellFormed()) {
    throw new Error(`attribute ${name} holds half a surrogate pair, which is not Unicode`);
  }
  return length;
}

function byteAt(bytes: Buffer, at: number): number {
  return bytes[at] ?? 0;
}

function valueAt(bytes: Buffer, at: number): Scalar {
  const tag = byteAt(bytes, at);
  switch (tag) {
    case FALSE:
      return false;
    case TRUE:
      return true;
    case INTEGER:
      return bytes.readInt32LE(at + 1);
    case DOUBLE:
      return bytes.readDoubleLE(at + 1);
    case SHORT_ASCII:
      return bytes.toString('latin1', at + 2, at + 2 + byteAt(bytes, at + 1));
    case TEXT:
      return bytes.toString('utf8', at + 5, valueEnd(bytes, at));
    case BYTES:
      return Uint8Array.prototype.slice.call(
        new Uint8Array(bytes.buffer, bytes.byteOffset + at + 5, bytes.readUInt32LE(at + 1)),
      );
    default:
      throw new Error(`an item is damaged: unknown tag ${tag}`);
  }
}

function valueEnd(bytes: Buffer, at: number): number {
  switch (byteAt(bytes, at)) {
    case INTEGER:
      return at + 5;
    case DOUBLE:
      return at + 9;
    case SHORT_ASCII:
      return at + 2 + byteAt(bytes, at + 1);
    case TEXT:
    case BYTES:
      return at + 5 + bytes.readUInt32LE(at + 1);
    default:
      return at + 1;
  }
}

/** The bytes of a value that count as its size, given where it stands in the slab. */
function valueBytes(at: number, end: number): number {
  switch (slab[at]) {
    case SHORT_ASCII:
      return end - at - 2;
    case TEXT:
    case BYTES:
      return end - at - 5;
    default:
      return Math.max(1, end - at - 1);
  }
}

function isNamed(bytes: Buffer, at: number, name: string): boolean {
  const length = byteAt(bytes, at);
  if (length !== name.length) return length > name.length && nameAt(bytes, at) === name;
  for (let i = 0; i < length; i += 1) {
    if (bytes[at + 1 + i] !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** A test's sandbox looks a global name up slowly, and this is the innermost loop. */
const imul = Math.imul;

/** Attribute names are few and come again and again: a string for each is made once. */
const KNOWN_NAMES = 512;
const known: (string | undefined)[] = new Array<string | undefined>(KNOWN_NAMES).fill(undefined);

function nameAt(bytes: Buffer, at: number): string {
  const length = byteAt(bytes, at);
  let hash = length;
  for (let i = at + 1; i <= at + length; i += 1) hash = imul(hash, 31) + byteAt(bytes, i);
  const slot = (hash >>> 0) % KNOWN_NAMES;
  const candidate = known[slot];
  // An ASCII name has as many characters as bytes; others are decoded each time.
  if (candidate?.length === length && isNamed(bytes, at, candidate)) return candidate;
  const name = bytes.toString('utf8', at + 1, at + 1 + length);
  known[slot] = name;
  return name;
}
