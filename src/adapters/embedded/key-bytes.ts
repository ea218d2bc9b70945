/**
 * Keys of the ordered stores are byte strings: JavaScript strings of which every character stands for one byte. They
 * compare with `<` exactly as the bytes do on disk, and for plain ASCII text they are the text itself, at no cost.
 *
 * Text goes in as UTF-8, so that keys sort as in DynamoDB: by UTF-8 bytes, which is the order of code points (and
 * differs from JavaScript's own order only beyond U+FFFF).
 */

/** Occurs in no UTF-8 text: ends one component of a key where the order of the next one matters. */
export const SEPARATOR = '\xff';

/**
 * The UTF-8 bytes of a text as a byte string.
 *
 * @throws Error where the text holds half a surrogate pair: it has no UTF-8 form, and two such keys would become one
 */
export function toKeyBytes(text: string): string {
  for (let i = 0; i < text.length; i += 1) {
    if (text.charCodeAt(i) > 0x7f) return encodeUnicode(text);
  }
  return text;
}

export function fromKeyBytes(bytes: string): string {
  for (let i = 0; i < bytes.length; i += 1) {
    if (bytes.charCodeAt(i) > 0x7f) return Buffer.from(bytes, 'latin1').toString('utf8');
  }
  return bytes;
}

function encodeUnicode(text: string): string {
  if (!text.isWellFormed()) throw new Error('a key holds half a surrogate pair, which is not Unicode');
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Below every text that starts with the escaped one, above the text itself and its ties: ends a component in order. */
const END = '\0\x01';
const BEHIND_END = '\0\x02';

/** A component that others follow and whose order matters: NUL is escaped so that the end mark sorts below all text. */
export function escapeComponent(bytes: string): string {
  return bytes.includes('\0') ? bytes.replaceAll('\0', '\0\xff') : bytes;
}

export function endComponent(bytes: string): string {
  return escapeComponent(bytes) + END;
}

/** Sorts directly behind everything in which this component ends. */
export function behindComponent(bytes: string): string {
  return escapeComponent(bytes) + BEHIND_END;
}

/** Splits what follows `endComponent(first)` off: the position behind the end mark, -1 where there is none. */
export function componentEnd(key: string, from: number): number {
  for (let at = key.indexOf('\0', from); at >= 0; at = key.indexOf('\0', at + 2)) {
    if (key.charCodeAt(at + 1) === 1) return at + END.length;
  }
  return -1;
}

/** Undoes `endComponent` for the part of `key` from `from` up to `end`, a position that `componentEnd` gave. */
export function readComponent(key: string, from: number, end: number): string {
  return key.slice(from, end - END.length).replaceAll('\0\xff', '\0');
}

/** The order of two texts as UTF-8 bytes: negative, 0 or positive. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return x >= 0xd800 && y >= 0xd800 ? codePointRank(x) - codePointRank(y) : x - y;
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all other code units; lifts them above U+E000 to U+FFFF. */
function codePointRank(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}
