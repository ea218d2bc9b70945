import { statfs } from 'node:fs/promises';
import { open, type RootDatabase } from 'lmdb';
import { PortFull, PortUnavailable } from '../../ports/failures.js';
import { GroupCommitStore } from './group-commit.js';
import type { KeyRange, OrderedStoreOptions } from './ordered-store.js';

/** Byte strings as bytes. lmdb-js hands in buffers of its own that are large enough for any key. */
const byteStringKeys = {
  writeKey(key: string, target: Buffer, start: number): number {
    const length = key.length;
    // For short keys a loop is faster than a call into native code.
    if (length > 48) return start + target.write(key, start, 'latin1');
    for (let i = 0; i < length; i += 1) target[start + i] = key.charCodeAt(i);
    return start + length;
  },
  readKey(source: Buffer, start: number, end: number): string {
    return source.toString('latin1', start, end);
  },
};

/** MDB_MAP_FULL, and the system's ENOSPC, EDQUOT and EFBIG. */
const NO_ROOM: ReadonlySet<unknown> = new Set([-30792, 28, 122, 27]);
const EIO = 5;
const NEARLY_FULL_BYTES = 1024 * 1024;

/**
 * An ordered store in an lmdb environment, one per directory. A batch is one lmdb transaction, written and synced on a
 * thread of its own; readers see it when it is durable.
 */
export class LmdbStore extends GroupCommitStore {
  readonly #directory: string;
  readonly #db: RootDatabase<Buffer, string>;

  /** @param directory where the environment lies; made where it is missing */
  constructor(directory: string, options: OrderedStoreOptions = {}) {
    super(options);
    this.#directory = directory;
    this.#db = open<Buffer, string>({
      path: directory,
      // A directory whose name has a dot would be taken for the name of a file.
      noSubdir: false,
      encoding: 'binary',
      keyEncoder: byteStringKeys,
      // Off, a transaction becomes visible only after it is synced: no reader ever sees what may still be lost.
      overlappingSync: false,
      // Batches are made here, not by lmdb-js.
      eventTurnBatching: false,
    });
  }

  override get(key: string): Buffer | undefined {
    if (this.closed) throw new PortUnavailable('the store is closed');
    const bytes = this.#db.getBinaryFast(key);
    // lmdb-js overrides the length of a shared buffer; a view has the right one for every method.
    return bytes === undefined ? undefined : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  override scan(range: KeyRange, visit: (key: string, value: Buffer) => boolean): void {
    if (this.closed) throw new PortUnavailable('the store is closed');
    const { from, to, reverse = false } = range;
    if (from >= to) return;
    const bounds = reverse
      ? { start: to, end: from, reverse, exclusiveStart: true, inclusiveEnd: true }
      : { start: from, end: to };
    for (const { key, value } of this.#db.getRange(bounds)) {
      if (!visit(key, value)) return;
    }
  }

  protected override schedule(task: () => void): void {
    setImmediate(task);
  }

  protected override async write(batch: ReadonlyMap<string, Buffer | null>): Promise<void> {
    // A block that lmdb-js never splits over two transactions, and the only promise that it makes for it.
    const committed = this.#db.batch(() => {
      for (const [key, value] of batch) {
        if (value === null) void this.#db.remove(key);
        else void this.#db.put(key, value);
      }
    });
    try {
      await committed;
    } catch (error) {
      throw await this.#asPortFailure(error);
    }
  }

  protected override async closeStorage(): Promise<void> {
    await this.#db.close();
  }

  async #asPortFailure(error: unknown): Promise<Error> {
    // lmdb-js rejects with a wrapper whose `commitError` is a promise that rejects with the cause.
    const wrapped = error as { commitError?: Promise<unknown> };
    const cause = await Promise.resolve(wrapped.commitError).then(
      () => error,
      (reason: unknown) => reason,
    );
    const code = (cause as { code?: unknown }).code;
    if (NO_ROOM.has(code) || (code === EIO && (await this.#isNearlyFull()))) {
      return new PortFull('there is no room to write', { cause });
    }
    return new PortUnavailable('lmdb could not commit', { cause });
  }

  /** lmdb reports a page that fits only in part as an I/O error. */
  async #isNearlyFull(): Promise<boolean> {
    const { bavail, bsize } = await statfs(this.#directory);
    return bavail * bsize < NEARLY_FULL_BYTES;
  }
}
