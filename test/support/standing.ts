import { decodeItem } from '../../src/adapters/embedded/item-codec.js';
import type { MemoryStore } from '../../src/adapters/embedded/memory-store.js';
import { EmbeddedStreams } from '../../src/adapters/embedded/streams.js';
import { fromPrimaryBytes } from '../../src/adapters/embedded/table-keys.js';
import type { VirtualClock } from '../../src/adapters/embedded/virtual-clock.js';
import type { Candidate } from '../../src/core/candidate.js';
import { type DecidedEntry, type Entry, isDecided } from '../../src/core/entry.js';
import {
  type Guard,
  type Mark,
  type StagedEvent,
  type VersionItem,
  TALLIED,
  candidatesAmong,
  chunkKeys,
  decodeEntry,
  readGuard,
  readMark,
  readVersion,
  stagedAmong,
} from '../../src/core/items.js';
import { type DecodedRecord, decodeRecord } from '../../src/core/record.js';
import type { Item, Key, Row } from '../../src/core/table.js';
import type { Timestamp } from '../../src/core/timestamp.js';
import type { Position } from '../../src/ports/streams.js';

export type StandingPart = Extract<DecodedRecord, { kind: 'part' }>;

/** All that stands at one site: read from its store itself, past its use cases and past every fault. */
export interface Standing {
  readonly guards: readonly Guard[];
  readonly entries: ReadonlyMap<string, Entry>;
  readonly marks: ReadonlyMap<string, Mark>;
  readonly staged: ReadonlyMap<string, readonly StagedEvent[]>;
  /** What this site foresees, by transaction: on no stream, and nobody's event. */
  readonly candidates: ReadonlyMap<string, readonly Candidate[]>;
  /** Transactions of which the agent here has staged candidates and not yet counted them. */
  readonly tallied: readonly string[];
  /** By `stream/key`. */
  readonly versions: ReadonlyMap<string, VersionItem>;
  /** Ids in the order in which they wait, by stream. */
  readonly backlog: ReadonlyMap<string, readonly string[]>;
  /** Closed timestamps by stream. */
  readonly closed: ReadonlyMap<string, string>;
  /** What stands on this site's replicas, in the order of arrival within each shard. */
  readonly parts: readonly StandingPart[];
  decided(id: string): DecidedEntry | undefined;
  /** `open`, `committed`, `aborted`, or `none`. */
  status(id: string): Entry['status'] | 'none';
  /** Ids on a replica here, each once. */
  on(stream: string): readonly string[];
}

/** What stands in a shard as far as it has been read, and where to go on; nowhere, where it has come to its end. */
interface ReadShard {
  readonly parts: StandingPart[];
  next: Position | undefined;
}

/** What was decoded by an earlier look at the same site: most of what stands there has not changed since. */
export class Decoded {
  readonly #items = new WeakMap<Buffer, Item>();
  readonly #keys = new Map<string, Key>();
  readonly #entries = new WeakMap<Item, Entry>();
  readonly #shards = new Map<string, ReadShard>();

  item(value: Buffer): Item {
    return kept(this.#items, value, () => decodeItem(value));
  }

  key(bytes: string): Key {
    let key = this.#keys.get(bytes);
    if (key === undefined) this.#keys.set(bytes, (key = fromPrimaryBytes(bytes)));
    return key;
  }

  entry(item: Item, decode: () => Entry): Entry {
    return kept(this.#entries, item, decode);
  }

  /** Shards only grow: a replica that begins anew has another name, and nothing is trimmed while somebody looks. */
  shard(name: string, shardId: string): ReadShard {
    const place = `${name}/${shardId}`;
    let shard = this.#shards.get(place);
    if (shard === undefined) this.#shards.set(place, (shard = { parts: [], next: 'oldest' }));
    return shard;
  }
}

/** What a map keeps under a key, made where it is not there yet. */
export function kept<K extends object, V>(map: WeakMap<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

/** Where the embedded engine keeps a site's items (`src/adapters/embedded/table-keys.ts`). */
const ITEMS = 't\xfft';

interface StoredRow extends Key {
  readonly item: Item;
}

/** What is found among the rows of each transaction, by its id. */
function amongRows<T>(
  rows: readonly StoredRow[],
  find: (id: string, rows: readonly Row[]) => readonly T[],
): ReadonlyMap<string, readonly T[]> {
  const byId = grouped(
    rows,
    ({ pk }) => pk.slice(3),
    ({ pk, sk, item }) => ({ key: { pk, sk }, item }),
  );
  const found = [...byId].map(([id, all]) => [id, find(id, all)] as const);
  return new Map(found.filter(([, events]) => events.length > 0));
}

/** The rows of a site by what they are: what begins the names of their partitions. */
function rowsOf(store: MemoryStore, decoded: Decoded): ReadonlyMap<string, readonly StoredRow[]> {
  const rows: StoredRow[] = [];
  store.scan({ from: ITEMS, to: `${ITEMS}\xff\xff\xff` }, (bytes, value) => {
    const { pk, sk } = decoded.key(bytes.slice(ITEMS.length));
    rows.push({ pk, sk, item: decoded.item(value) });
    return true;
  });
  return grouped(
    rows,
    ({ pk }) => (pk.includes('#') ? pk.slice(0, pk.indexOf('#') + 1) : pk),
    (row) => row,
  );
}

export async function standingAt(
  store: MemoryStore,
  clock: VirtualClock,
  physicalNames: readonly string[],
  decoded = new Decoded(),
): Promise<Standing> {
  const rows = rowsOf(store, decoded);
  const under = (prefix: string) => rows.get(prefix) ?? [];
  const entries = entriesOf(under('tx#'), decoded);
  const uncommitted = under('tx#').filter(({ sk }) => sk !== 'entry');
  const parts = await partsIn(store, clock, physicalNames, decoded);
  return withEntries({
    guards: under('guard#').map(({ item }) => readGuard(item)),
    entries,
    marks: new Map(under('mark#').map(({ sk, item }) => [sk, readMark(sk, item)])),
    staged: amongRows(uncommitted, stagedAmong),
    candidates: amongRows(uncommitted, (_id, all) => candidatesAmong(all)),
    tallied: under(TALLIED).map(({ sk }) => sk),
    versions: new Map(under('version#').map(({ pk, item }) => [pk.slice('version#'.length), readVersion(item)])),
    backlog: grouped(
      under('backlog#'),
      ({ pk }) => pk.slice('backlog#'.length),
      ({ item }) => String(item['id']),
    ),
    closed: new Map(under('closed').map(({ sk, item }) => [sk, String(item['closed'])])),
    parts,
  });
}

/** The same without what retention may have taken away, whether it has or not. */
export function keptOf(standing: Standing, isKept: (at: Timestamp) => boolean): Standing {
  const entries = new Map([...standing.entries].filter(([, entry]) => !isDecided(entry) || isKept(entry.at)));
  return withEntries({ ...standing, entries, parts: standing.parts.filter(({ at }) => isKept(at)) });
}

function withEntries(standing: Omit<Standing, 'decided' | 'status' | 'on'>): Standing {
  const { entries, parts } = standing;
  return {
    ...standing,
    decided: (id) => {
      const entry = entries.get(id);
      return entry && isDecided(entry) ? entry : undefined;
    },
    status: (id) => entries.get(id)?.status ?? 'none',
    on: (stream) => [...new Set(parts.filter((part) => part.stream === stream).map((part) => part.transactionId))],
  };
}

function entriesOf(rows: readonly StoredRow[], decoded: Decoded): ReadonlyMap<string, Entry> {
  const chunks = new Map(rows.flatMap(({ pk, sk, item }) => (sk === 'entry' ? [] : [[`${pk}|${sk}`, item] as const])));
  const entries = new Map<string, Entry>();
  for (const { pk, sk, item } of rows) {
    if (sk !== 'entry') continue;
    const id = pk.slice('tx#'.length);
    const itsChunks = () => chunkKeys(id, item).map((key) => chunks.get(`${key.pk}|${key.sk}`));
    entries.set(
      id,
      decoded.entry(item, () => decodeEntry(id, item, itsChunks())),
    );
  }
  return entries;
}

function grouped<T>(
  rows: readonly StoredRow[],
  by: (row: StoredRow) => string,
  what: (row: StoredRow) => T,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const name = by(row);
    const group = groups.get(name);
    if (group) group.push(what(row));
    else groups.set(name, [what(row)]);
  }
  return groups;
}

async function partsIn(
  store: MemoryStore,
  clock: VirtualClock,
  names: readonly string[],
  decoded: Decoded,
): Promise<StandingPart[]> {
  const streams = new EmbeddedStreams(store, clock, { namespace: 's' });
  const parts: StandingPart[] = [];
  for (const name of names) {
    for (const { shardId } of (await streams.describe(name))?.shards ?? []) {
      const shard = decoded.shard(name, shardId);
      await readOn(streams, name, shardId, shard);
      for (const part of shard.parts) parts.push(part);
    }
  }
  return parts;
}

async function readOn(streams: EmbeddedStreams, name: string, shardId: string, shard: ReadShard): Promise<void> {
  while (shard.next !== undefined) {
    const { records, next, atTip } = await streams.read(name, shardId, shard.next, 10_000);
    shard.next = next;
    for (const { data } of records) {
      const record = decodeRecord(data);
      if (record.kind === 'part') shard.parts.push(record);
    }
    if (atTip) return;
  }
}
