import { PortFull, PortThrottled, PortUnavailable } from '../../ports/failures.js';
import { type KeyRange, MAX_KEY_BYTES, type OrderedStore, type OrderedStoreOptions } from './ordered-store.js';

/** Writes that become durable together, or not at all. `null` is a removal. */
class Batch {
  readonly writes = new Map<string, Buffer | null>();
  readonly done: Promise<void>;
  bytes = 0;
  resolve: () => void = () => undefined;
  reject: (error: Error) => void = () => undefined;

  constructor() {
    this.done = new Promise<void>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Those who staged get the rejection; with nobody there it is not an unhandled one.
    this.done.catch(() => undefined);
  }
}

const NOTHING_STAGED = Promise.resolve();
const DEFAULT_MAX_PENDING_BYTES = 256 * 1024 * 1024;

/** The part of an ordered store that does not depend on where the bytes go: staging, batches, failure. */
export abstract class GroupCommitStore implements OrderedStore {
  readonly #beforeCommit: OrderedStoreOptions['beforeCommit'];
  readonly #maxPendingBytes: number;
  readonly #droppedListeners: (() => void)[] = [];
  #gathering: Batch | undefined;
  #writing: Batch | undefined;
  #closed = false;

  constructor(options: OrderedStoreOptions = {}) {
    this.#beforeCommit = options.beforeCommit;
    this.#maxPendingBytes = options.maxPendingBytes ?? DEFAULT_MAX_PENDING_BYTES;
  }

  abstract get(key: string): Buffer | undefined;
  abstract scan(range: KeyRange, visit: (key: string, value: Buffer) => boolean): void;

  /** Writes a batch durably, in one piece or not at all; the next batch comes only after this one. */
  protected abstract write(batch: ReadonlyMap<string, Buffer | null>): Promise<void>;
  /** Runs `task` when callers of this moment have had a chance to join the batch. */
  protected abstract schedule(task: () => void): void;
  protected abstract closeStorage(): Promise<void>;

  latest(key: string): Buffer | undefined {
    let value = this.#gathering?.writes.get(key);
    if (value === undefined) value = this.#writing?.writes.get(key);
    if (value === undefined) return this.get(key);
    return value ?? undefined;
  }

  put(key: string, value: Uint8Array): void {
    if (value.length === 0) throw new Error('a value must not be empty');
    this.#stage(key, Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.length));
  }

  remove(key: string): void {
    this.#stage(key, null);
  }

  commit(): Promise<void> {
    return (this.#gathering ?? this.#writing)?.done ?? NOTHING_STAGED;
  }

  get crowded(): boolean {
    return (this.#gathering?.bytes ?? 0) > this.#maxPendingBytes;
  }

  onDropped(listener: () => void): void {
    this.#droppedListeners.push(listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    while (this.#gathering ?? this.#writing) await this.commit().catch(() => undefined);
    await this.closeStorage();
  }

  /** For storages to refuse reads of what is no longer there. */
  protected get closed(): boolean {
    return this.#closed;
  }

  #stage(key: string, value: Buffer | null): void {
    if (this.#closed) throw new PortUnavailable('the store is closed');
    if (key.length > MAX_KEY_BYTES)
      throw new Error(`a key has ${key.length} bytes, at most ${MAX_KEY_BYTES} are possible`);
    let batch = this.#gathering;
    if (batch === undefined) {
      batch = this.#gathering = new Batch();
      if (this.#writing === undefined) this.schedule(this.#flush);
    }
    batch.writes.set(key, value);
    batch.bytes += key.length + (value?.length ?? 0);
  }

  readonly #flush = (): void => {
    void this.#writeGathered();
  };

  async #writeGathered(): Promise<void> {
    const batch = this.#gathering;
    if (batch === undefined) return;
    this.#writing = batch;
    this.#gathering = undefined;
    try {
      if (this.#beforeCommit !== undefined) await this.#beforeCommit(batch.writes);
      await this.write(batch.writes);
    } catch (error) {
      this.#drop(asPortFailure(error));
      return;
    }
    this.#writing = undefined;
    batch.resolve();
    this.#goOn();
  }

  /** While a batch was written the next one gathered. */
  #goOn(): void {
    if (this.#gathering !== undefined) this.schedule(this.#flush);
  }

  /** What gathered behind a failed batch was decided by what that batch was to write: it falls with it. */
  #drop(error: Error): void {
    const writing = this.#writing;
    const gathering = this.#gathering;
    this.#writing = this.#gathering = undefined;
    for (const listener of this.#droppedListeners) listener();
    writing?.reject(error);
    gathering?.reject(error);
  }
}

function asPortFailure(error: unknown): Error {
  if (error instanceof PortFull || error instanceof PortThrottled || error instanceof PortUnavailable) return error;
  return new PortUnavailable('the store could not write', { cause: error });
}
