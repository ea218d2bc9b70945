import { createHash } from 'node:crypto';
import type { Key, RangeQuery } from '../../ports/tables.js';
import { isIndexed, readAttribute } from './item-codec.js';
import {
  SEPARATOR,
  behindComponent,
  componentEnd,
  endComponent,
  escapeComponent,
  fromKeyBytes,
  readComponent,
  toKeyBytes,
} from './key-bytes.js';
import { type KeyRange, MAX_KEY_BYTES } from './ordered-store.js';

/**
 * In the cursor of an index page that ends between items of equal `indexSk`: what follows tells where. A character that
 * Unicode keeps out of text for such uses.
 */
const TIE = '\ufdd0';

/** Of the digest of a primary key: enough that no two are ever equal. */
const DIGEST_BYTES = 16;

/**
 * Where items and index entries stand in an ordered store.
 *
 *   {namespace} FF t {pk} FF {sk}                      the item
 *   {namespace} FF i {indexPk} FF {indexSk} END {tie}  names an item by `pk FF sk`, which is also the tie where it fits
 */
export class TableKeys {
  readonly #items: string;
  readonly #index: string;

  constructor(namespace: string) {
    this.#items = `${toKeyBytes(namespace)}${SEPARATOR}t`;
    this.#index = `${toKeyBytes(namespace)}${SEPARATOR}i`;
  }

  item(key: Key): string {
    return this.#items + primaryBytes(key);
  }

  /** The item that an index entry names by its value. */
  named(entry: string): string {
    return this.#items + entry;
  }

  itemRange(query: RangeQuery): KeyRange {
    const start = this.#items + toKeyBytes(query.pk) + SEPARATOR;
    return rangeFrom(
      start,
      query,
      toKeyBytes,
      (after) => `${toKeyBytes(after)}\0`,
      (after) => toKeyBytes(after),
    );
  }

  /** The sort key of an item that stands in the range of this query. */
  sortKey(query: RangeQuery, key: string): string {
    return fromKeyBytes(key.slice(this.#items.length + toKeyBytes(query.pk).length + 1));
  }

  /** Every item of the partitions whose names start so, behind one of them where a walk goes on. */
  prefixRange(prefix: string, after: string | undefined): KeyRange {
    const start = this.#items + toKeyBytes(prefix);
    // No byte of UTF-8 is FF: this is above each of them, and above the separator with what may follow it.
    return { from: after === undefined ? start : `${after}\0`, to: start + SEPARATOR + SEPARATOR };
  }

  keyOf(key: string): Key {
    return fromPrimaryBytes(key.slice(this.#items.length));
  }

  /** The index entry of an encoded item, undefined where it has none. */
  indexEntry(key: Key, item: Buffer | undefined): string | undefined {
    if (item === undefined || !isIndexed(item)) return undefined;
    const indexSk = String(readAttribute(item, 'indexSk'));
    if (indexSk.includes(TIE)) throw new Error('an indexSk must not contain U+FDD0');
    const start = this.#indexPartition(String(readAttribute(item, 'indexPk'))) + endComponent(toKeyBytes(indexSk));
    return start + tieBreaker(primaryBytes(key), MAX_KEY_BYTES - start.length);
  }

  indexRange(query: RangeQuery): KeyRange {
    return rangeFrom(
      this.#indexPartition(query.pk),
      query,
      (sk) => escapeComponent(toKeyBytes(sk)),
      (after) => (after.includes(TIE) ? `${tiePosition(after)}\0` : behindComponent(toKeyBytes(after))),
      (after) => (after.includes(TIE) ? tiePosition(after) : escapeComponent(toKeyBytes(after))),
    );
  }

  /** Where a page goes on that ends with one entry and leaves the next one out. */
  indexCursor(query: RangeQuery, last: string, next: string): string {
    const from = this.#indexPartition(query.pk).length;
    const end = componentEnd(last, from);
    const indexSk = fromKeyBytes(readComponent(last, from, end));
    if (!next.startsWith(last.slice(0, end))) return indexSk;
    return indexSk + TIE + Buffer.from(last.slice(end), 'latin1').toString('hex');
  }

  #indexPartition(indexPk: string): string {
    return this.#index + toKeyBytes(indexPk) + SEPARATOR;
  }
}

/** `pk FF sk` as a byte string. */
export function primaryBytes(key: Key): string {
  return toKeyBytes(key.pk) + SEPARATOR + toKeyBytes(key.sk);
}

export function fromPrimaryBytes(bytes: string): Key {
  const split = bytes.indexOf(SEPARATOR);
  return { pk: fromKeyBytes(bytes.slice(0, split)), sk: fromKeyBytes(bytes.slice(split + 1)) };
}

/** The range of a query behind `start`; the three functions give a bound, and the places behind and before a cursor. */
function rangeFrom(
  start: string,
  query: RangeQuery,
  bound: (sk: string) => string,
  behind: (after: string) => string,
  before: (after: string) => string,
): KeyRange {
  let from = start + (query.from === undefined ? '' : bound(query.from));
  let to = start + (query.to === undefined ? SEPARATOR : bound(query.to));
  const reverse = query.reverse === true;
  if (query.after !== undefined) {
    const cursor = start + (reverse ? before(query.after) : behind(query.after));
    if (reverse) to = cursor < to ? cursor : to;
    else from = cursor > from ? cursor : from;
  }
  return { from, to, reverse };
}

/** The entry, behind the start of its partition, at which a page between ties has ended. */
function tiePosition(after: string): string {
  const [indexSk = '', tie = ''] = after.split(TIE);
  return endComponent(toKeyBytes(indexSk)) + Buffer.from(tie, 'hex').toString('latin1');
}

/** Tells entries with equal index keys apart: the primary key itself, or its digest where there is no room for it. */
function tieBreaker(primary: string, room: number): string {
  if (primary.length <= room) return primary;
  if (room < DIGEST_BYTES) throw new Error(`an index key is too long by ${DIGEST_BYTES - room} bytes`);
  return createHash('sha256').update(primary, 'latin1').digest().toString('latin1', 0, DIGEST_BYTES);
}
