import type { ControlRow, ControlStore, Versioned } from '../../ports/control-store.js';
import { SEPARATOR, fromKeyBytes, toKeyBytes } from './key-bytes.js';
import type { OrderedStore } from './ordered-store.js';

export interface EmbeddedControlStoreOptions {
  /** Keeps these records apart from others in the same store. @default '' */
  readonly namespace?: string;
}

/**
 * A control store in an ordered store: `{namespace} FF c {name}`, each record as JSON text. What callers get is parsed
 * for them alone: changing it changes nothing here.
 */
export class EmbeddedControlStore implements ControlStore {
  readonly #store: OrderedStore;
  readonly #prefix: string;

  constructor(store: OrderedStore, options: EmbeddedControlStoreOptions = {}) {
    this.#store = store;
    this.#prefix = `${toKeyBytes(options.namespace ?? '')}${SEPARATOR}c`;
  }

  async get(name: string): Promise<Versioned<unknown> | undefined> {
    const bytes = this.#store.get(this.#prefix + toKeyBytes(name));
    return bytes === undefined ? undefined : decode(bytes);
  }

  async compareAndSet(name: string, version: number, value: unknown): Promise<boolean> {
    const json: unknown = JSON.stringify(value);
    if (typeof json !== 'string') throw new Error(`the value for ${name} is no JSON`);
    const key = this.#prefix + toKeyBytes(name);
    const bytes = this.#store.latest(key);
    const current = bytes === undefined ? 0 : decode(bytes).version;
    if (current === version) this.#store.put(key, Buffer.from(`{"version":${version + 1},"value":${json}}`));
    // A refusal, too, may rest on what is only staged.
    await this.#store.commit();
    return current === version;
  }

  async list(
    prefix: string,
    options: { readonly after?: string; readonly limit?: number; readonly reverse?: boolean } = {},
  ): Promise<readonly ControlRow[]> {
    const { after, limit = Infinity, reverse = false } = options;
    let from = this.#prefix + toKeyBytes(prefix);
    let to = from + SEPARATOR;
    if (after !== undefined) {
      const cursor = this.#prefix + toKeyBytes(after);
      if (reverse) to = cursor < to ? cursor : to;
      else from = cursor >= from ? `${cursor}\0` : from;
    }
    const rows: ControlRow[] = [];
    this.#store.scan({ from, to, reverse }, (key, value) => {
      if (rows.length >= limit) return false;
      rows.push({ name: fromKeyBytes(key.slice(this.#prefix.length)), record: decode(value) });
      return true;
    });
    return rows;
  }
}

function decode(bytes: Buffer): Versioned<unknown> {
  return JSON.parse(bytes.toString('utf8')) as Versioned<unknown>;
}
