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
import type { Item, Row } from '../../src/core/table.js';

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

/** What was decoded by an earlier look at the same site: most of what stands there has not changed since. */
export class Decoded {
  readonly #items = new WeakMap<Buffer, Item>();
  readonly #entries = new WeakMap<Item, Entry>();
  readonly #records = new Map<string, DecodedRecord>();

  item(value: Buffer): Item {
    return kept(this.#items, value, () => decodeItem(value));
  }

  entry(item: Item, decode: () => Entry): Entry {
    return kept(this.#entries, item, decode);
  }

  /** @param place never names another record: sequences grow over the removal of a stream */
  record(place: string, data: Uint8Array): DecodedRecord {
    let record = this.#records.get(place);
    if (record === undefined) this.#records.set(place, (record = decodeRecord(data)));
    return record;
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

interface StoredRow {
  readonly pk: string;
  readonly sk: string;
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

export async function standingAt(
  store: MemoryStore,
  clock: VirtualClock,
  physicalNames: readonly string[],
  decoded = new Decoded(),
): Promise<Standing> {
  const rows: StoredRow[] = [];
  store.scan({ from: ITEMS, to: `${ITEMS}\xff\xff\xff` }, (key, value) => {
    rows.push({ ...fromPrimaryBytes(key.slice(ITEMS.length)), item: decoded.item(value) });
    return true;
  });
  const under = (prefix: string) => rows.filter(({ pk }) => pk.startsWith(prefix));
  const entries = entriesOf(under('tx#'), decoded);
  const parts = await partsIn(store, clock, physicalNames, decoded);
  return {
    guards: under('guard#').map(({ item }) => readGuard(item)),
    entries,
    marks: new Map(under('mark#').map(({ sk, item }) => [sk, readMark(sk, item)])),
    staged: amongRows(under('tx#'), stagedAmong),
    candidates: amongRows(under('tx#'), (_id, all) => candidatesAmong(all)),
    tallied: rows.filter(({ pk }) => pk === TALLIED).map(({ sk }) => sk),
    versions: new Map(under('version#').map(({ pk, item }) => [pk.slice('version#'.length), readVersion(item)])),
    backlog: grouped(
      under('backlog#'),
      ({ pk }) => pk.slice('backlog#'.length),
      ({ item }) => String(item['id']),
    ),
    closed: new Map(rows.filter(({ pk }) => pk === 'closed').map(({ sk, item }) => [sk, String(item['closed'])])),
    parts,
    decided: (id) => {
      const entry = entries.get(id);
      return entry && isDecided(entry) ? entry : undefined;
    },
    status: (id) => entries.get(id)?.status ?? 'none',
    on: (stream) => [...new Set(parts.filter((part) => part.stream === stream).map((part) => part.transactionId))],
  };
}

function entriesOf(rows: readonly StoredRow[], decoded: Decoded): ReadonlyMap<string, Entry> {
  const items = new Map(rows.map(({ pk, sk, item }) => [`${pk}|${sk}`, item]));
  return new Map(
    rows
      .filter(({ sk }) => sk === 'entry')
      .map(({ pk, item }) => {
        const id = pk.slice('tx#'.length);
        const chunks = chunkKeys(id, item).map((key) => items.get(`${key.pk}|${key.sk}`));
        return [id, decoded.entry(item, () => decodeEntry(id, item, chunks))];
      }),
  );
}

function grouped<T>(
  rows: readonly StoredRow[],
  by: (row: StoredRow) => string,
  what: (row: StoredRow) => T,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) groups.set(by(row), [...(groups.get(by(row)) ?? []), what(row)]);
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
      const { records } = await streams.read(name, shardId, 'oldest', 10_000);
      for (const { sequence, data } of records) {
        const record = decoded.record(`${name}/${sequence}`, data);
        if (record.kind === 'part') parts.push(record);
      }
    }
  }
  return parts;
}
