import type { EventIn } from '../../../src/core/api.js';

/**
 * What a client knows of a transaction. `begun`: an answer is awaited, or none came. `refused` covers whatever must not
 * be there: refused by the server, or given up by the client before its commit.
 */
export type Knowledge = 'begun' | 'committed' | 'refused';

export interface Attempt {
  readonly id: string;
  readonly events: readonly EventIn[];
  knowledge: Knowledge;
}

/** What the clients did and were told: the only witness of what the server promised. */
export class Journal {
  readonly attempts = new Map<string, Attempt>();
  readonly surprises: string[] = [];
  #acknowledged = 0;

  begin(id: string, events: readonly EventIn[]): void {
    this.attempts.set(id, { id, events, knowledge: 'begun' });
  }

  learn(id: string, knowledge: Knowledge): void {
    const attempt = this.attempts.get(id);
    if (!attempt) throw new Error(`transaction ${id} was never begun`);
    attempt.knowledge = knowledge;
    if (knowledge === 'committed') this.#acknowledged += 1;
  }

  surprise(where: string, error: unknown): void {
    this.surprises.push(`${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  with(knowledge: Knowledge): readonly Attempt[] {
    return [...this.attempts.values()].filter((attempt) => attempt.knowledge === knowledge);
  }
}
