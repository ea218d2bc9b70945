import type { ReadSession } from './session.js';

/**
 * Readers that stay alive between two pages, by the checkpoint that the last page gave out: who polls goes on where it
 * stood, without reading anything twice.
 *
 * It saves reading, no more. A session is taken out when it is used: the same checkpoint given a second time finds none
 * and is rebuilt from the stream, as it must be, since the session has gone on.
 */
export class SessionCache {
  readonly #maxSessions: number;
  readonly #maxBytes: number;
  /** Oldest first. */
  readonly #sessions = new Map<string, ReadSession>();
  #bytes = 0;

  constructor(maxSessions: number, maxBytes: number) {
    this.#maxSessions = maxSessions;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#sessions.size;
  }

  take(key: string): ReadSession | undefined {
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    this.#sessions.delete(key);
    this.#bytes -= session.reader.heldBytes;
    return session;
  }

  put(key: string, session: ReadSession): void {
    this.take(key);
    this.#sessions.set(key, session);
    this.#bytes += session.reader.heldBytes;
    for (const [oldest] of this.#sessions) {
      if (this.#sessions.size <= this.#maxSessions && this.#bytes <= this.#maxBytes) break;
      this.take(oldest);
    }
  }
}
