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

/**
 * Decided entries with `from < at ≤ to`, a page at a time, in no order that means anything.
 *
 * Walks over the base table: what is copied, filled or compared must miss nothing, and an index may lag. Live traffic has
 * the right of way: see `Pace`.
 *
 * @param attributes of the items, beside status and timestamp; all, where they are not named
 */
export async function* logRows(
  site: Site,
  { from, to }: LogRange,
  attributes?: readonly string[],
): AsyncGenerator<readonly LogRow[]> {
  const pace = new Pace(site);
  const wanted = attributes ? { attributes: ['status', 'at', ...attributes] } : {};
  let after: string | undefined;
  do {
    const page = await site.tables.scan({ prefix: ENTRY, ...wanted, ...(after === undefined ? {} : { after }) });
    yield page.rows.flatMap(({ key, item }): readonly LogRow[] => {
      const { status, at } = item;
      if (key.sk !== 'entry' || typeof at !== 'string' || (status !== 'committed' && status !== 'aborted')) return [];
      if (at <= from || (to !== undefined && at > to)) return [];
      return [{ id: key.pk.slice(ENTRY.length), status, at, item }];
    });
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
      if (!wants(row)) continue;
      const { id, item } = row;
      const entry = await decodeWhole(site, id, item).catch((error: unknown) => unlessGone(site, id, error));
      if (entry && isDecided(entry)) yield entry;
    }
  }
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
