import type { Item, Key, Row, Write } from '../core/table.js';

export type { Clause, Comparison, Condition, Item, Key, Row, Scalar, Write } from '../core/table.js';

/** What a site's tables must do: consistent reads, and conditional writes over several items, all or none. */
export interface RangeQuery {
  readonly pk: string;
  /** Sort keys `from ≤ sk`, default: all. */
  readonly from?: string;
  /** Sort keys `sk < to`, default: all. */
  readonly to?: string;
  /** Continue behind this sort key (before it when `reverse`). */
  readonly after?: string;
  readonly reverse?: boolean;
  /** At most this many rows, 1 to 1,000. @default 1000 */
  readonly limit?: number;
}

export interface ScanRange {
  readonly prefix: string;
  /** Continue behind this. */
  readonly after?: string;
  /** Only these of each item; all, where they are not named. */
  readonly attributes?: readonly string[];
  /** At most this many items are looked at, 1 to 1000; a page has fewer where they are large. @default 1000 */
  readonly limit?: number;
}

export interface RowPage {
  readonly rows: readonly Row[];
  /** Give this as `after` to go on; absent at the end. */
  readonly next?: string;
}

export interface Tables {
  /** The most items one transaction may name (100 on DynamoDB). */
  readonly maxItems: number;
  /** The largest item, in bytes of its attributes' names and values (400 KB on DynamoDB). */
  readonly maxItemBytes: number;
  /** The most bytes that the items of one transaction may have together (4 MB on DynamoDB). */
  readonly maxTransactBytes: number;

  /**
   * All writes or none; when the promise resolves they are durable. No key may be named twice.
   *
   * @throws ConditionFailed where conditions do not hold: nothing was written
   * @throws WriteConflict where another transaction holds an item: nothing was written
   * @throws PortThrottled nothing was written
   * @throws PortUnavailable the outcome is unknown
   */
  transact(writes: readonly Write[]): Promise<void>;

  /**
   * Independent writes of single items, each conditional by itself. Answers for each whether its condition held.
   *
   * @throws PortUnavailable the outcome of each is unknown
   */
  writeEach(writes: readonly Write[]): Promise<readonly boolean[]>;

  /** Consistent reads of any number of items, in the order of the keys. */
  get(keys: readonly Key[]): Promise<readonly (Item | undefined)[]>;

  /**
   * A consistent read of a range of one partition, in the order of the sort keys. A page has fewer rows than `limit` only
   * at the end of the range, or where they have more than 16 MiB.
   */
  query(range: RangeQuery): Promise<RowPage>;

  /**
   * A consistent walk over every item of the partitions whose `pk` starts with `prefix`, in no order that means anything.
   * What is written while it goes on may be met or not. Reads everything: for rare work that must miss nothing.
   */
  scan(range: ScanRange): Promise<RowPage>;

  /** The same over the secondary index: `pk` and the bounds are those of `indexPk` and `indexSk`. May lag on AWS. */
  queryIndex(range: RangeQuery): Promise<RowPage>;
}

/** Thrown by `transact` where conditions do not hold. */
export class ConditionFailed extends Error {
  /** Index of each write whose condition did not hold, with the item as it stands (absent: there is none). */
  readonly failed: ReadonlyMap<number, Item | undefined>;

  constructor(failed: ReadonlyMap<number, Item | undefined>) {
    super(`condition not met by ${failed.size} write(s)`);
    this.name = 'ConditionFailed';
    this.failed = failed;
  }
}

/** Another transaction was writing one of the items: nothing was written, try again. */
export class WriteConflict extends Error {
  override readonly name = 'WriteConflict';
}
