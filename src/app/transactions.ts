import type { ListTransactions, TransactionLogEntry, TransactionPage, TransactionStatus } from '../core/api.js';
import { type Entry, isDecided } from '../core/entry.js';
import { LockstepError } from '../core/errors.js';
import { type DecidedEvent, toEventIn } from '../core/event.js';
import { type StagedEvent, indexPk } from '../core/items.js';
import type { Row } from '../core/table.js';
import { msOf, toIso } from '../core/timestamp.js';
import { seeApplied } from './apply.js';
import { unknownTransaction } from './commit-queue.js';
import { decodeWhole, readTransaction } from './log.js';
import type { Site } from './site.js';
import { shardsOf } from './streams.js';

/** A transaction as its log tells it, with the client's own uncommitted writes. @throws LockstepError UnknownTransaction */
export async function getTransaction(site: Site, id: string): Promise<TransactionLogEntry> {
  const state = await readTransaction(site, id);
  if (!state.entry) throw unknownTransaction(id);
  if (isDecided(state.entry)) await seeApplied(site, state.entry);
  return describe(site, state.entry, state.staged);
}

const STATUSES: readonly TransactionStatus[] = ['open', 'committed', 'aborted'];

/** Where a page ended: the status it was in, and the place in that status's index. */
interface Place {
  readonly status: TransactionStatus;
  readonly after?: string;
}

/** Open ones by when they began, then committed and aborted ones by their timestamps; oldest first. */
export async function listTransactions(site: Site, request: ListTransactions): Promise<TransactionPage> {
  const limit = request.limit ?? 100;
  const wanted = request.status === undefined ? STATUSES : [request.status];
  const start = request.cursor === undefined ? undefined : decodePlace(request.cursor);
  const youngestMs = request.olderThanMs === undefined ? Infinity : site.clock.now() - request.olderThanMs;
  const from = start ? wanted.indexOf(start.status) : 0;
  if (from < 0) throw new LockstepError('InvalidRequest', 'cursor: it belongs to a list of another status');
  const transactions: TransactionLogEntry[] = [];
  for (const status of wanted.slice(from)) {
    let place: Place = start?.status === status ? start : { status };
    for await (const row of rowsOf(site, place, limit)) {
      if (transactions.length === limit) return { transactions, cursor: encodePlace(place) };
      place = { status, after: placeOf(row) };
      const entry = await decodeWhole(site, row.key.pk.slice(row.key.pk.indexOf('#') + 1), row.item);
      if (entry.startedAtMs <= youngestMs) transactions.push(describe(site, entry, []));
    }
  }
  return { transactions };
}

/** Every row of a status behind a place, a page at a time. */
async function* rowsOf(site: Site, { status, after }: Place, pageSize: number): AsyncGenerator<Row> {
  for (let from = after; ;) {
    const rows = await indexRows(site, status, from, pageSize);
    yield* rows;
    const last = rows.at(-1);
    if (!last || rows.length < pageSize) return;
    from = placeOf(last);
  }
}

/** The rows of a status from a place on, merged over the index's buckets. */
async function indexRows(
  site: Site,
  status: TransactionStatus,
  after: string | undefined,
  limit: number,
): Promise<Row[]> {
  const pages = await Promise.all(
    Array.from({ length: site.copies }, (_, bucket) =>
      site.tables.queryIndex({
        pk: indexPk(status, bucket),
        limit: Math.min(limit, 1000),
        // Just above the place: sort keys hold nothing below a space.
        ...(after === undefined ? {} : { from: `${after}\u0000` }),
      }),
    ),
  );
  return pages
    .flatMap((page) => page.rows)
    .sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))
    .slice(0, limit);
}

const placeOf = (row: Row): string => String(row.item['indexSk']);

const encodePlace = (place: Place): string => Buffer.from(JSON.stringify(place)).toString('base64url');

function decodePlace(cursor: string): Place {
  try {
    const place = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as Place;
    const known = STATUSES.includes(place.status) && (place.after === undefined || typeof place.after === 'string');
    if (known) return place;
  } catch {
    // Refused below, like anything else that is not ours.
  }
  throw new LockstepError('InvalidRequest', 'cursor: not one that a page answered');
}

function versionOf(event: StagedEvent | DecidedEvent): { readonly version?: number } {
  return 'version' in event ? { version: event.version } : {};
}

function describe(site: Site, entry: Entry, staged: readonly StagedEvent[]): TransactionLogEntry {
  const decided = isDecided(entry);
  const events = decided ? entry.events : staged;
  return {
    id: entry.id,
    status: entry.status,
    ...(decided && entry.reason !== undefined ? { reason: entry.reason } : {}),
    streams: entry.streams,
    shards: shardsOf(site, events),
    events: events.map((event) => ({
      ...toEventIn(event),
      number: event.number,
      digest: event.digest,
      ...versionOf(event),
    })),
    startedAt: toIso(entry.startedAtMs),
    ...(decided ? { decidedAt: toIso(msOf(entry.at)) } : {}),
    ...(decided && entry.status === 'committed' ? { committedAt: toIso(msOf(entry.at)) } : {}),
    expiresAt: toIso(entry.expiresAtMs),
  };
}
