/** Time, randomness and notes: passed in, so that the whole system runs under a simulated clock and a seed. */

export interface Clock {
  /** Milliseconds since 1970; may jump either way. */
  now(): number;
  /** Resolves after this time. Never used for safety. */
  sleep(ms: number): Promise<void>;
  /** Resolves once everything that is runnable now has had its turn: lets requests of one moment share a call. */
  nextTurn(): Promise<void>;
}

export interface Random {
  /** A number in [0, 1). */
  next(): number;
  bytes(count: number): Uint8Array;
}

/** Where the system tells what it does; never decides anything, must never throw. */
export interface Observer {
  note(what: string, facts?: Readonly<Record<string, unknown>>): void;
}

export const SILENT: Observer = { note: () => undefined };

/** The note that says how many sites are not in sync (`out`) and how many streams lag here (`behind`). */
export const STANDING = 'how it stands';
