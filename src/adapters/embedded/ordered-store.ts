/**
 * What tables, streams and the control store of one site stand on: an ordered map from byte strings (key-bytes.ts) to
 * bytes, with atomic group commit.
 *
 * The process owns the store alone. So conditions are evaluated synchronously against what is staged over what is
 * committed, the writes are staged in the same turn, and one promise, shared by everybody in the batch, resolves when
 * the batch is durable. Batches are written in order and one at a time; while one is being written the next gathers.
 *
 * Two views, and the difference matters:
 * - `get` and `scan` show what is durable, never anything that could still be lost.
 * - `latest` shows what is staged as well. Whoever decides by it must not tell anybody before `commit` has resolved,
 *   also when the decision was to write nothing.
 */
export interface OrderedStore {
  /** The durable value. The bytes are only good until the next call of this store: decode or copy them at once. */
  get(key: string): Buffer | undefined;

  /**
   * Visits the durable entries of a range in the order of their keys until `visit` returns false. The values are only
   * good during the visit; `visit` must not call the store.
   */
  scan(range: KeyRange, visit: (key: string, value: Buffer) => boolean): void;

  /** The value that the next batch would find: staged, else durable. Good as long as that of `get`. */
  latest(key: string): Buffer | undefined;

  /**
   * Stages a write into the gathering batch.
   *
   * @param key at most `MAX_KEY_BYTES` bytes @param value not empty, not to be changed by the caller any more
   * @throws PortUnavailable where the store is closed
   */
  put(key: string, value: Uint8Array): void;
  remove(key: string): void;

  /**
   * Resolves when everything that is staged by now is durable; at once where nothing is.
   *
   * @throws PortFull there is no room: neither this batch nor any later one that gathered meanwhile was written
   * @throws PortUnavailable writing failed for another reason
   */
  commit(): Promise<void>;

  /** True while more waits for the disk than the store wants to keep in memory: refuse new work. */
  readonly crowded: boolean;

  /** `listener` is called, before any promise is rejected, when staged writes were dropped: forget what rested on them. */
  onDropped(listener: () => void): void;

  /** Waits for what is staged, then closes. */
  close(): Promise<void>;
}

export interface KeyRange {
  /** `from ≤ key` */
  readonly from: string;
  /** `key < to` */
  readonly to: string;
  /** From the highest key down. */
  readonly reverse?: boolean;
}

/** What lmdb takes with its default page size. */
export const MAX_KEY_BYTES = 1978;

/**
 * Called with each batch before it is written: to fill or slow down a disk in a test. When it rejects, the batch fails
 * with that error.
 */
export type BeforeCommit = (batch: ReadonlyMap<string, Uint8Array | null>) => void | Promise<void>;

export interface OrderedStoreOptions {
  readonly beforeCommit?: BeforeCommit;
  /** Bytes of keys and values that may wait for the disk before `crowded`. @default 268435456 */
  readonly maxPendingBytes?: number;
}
