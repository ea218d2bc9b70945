import { setTimeout } from 'node:timers/promises';
import type { LockstepClient } from '../../src/client/index.js';
import type { Checker, Reading } from './checker.js';

const PAGE = 1_000;
const POLL_MS = 50;
/** After everything has come: for copies that should not come. */
const LINGER_MS = 500;

type ReadingClient = Pick<LockstepClient, 'pages' | 'transactionPages'>;

/**
 * Readers as an application has them, one for each stream and one for whole transactions, following live while sites
 * come and go. What they get is held against the log as well.
 */
export class Followers {
  private readonly stop = new AbortController();
  private readonly running: Promise<void>[] = [];
  private readonly byStream: Reading;
  private readonly whole: Reading;
  private readonly transactions = new Set<string>();
  private failure: { readonly error: unknown } | undefined;

  constructor(client: ReadingClient, checker: Checker, streams: readonly string[]) {
    // One reading of all four: their order is checked per stream, their completeness over all.
    this.byStream = checker.reading('live readers of the streams');
    this.whole = checker.reading('live reader of whole transactions');
    for (const stream of streams) this.run(this.followStream(client, stream));
    this.run(this.followTransactions(client, streams));
  }

  /** Events that the readers of the streams got. */
  get events(): number {
    return this.byStream.eventCount;
  }

  get wholeTransactions(): number {
    return this.transactions.size;
  }

  /**
   * Waits until both kinds of readers have so many events, and a little longer for any that come twice.
   *
   * @param patienceMs is given up after so long without any progress: what has not come then is lost
   */
  async caughtUp(events: number, patienceMs: number, signal: AbortSignal): Promise<void> {
    let before = -1;
    let progressAt = Date.now();
    while (this.byStream.eventCount < events || this.whole.eventCount < events) {
      if (this.failure !== undefined) break;
      signal.throwIfAborted();
      const now = this.byStream.eventCount + this.whole.eventCount;
      if (now !== before) progressAt = Date.now();
      else if (Date.now() - progressAt > patienceMs) break;
      before = now;
      await setTimeout(POLL_MS);
    }
    await setTimeout(LINGER_MS);
  }

  async end(): Promise<void> {
    this.stop.abort();
    await Promise.all(this.running);
    if (this.failure !== undefined) throw this.failure.error;
  }

  private run(following: Promise<void>): void {
    this.running.push(following.catch((error: unknown) => void (this.failure ??= { error })));
  }

  private async followStream(client: ReadingClient, stream: string): Promise<void> {
    for await (const page of client.pages({ stream, limit: PAGE, signal: this.stop.signal })) {
      for (const event of page.items) this.byStream.take(stream, event);
    }
  }

  private async followTransactions(client: ReadingClient, streams: readonly string[]): Promise<void> {
    for await (const page of client.transactionPages({ streams, limit: PAGE, signal: this.stop.signal })) {
      for (const transaction of page.items) {
        this.whole.takeTransaction(transaction);
        this.transactions.add(transaction.id);
      }
    }
  }
}
