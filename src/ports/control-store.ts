/**
 * A few small records that outlive the loss of any one site: the route, the streams' definitions, incidents, conflicts,
 * proofs. Single-record compare-and-set, linearizable. Not on the path of a transaction.
 */

export interface Versioned<T> {
  readonly value: T;
  /** Rises by one with each write; 0 means that there is no record yet. */
  readonly version: number;
}

export interface ControlRow {
  readonly name: string;
  readonly record: Versioned<unknown>;
}

export interface ControlStore {
  get(name: string): Promise<Versioned<unknown> | undefined>;

  /**
   * Writes the record if it still has this version (0: if there is none). False: it has another one.
   *
   * @throws PortUnavailable the outcome is unknown
   */
  compareAndSet(name: string, version: number, value: unknown): Promise<boolean>;

  /** Records whose names start with `prefix`, in order of their names (descending when `reverse`). */
  list(prefix: string, options?: { after?: string; limit?: number; reverse?: boolean }): Promise<readonly ControlRow[]>;
}
