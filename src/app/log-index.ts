import type { Entry } from '../core/entry.js';
import { indexPk } from '../core/items.js';
import type { Item, Row } from '../core/table.js';
import type { Timestamp } from '../core/timestamp.js';
import type { Site } from './site.js';

export interface LogRow {
  readonly id: string;
  readonly item: Item;
}

const PAGE = 500;

/** Decided entries of one status with `at > from`, in the order of their timestamps, a page at a time. */
export async function* logRows(
  site: Site,
  status: Entry['status'],
  from: Timestamp,
  to?: Timestamp,
): AsyncGenerator<readonly LogRow[]> {
  const buckets = Array.from(
    { length: site.copies },
    (_, bucket) => new BucketCursor(site, indexPk(status, bucket), from, to),
  );
  await Promise.all(buckets.map((bucket) => bucket.fill()));
  let page: LogRow[] = [];
  for (;;) {
    const next = smallest(buckets);
    if (!next) break;
    page.push(next.take());
    await next.fill();
    if (page.length === PAGE) {
      yield page;
      page = [];
    }
  }
  if (page.length > 0) yield page;
}

function smallest(buckets: readonly BucketCursor[]): BucketCursor | undefined {
  let least: BucketCursor | undefined;
  for (const bucket of buckets) {
    if (bucket.head !== undefined && (least?.head === undefined || bucket.head < least.head)) least = bucket;
  }
  return least;
}

/** One bucket of the index, read a page ahead. */
class BucketCursor {
  readonly #site: Site;
  readonly #pk: string;
  readonly #to: string | undefined;
  #from: string;
  #rows: readonly Row[] = [];
  #at = 0;
  #ended = false;

  constructor(site: Site, pk: string, from: Timestamp, to: Timestamp | undefined) {
    this.#site = site;
    this.#pk = pk;
    // Sort keys are `timestamp/id`: the character after the slash is above every id of this timestamp.
    this.#from = `${from}0`;
    this.#to = to === undefined ? undefined : `${to}0`;
  }

  get head(): string | undefined {
    const row = this.#rows[this.#at];
    return row && String(row.item['indexSk']);
  }

  take(): LogRow {
    const row = this.#rows[this.#at];
    if (!row) throw new Error('take from an empty bucket');
    this.#at += 1;
    return { id: row.key.pk.slice(row.key.pk.indexOf('#') + 1), item: row.item };
  }

  async fill(): Promise<void> {
    if (this.#at < this.#rows.length || this.#ended) return;
    const page = await this.#site.tables.queryIndex({
      pk: this.#pk,
      from: this.#from,
      ...(this.#to === undefined ? {} : { to: this.#to }),
      limit: PAGE,
    });
    this.#rows = page.rows;
    this.#at = 0;
    this.#ended = page.rows.length < PAGE;
    const last = page.rows.at(-1);
    if (last) this.#from = `${String(last.item['indexSk'])}\u0000`;
  }
}
