import { SEPARATOR } from './key-bytes.js';
import type { OrderedStore } from './ordered-store.js';
import { RecordLog, numberBytes } from './record-log.js';
import { ShardFinder, type StreamState } from './stream-state.js';

/** A stream in memory: records go where `staged` says, and `durable` is what is shown. */
export class LiveStream {
  readonly name: string;
  staged: StreamState;
  /** Undefined until its creation is durable. */
  durable: StreamState | undefined;
  finder: ShardFinder;
  readonly #store: OrderedStore;
  readonly #recordPrefix: string;
  readonly #logs = new Map<number, RecordLog>();

  constructor(store: OrderedStore, recordPrefix: string, state: StreamState) {
    this.name = state.name;
    this.staged = state;
    this.finder = new ShardFinder(state.shards);
    this.#store = store;
    this.#recordPrefix = recordPrefix + numberBytes(state.number);
  }

  log(shardNumber: number): RecordLog {
    let log = this.#logs.get(shardNumber);
    if (log === undefined) {
      log = new RecordLog(this.#store, this.#recordPrefix + numberBytes(shardNumber));
      this.#logs.set(shardNumber, log);
    }
    return log;
  }
}

/**
 * Which streams there are and what is kept of them, in memory and in the store:
 *
 *   {prefix} s {name}                        a stream's state, as JSON
 *   {prefix} r {stream}{shard}{sequence}     a block of records; the numbers as seven bytes each
 *   {prefix} x {stream}                      a removed stream of which records may be left
 */
export class StreamRegistry {
  readonly #store: OrderedStore;
  readonly #prefix: string;
  #streams = new Map<string, LiveStream>();

  /** @param prefix a byte string under which nothing else stands in the store */
  constructor(store: OrderedStore, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
    this.#load();
    // What was staged is gone: go on from what is durable.
    store.onDropped(() => this.#load());
  }

  get(name: string): LiveStream | undefined {
    return this.#streams.get(name);
  }

  all(): Iterable<LiveStream> {
    return this.#streams.values();
  }

  /** Resolves when the new stream is durable. */
  async add(state: StreamState): Promise<void> {
    const stream = new LiveStream(this.#store, this.#recordPrefix, state);
    this.#streams.set(state.name, stream);
    await this.change(stream, state);
  }

  /** Records put from now on find the new shards; resolves, and shows it, when it is durable. */
  async change(stream: LiveStream, next: StreamState): Promise<void> {
    this.#store.put(this.#stateKey(stream.name), Buffer.from(JSON.stringify(next)));
    if (stream.staged.shards !== next.shards) stream.finder = new ShardFinder(next.shards);
    stream.staged = next;
    await this.#store.commit();
    stream.durable = next;
  }

  /** Resolves when the stream is gone durably; its records are left for `removeRemains`. */
  async remove(stream: LiveStream): Promise<void> {
    this.#store.remove(this.#stateKey(stream.name));
    this.#store.put(`${this.#prefix}x${numberBytes(stream.staged.number)}`, Buffer.of(1));
    this.#streams.delete(stream.name);
    await this.#store.commit();
  }

  /** Stages the removal of blocks of removed streams. Answers how many, `limit` at most. */
  removeRemains(limit: number): number {
    const removed: string[] = [];
    const tombs = `${this.#prefix}x`;
    this.#store.scan({ from: tombs, to: `${tombs}${SEPARATOR}` }, (key) => removed.push(key) < limit);
    let left = limit;
    for (const tomb of removed) {
      if (left <= 0) break;
      const records = this.#recordPrefix + tomb.slice(tombs.length);
      const keys: string[] = [];
      const room = left;
      this.#store.scan({ from: records, to: records + SEPARATOR }, (key) => keys.push(key) < room);
      for (const key of keys) this.#store.remove(key);
      if (keys.length === 0) this.#store.remove(tomb);
      left -= keys.length;
    }
    return limit - left;
  }

  get #recordPrefix(): string {
    return `${this.#prefix}r`;
  }

  #stateKey(name: string): string {
    return `${this.#prefix}s${name}`;
  }

  #load(): void {
    this.#streams = new Map();
    const states = `${this.#prefix}s`;
    this.#store.scan({ from: states, to: states + SEPARATOR }, (_, value) => {
      const state = JSON.parse(value.toString('utf8')) as StreamState;
      const stream = new LiveStream(this.#store, this.#recordPrefix, state);
      stream.durable = state;
      this.#streams.set(state.name, stream);
      return true;
    });
  }
}
