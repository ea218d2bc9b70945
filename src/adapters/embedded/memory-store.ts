import { PortFull } from '../../ports/failures.js';
import { GroupCommitStore } from './group-commit.js';
import type { KeyRange, OrderedStoreOptions } from './ordered-store.js';
import { SortedKeys } from './sorted-keys.js';

export interface MemoryStoreOptions extends OrderedStoreOptions {
  /** Bytes of keys and values that it may hold; a batch that would exceed them fails with PortFull. @default Infinity */
  readonly maxBytes?: number;
}

/**
 * An ordered store without a disk. It resolves through microtasks alone, so everything on it runs the same way each
 * time: for tests and the simulation. Its contents outlive the adapters on top of it, which stands for a restart.
 */
export class MemoryStore extends GroupCommitStore {
  /** May be changed at any time: a disk that fills up, or is given more room. */
  maxBytes: number;
  readonly #values = new Map<string, Buffer>();
  readonly #keys = new SortedKeys();
  #bytes = 0;

  constructor(options: MemoryStoreOptions = {}) {
    super(options);
    this.maxBytes = options.maxBytes ?? Infinity;
  }

  /** Bytes of the keys and values that it holds. */
  get bytes(): number {
    return this.#bytes;
  }

  override get(key: string): Buffer | undefined {
    return this.#values.get(key);
  }

  override scan(range: KeyRange, visit: (key: string, value: Buffer) => boolean): void {
    const visitKey = (key: string): boolean => {
      const value = this.#values.get(key);
      return value === undefined || visit(key, value);
    };
    if (range.reverse === true) this.#keys.descend(range.from, range.to, visitKey);
    else this.#keys.ascend(range.from, range.to, visitKey);
  }

  protected override schedule(task: () => void): void {
    queueMicrotask(task);
  }

  protected override async write(batch: ReadonlyMap<string, Buffer | null>): Promise<void> {
    const growth = this.#growthBy(batch);
    if (growth > 0 && this.#bytes + growth > this.maxBytes)
      throw new PortFull(`the store is limited to ${this.maxBytes} bytes`);
    for (const [key, value] of batch) {
      if (value === null) {
        if (this.#values.delete(key)) this.#keys.delete(key);
        continue;
      }
      if (!this.#values.has(key)) this.#keys.add(key);
      // A copy: what is staged may be a small part of a large buffer, which would stay alive with it.
      this.#values.set(key, Buffer.from(value));
    }
    this.#bytes += growth;
  }

  protected override async closeStorage(): Promise<void> {}

  #growthBy(batch: ReadonlyMap<string, Buffer | null>): number {
    let growth = 0;
    for (const [key, value] of batch) {
      const old = this.#values.get(key);
      if (old !== undefined) growth -= key.length + old.length;
      if (value !== null) growth += key.length + value.length;
    }
    return growth;
  }
}
