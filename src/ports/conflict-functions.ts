import type { ConflictSide } from '../core/api.js';
import type { Choice } from '../core/conflict.js';

/** What a user's function is asked: two changes of one (stream, key), neither of which knew of the other. */
export interface ConflictQuestion {
  readonly stream: string;
  readonly key: string;
  /** The last change that home decided itself: it stands on the streams. */
  readonly standing: ConflictSide;
  /** What only the site that came back knew; perhaps it was acknowledged there, and read. */
  readonly waiting: ConflictSide;
}

/** Which one stays; `manual` leaves it to an operator. */
export type ConflictAnswer = Choice;

/** The functions of the deployment's configuration, by which streams may have their conflicts resolved. */
export interface ConflictFunctions {
  readonly names: readonly string[];

  /**
   * Asks a function, for a limited time.
   *
   * @returns what it answered, whatever that is
   * @throws Error it threw, or took too long
   */
  choose(name: string, question: ConflictQuestion, timeoutMs: number): Promise<unknown>;
}

export const NO_CONFLICT_FUNCTIONS: ConflictFunctions = {
  names: [],
  choose: (name) => Promise.reject(new Error(`there is no function ${name} in the configuration`)),
};
