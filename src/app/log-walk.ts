import type { DecidedEntry } from '../core/entry.js';
import { isDecided } from '../core/entry.js';
import { entryKey, transactionPk } from '../core/items.js';
import type { Item } from '../core/table.js';
import type { Timestamp } from '../core/timestamp.js';
import { decodeWhole } from './log.js';
import type { Site } from './site.js';

const ENTRY = transactionPk('');
/** After so many milliseconds without a pause whoever else has something to do gets a turn. */
const TURN_MS = 10;

/** A decided entry, without its events. */
export interface LogRow {
  readonly id: string;
  readonly status: DecidedEntry['status'];
  readonly at: Timestamp;
  readonly item: Item;
}

export interface LogRange {
  /** Exclusive. */
  readonly from: Timestamp;
  /** Inclusive. @default the newest */
  readonly to?: Timestamp;
}

/** What to read of the log at a time, and from where. */
export interface LogStep {
  readonly after?: string | undefined;
  /** Of the items, beside status and timestamp; all, where they are not named. */
  readonly attributes?: readonly string[];
  /** @default as many as the table gives */
  readonly limit?: number;
}

/** A page of decided entries with `from < at ≤ to`, in no order that means anything. */
export async function logPage(
  site: Site,
  { from, to }: LogRange,
  { after, attributes, limit }: LogStep = {},
): Promise<{ readonly rows: readonly LogRow[]; readonly read: number; readonly next?: string }> {
  const { rows, next } = await site.tables.scan({
    prefix: ENTRY,
    ...(attributes ? { attributes: ['status', 'at', ...attributes] } : {}),
    ...(limit === undefined ? {} : { limit }),
    ...(after === undefined ? {} : { after }),
  });
  const decided = rows.flatMap(({ key, item }): readonly LogRow[] => {
    const { status, at } = item;
    if (key.sk !== 'entry' || typeof at !== 'string' || (status !== 'committed' && status !== 'aborted')) return [];
    if (at <= from || (to !== undefined && at > to)) return [];
    return [{ id: key.pk.slice(ENTRY.length), status, at, item }];
  });
  return { rows: decided, read: rows.length, ...(next === undefined ? {} : { next }) };
}

/**
 * All of them, a page at a time; of the items only some attributes where these are named.
 *
 * Walks over the base table: what is copied, filled or compared must miss nothing, and an index may lag. Live traffic has
 * the right of way: see `Pace`. For work of this site's own: what another one waits for is done in pieces.
 */
export async function* logRows(
  site: Site,
  range: LogRange,
  attributes?: readonly string[],
): AsyncGenerator<readonly LogRow[]> {
  const pace = new Pace(site);
  let after: string | undefined;
  do {
    const page = await logPage(site, range, { after, ...(attributes ? { attributes } : {}) });
    yield page.rows;
    after = page.next;
    await pace.turn();
  } while (after !== undefined);
}

/** The same with their events, those only that are wanted by their rows. */
export async function* decidedEntries(
  site: Site,
  range: LogRange,
  wants: (row: LogRow) => boolean = () => true,
): AsyncGenerator<DecidedEntry> {
  for await (const rows of logRows(site, range)) {
    for (const row of rows) {
      const entry = wants(row) ? await entryIn(site, row) : undefined;
      if (entry) yield entry;
    }
  }
}

/** The whole entry of a row, unless it went meanwhile. */
export async function entryIn(site: Site, { id, item }: LogRow): Promise<DecidedEntry | undefined> {
  const entry = await decodeWhole(site, id, item).catch((error: unknown) => unlessGone(site, id, error));
  return entry && isDecided(entry) ? entry : undefined;
}

/** It expired, or was overruled, between its item and its chunks. */
async function unlessGone(site: Site, id: string, error: unknown): Promise<undefined> {
  const [item] = await site.tables.get([entryKey(id)]);
  if (item) throw error;
  return undefined;
}

/**
 * Keeps long work from starving what clients wait for: of each stretch of time it takes the share that
 * `reconcileShare` leaves it, and leaves the rest.
 */
export class Pace {
  readonly #site: Site;
  #sinceMs: number;

  constructor(site: Site) {
    this.#site = site;
    this.#sinceMs = site.clock.now();
  }

  async turn(): Promise<void> {
    const { clock, options } = this.#site;
    const workedMs = clock.now() - this.#sinceMs;
    if (workedMs < TURN_MS) return;
    await clock.sleep(workedMs * (1 / options.reconcileShare - 1));
    this.#sinceMs = clock.now();
  }
}
