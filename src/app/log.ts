import { type DecidedEntry, type Entry, type OpenEntry, isDecided } from '../core/entry.js';
import {
  type Mark,
  type StagedEvent,
  type VersionItem,
  STAGING_PREFIXES,
  announcementsAmong,
  candidatesAmong,
  chunkKeys,
  decodeEntry,
  encodeDecided,
  entryKey,
  markKey,
  markPk,
  readMark,
  readVersion,
  stagedAmong,
  transactionPk,
  versionKey,
} from '../core/items.js';
import type { Announcement, Candidate } from '../core/candidate.js';
import { checkTerm } from '../core/plan.js';
import type { EncodedEntry } from '../core/items.js';
import type { Item, Row } from '../core/table.js';
import { partName } from '../core/event.js';
import type { Timestamp } from '../core/timestamp.js';
import type { Site } from './site.js';

/** Reading a site's log: entries, marks, stagings, versions. All reads are consistent reads of base-table items. */

/** Everything of one transaction that stands at a site. */
export interface TransactionState {
  readonly entry?: Entry;
  readonly staged: readonly StagedEvent[];
  /** Numbers given so far. */
  readonly next: number;
  /** What this site foresaw of it, as a follower. */
  readonly candidates: readonly Candidate[];
  /** What followers have announced that they foresee of it. */
  readonly announced: readonly Announcement[];
}

/** The first number that may still be given here: below it, another home may have given some to foreseen writes. */
export const firstFree = ({ next, candidates }: TransactionState): number =>
  candidates.reduce((free, { below }) => Math.max(free, below), next);

async function rowsOf(site: Site, id: string): Promise<readonly Row[]> {
  const rows: Row[] = [];
  let after: string | undefined;
  do {
    const page = await site.tables.query({ pk: transactionPk(id), ...(after === undefined ? {} : { after }) });
    rows.push(...page.rows);
    after = page.next;
  } while (after !== undefined);
  return rows;
}

export async function readTransaction(site: Site, id: string): Promise<TransactionState> {
  const rows = await rowsOf(site, id);
  const entryItem = rows.find((row) => row.key.sk === 'entry')?.item;
  const staged = stagedAmong(id, rows);
  const next = Number(entryItem?.['next'] ?? staged.length);
  const state = { staged, next, candidates: candidatesAmong(rows), announced: announcementsAmong(rows) };
  return entryItem ? { entry: await decodeWhole(site, id, entryItem), ...state } : state;
}

export async function decodeWhole(site: Pick<Site, 'tables'>, id: string, item: Item): Promise<Entry> {
  const keys = chunkKeys(id, item);
  return decodeEntry(id, item, keys.length === 0 ? [] : await site.tables.get(keys));
}

export async function readEntries(site: Site, ids: readonly string[]): Promise<readonly (Entry | undefined)[]> {
  const items = await site.tables.get(ids.map(entryKey));
  return Promise.all(items.map(async (item, index) => item && decodeWhole(site, ids[index] ?? '', item)));
}

/** The decided ones among these ids, with the epochs of their marks where they are pending. */
export async function readMarked(
  site: Site,
  ids: readonly string[],
): Promise<readonly { readonly entry: DecidedEntry; readonly markEpoch?: number }[]> {
  // The mark first: one that is gone by the time the entry is read would otherwise look pending.
  const marks = await readMarks(site, ids);
  const entries = await readEntries(site, ids);
  return entries.flatMap((entry, index) => {
    if (!entry || !isDecided(entry)) return [];
    const mark = marks[index];
    return [mark?.state === 'pending' ? { entry, markEpoch: mark.epoch } : { entry }];
  });
}

async function readMarks(site: Site, ids: readonly string[]): Promise<readonly (Mark | undefined)[]> {
  const items = await site.tables.get(ids.map((id) => markKey(id, site.copies)));
  return items.map((item, index) => (item ? readMark(ids[index] ?? '', item) : undefined));
}

/**
 * Of decisions that were read here before this call, those that some log may still lack. The marks are read after the
 * entries: one that comes and goes with its entry would otherwise be missed.
 */
export async function stillPending(site: Site, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const marks = await readMarks(site, ids);
  return new Set(marks.flatMap((mark) => (mark?.state === 'pending' ? [mark.id] : [])));
}

/** Every mark of the site, bucket by bucket. */
export async function* allMarks(site: Site): AsyncGenerator<readonly Mark[]> {
  for (let bucket = 0; bucket < site.copies; bucket += 1) yield* marksIn(site, bucket);
}

async function* marksIn(site: Site, bucket: number): AsyncGenerator<readonly Mark[]> {
  let after: string | undefined;
  do {
    const page = await site.tables.query({ pk: markPk(bucket), ...(after === undefined ? {} : { after }) });
    if (page.rows.length > 0) yield page.rows.map(({ key, item }) => readMark(key.sk, item));
    after = page.next;
  } while (after !== undefined);
}

type PendingMark = Mark & { readonly state: 'pending' };

/** Pending ones at or below a timestamp (all by default). The buckets side by side: whoever reads waits for them. */
export async function pendingMarks(site: Site, upTo?: Timestamp): Promise<readonly PendingMark[]> {
  const isMeant = (mark: Mark): mark is PendingMark =>
    mark.state === 'pending' && (upTo === undefined || mark.at <= upTo);
  const buckets = await Promise.all(
    Array.from({ length: site.copies }, async (_, bucket) => {
      const found: PendingMark[] = [];
      for await (const marks of marksIn(site, bucket)) found.push(...marks.filter(isMeant));
      return found;
    }),
  );
  return buckets.flat();
}

/** The last versions of these (stream, key) pairs, by part name. */
export async function readVersions(
  site: Site,
  pairs: Iterable<{ readonly stream: string; readonly key: string }>,
): Promise<ReadonlyMap<string, VersionItem>> {
  const wanted = new Map<string, { stream: string; key: string }>();
  for (const pair of pairs) wanted.set(partName(pair.stream, pair.key), pair);
  if (wanted.size === 0) return new Map();
  const names = [...wanted.keys()];
  const items = await site.tables.get([...wanted.values()].map(({ stream, key }) => versionKey(stream, key)));
  return new Map(items.flatMap((item, index) => (item ? [[names[index] ?? '', readVersion(item)] as const] : [])));
}

/** An entry ready to be written: what does not fit its item is staged as chunks before anything is decided. */
export async function prepareEntry(site: Site, entry: DecidedEntry, term: number): Promise<EncodedEntry> {
  const encoded = encodeDecided(entry, site.copies, site.tables.maxItemBytes);
  for (const chunk of encoded.chunks) {
    await site.tables.transact([checkTerm(0, term), { kind: 'put', ...chunk }]);
  }
  return encoded;
}

/** What begin said, as it stands at a site that will go on with the transaction. */
export function openEntryOf({ id, streams, replication, startedAtMs, expiresAtMs }: OpenEntry): OpenEntry {
  return { id, status: 'open', streams, replication, startedAtMs, expiresAtMs };
}

/** Uncommitted events of a transaction that is decided: nobody needs them any more. */
export async function dropStagings(site: Site, id: string): Promise<void> {
  // In one query: a client may be waiting behind it, and what else stands there is one entry.
  const staged = (await rowsOf(site, id)).filter(({ key }) => STAGING_PREFIXES.some((name) => key.sk.startsWith(name)));
  if (staged.length > 0) await site.tables.writeEach(staged.map(({ key }) => ({ kind: 'delete', key })));
}
