import { PortThrottled } from '../../ports/failures.js';
import {
  ConditionFailed,
  type Item,
  type Key,
  type RangeQuery,
  type Row,
  type RowPage,
  type ScanRange,
  type Tables,
  type Write,
  WriteConflict,
} from '../../ports/tables.js';
import { holds } from './conditions.js';
import { decodeItem, decodeSome, encodeItem } from './item-codec.js';
import { MAX_KEY_BYTES, type OrderedStore } from './ordered-store.js';
import { TableKeys, fromPrimaryBytes, primaryBytes } from './table-keys.js';

export interface EmbeddedTablesOptions {
  /** Keeps these tables apart from others in the same store. @default '' */
  readonly namespace?: string;
  /** Injects conflicts: where it returns true, `transact` throws WriteConflict and writes nothing. */
  readonly conflict?: (writes: readonly Write[]) => boolean;
}

const MAX_ITEMS = 4000;
const MAX_ITEM_BYTES = 400 * 1024;
const MAX_TRANSACT_BYTES = 64 * 1024 * 1024;
const MAX_LIMIT = 1000;
/** A page also ends when its items have this many bytes. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;

/** What one write changes, worked out before anything is staged. */
interface Change {
  readonly key: string;
  /** The new item, undefined where it is deleted. */
  readonly value: Buffer | undefined;
  /** The index entries of the item before and after. */
  readonly oldEntry: string | undefined;
  readonly newEntry: string | undefined;
  readonly primary: Key;
}

/**
 * A site's tables in an ordered store.
 *
 * Conditions are evaluated and writes staged in one turn of the process that owns the store, so transactions are
 * serializable without locks. Sort keys order by their UTF-8 bytes. A key takes at most 1,970 bytes of UTF-8, `pk` and
 * `sk` together; an `indexSk` must not contain U+FDD0. Values and keys must be valid Unicode. What breaks these rules
 * is a mistake of the caller and throws a plain Error before anything is written.
 */
export class EmbeddedTables implements Tables {
  readonly maxItems = MAX_ITEMS;
  readonly maxItemBytes = MAX_ITEM_BYTES;
  readonly maxTransactBytes = MAX_TRANSACT_BYTES;
  readonly #store: OrderedStore;
  readonly #keys: TableKeys;
  readonly #conflict: EmbeddedTablesOptions['conflict'];

  constructor(store: OrderedStore, options: EmbeddedTablesOptions = {}) {
    this.#store = store;
    this.#keys = new TableKeys(options.namespace ?? '');
    this.#conflict = options.conflict;
  }

  // Neither async nor awaiting: all transactions of a batch share its one promise.
  transact(writes: readonly Write[]): Promise<void> {
    try {
      const failed = this.#stage(writes);
      if (failed === undefined) return this.#store.commit();
      // The refusal may rest on what is only staged: it must not be known before that is durable.
      return this.#store.commit().then(() => {
        throw new ConditionFailed(failed);
      });
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async writeEach(writes: readonly Write[]): Promise<readonly boolean[]> {
    this.#admit();
    const held = writes.map((write) => {
      const key = this.#keys.item(write.key);
      const current = this.#store.latest(key);
      if (!holds(write.when, current)) return false;
      if (write.kind !== 'check') this.#apply(this.#change(write, key, current));
      return true;
    });
    await this.#store.commit();
    return held;
  }

  async get(keys: readonly Key[]): Promise<readonly (Item | undefined)[]> {
    return keys.map((key) => {
      const bytes = this.#store.get(this.#keys.item(key));
      return bytes === undefined ? undefined : decodeItem(bytes);
    });
  }

  async query(query: RangeQuery): Promise<RowPage> {
    const limit = limitOf(query);
    const rows: Row[] = [];
    let next: string | undefined;
    let bytes = 0;
    this.#store.scan(this.#keys.itemRange(query), (key, value) => {
      if (rows.length >= limit || bytes > MAX_PAGE_BYTES) {
        next = rows.at(-1)?.key.sk;
        return false;
      }
      rows.push({ key: { pk: query.pk, sk: this.#keys.sortKey(query, key) }, item: decodeItem(value) });
      bytes += value.length;
      return true;
    });
    return { rows, ...(next === undefined ? {} : { next }) };
  }

  async scan({ prefix, after, attributes, limit = MAX_LIMIT }: ScanRange): Promise<RowPage> {
    const rows: Row[] = [];
    let bytes = 0;
    let last = '';
    let next: string | undefined;
    this.#store.scan(this.#keys.prefixRange(prefix, after), (key, value) => {
      if (rows.length >= limit || bytes > MAX_PAGE_BYTES) {
        next = last;
        return false;
      }
      rows.push({ key: this.#keys.keyOf(key), item: attributes ? decodeSome(value, attributes) : decodeItem(value) });
      bytes += value.length;
      last = key;
      return true;
    });
    return { rows, ...(next === undefined ? {} : { next }) };
  }

  async queryIndex(query: RangeQuery): Promise<RowPage> {
    const limit = limitOf(query);
    const entries: { readonly at: string; readonly names: string }[] = [];
    this.#store.scan(this.#keys.indexRange(query), (at, value) => {
      entries.push({ at, names: value.toString('latin1') });
      return entries.length <= limit;
    });
    const rows: Row[] = [];
    let bytes = 0;
    for (const { names } of entries) {
      if (rows.length >= limit || bytes > MAX_PAGE_BYTES) break;
      const item = this.#store.get(this.#keys.named(names));
      if (item === undefined) throw new Error('the index names an item that is not there');
      rows.push({ key: fromPrimaryBytes(names), item: decodeItem(item) });
      bytes += item.length;
    }
    const last = entries[rows.length - 1];
    const next = entries[rows.length];
    if (last === undefined || next === undefined) return { rows };
    return { rows, next: this.#keys.indexCursor(query, last.at, next.at) };
  }

  /** Stages all writes, or none and says which conditions do not hold. */
  #stage(writes: readonly Write[]): Map<number, Item | undefined> | undefined {
    if (writes.length > MAX_ITEMS) throw new Error(`a transaction names ${writes.length} items, at most ${MAX_ITEMS}`);
    this.#admit();
    if (this.#conflict?.(writes) === true) throw new WriteConflict('another transaction holds an item');
    const keys: string[] = [];
    const changes: Change[] = [];
    let failed: Map<number, Item | undefined> | undefined;
    for (const write of writes) {
      const key = this.#keys.item(write.key);
      const current = this.#store.latest(key);
      if (!holds(write.when, current)) {
        failed ??= new Map<number, Item | undefined>();
        failed.set(keys.length, current && decodeItem(current));
      } else if (write.kind !== 'check') {
        changes.push(this.#change(write, key, current));
      }
      keys.push(key);
    }
    refuseDuplicates(keys);
    // Nothing can be refused from here on: all or none.
    if (failed === undefined) for (const change of changes) this.#apply(change);
    return failed;
  }

  #change(write: Exclude<Write, { kind: 'check' }>, key: string, current: Buffer | undefined): Change {
    if (key.length > MAX_KEY_BYTES) throw new Error(`a key takes ${key.length} bytes, at most ${MAX_KEY_BYTES}`);
    const oldEntry = this.#keys.indexEntry(write.key, current);
    const value = write.kind === 'put' ? encodeItem(write.item, MAX_ITEM_BYTES) : undefined;
    return { key, value, oldEntry, newEntry: this.#keys.indexEntry(write.key, value), primary: write.key };
  }

  #apply({ key, value, oldEntry, newEntry, primary }: Change): void {
    if (value === undefined) this.#store.remove(key);
    else this.#store.put(key, value);
    if (oldEntry === newEntry) return;
    if (oldEntry !== undefined) this.#store.remove(oldEntry);
    if (newEntry !== undefined) this.#store.put(newEntry, Buffer.from(primaryBytes(primary), 'latin1'));
  }

  #admit(): void {
    if (this.#store.crowded) throw new PortThrottled('the disk is behind: too much waits to be written');
  }
}

function limitOf({ limit = MAX_LIMIT }: RangeQuery): number {
  if (!(limit >= 1 && limit <= MAX_LIMIT)) throw new Error(`a limit is 1 to ${MAX_LIMIT}, not ${limit}`);
  return limit;
}

function refuseDuplicates(keys: readonly string[]): void {
  // Most transactions name a handful of items: comparing each with each is cheaper than a set.
  const repeated = keys.length > 8 ? new Set(keys).size < keys.length : keys.some((key, i) => keys.indexOf(key) < i);
  if (repeated) throw new Error('a transaction names an item twice');
}
