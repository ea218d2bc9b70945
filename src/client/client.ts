/** The client: every request of the contract with retries, and transactions as callbacks. */
import type {
  BatchResult,
  BeginRequest,
  CommitAnswer,
  CommitRequest,
  EventIn,
  EventOut,
  WholeTransaction,
} from '../core/api.js';
import { isLockstepError, LockstepError } from '../core/errors.js';
import { commitEach } from './batch.js';
import type { RetryOptions } from './caller.js';
import { httpTransport } from './http-transport.js';
import type { HttpTransportOptions } from './http-transport.js';
import { PlainClient } from './plain-client.js';
import { itemsOf, readPages } from './readers.js';
import type { Page, ReadEventsOptions, ReadTransactionsOptions } from './readers.js';
import { OpenTransaction } from './transaction.js';
import type { Transaction } from './transaction.js';
import type { Transport } from './transport.js';

/** Where the deployment is: endpoints for HTTP, or a transport. */
export type ClientOptions = RetryOptions & (HttpTransportOptions | { readonly transport: Transport });

export interface RunOptions extends Omit<BeginRequest, 'id'> {
  /**
   * The transaction's id, `[A-Za-z0-9_-]{1,64}`. Running the same callback again under the same id is safe as long as
   * the transaction is open: its writes are the same writes. @default a new one
   */
  readonly id?: string;
  /** Run the callback again, in a new transaction, when a key had another version than expected. @default false */
  readonly retryOnVersionConflict?: boolean;
  /** How often the callback is run at most, with `retryOnVersionConflict`. @default 5 */
  readonly attempts?: number;
}

export interface RunResult<T> {
  /** What the callback returned. */
  readonly value: T;
  readonly commit: CommitAnswer;
}

/**
 * A client of one deployment. It may be shared; it holds no connection that has to be closed.
 *
 * Each method is retried with the same identifiers, at the next site where one does not answer, until it is answered,
 * definitely refused, or `retryForMs` has passed. It throws `LockstepError`: after `Undetermined` and `Unavailable` the
 * outcome is unknown, and the same call with the same `id` tells.
 *
 * @example
 * const client = new LockstepClient({ endpoints: ['http://127.0.0.1:4040'] });
 * await client.run(async (tx) => {
 *   await tx.write({ stream: 'orders', key: 'o-1', type: 'placed', data: { total: 40 } });
 *   await tx.write({ stream: 'payments', key: 'o-1', type: 'requested', data: { amount: 40 } });
 * }, { streams: ['orders', 'payments'] });
 */
export class LockstepClient extends PlainClient {
  constructor(options: ClientOptions) {
    super('transport' in options ? options.transport : httpTransport(options), options);
  }

  /** Commits events all or nothing in one call. @param options.id the transaction's. @default a new one */
  async commit(events: readonly EventIn[], options: { readonly id?: string } = {}): Promise<CommitAnswer> {
    const request = { id: options.id ?? this.newId(), events };
    return this.caller.call((site) => site.commitOnce(request));
  }

  /**
   * Commits independent transactions in one call, 1 to 100. Those that could not be decided yet are sent again.
   *
   * @returns for each, in this order, its answer or its problem
   */
  async commitBatch(commits: readonly CommitRequest[]): Promise<readonly BatchResult[]> {
    return commitEach(
      this.caller,
      commits.map((commit) => ({ ...commit, id: commit.id ?? this.newId() })),
    );
  }

  /**
   * Runs the callback in a transaction: begins it, commits when the callback returns, aborts and rethrows when it
   * throws. Lost sites, lost answers and lost writes are made good under the same id.
   *
   * @throws LockstepError what the API refuses with, e.g. `VersionConflict`, `TransactionExpired`, `Undetermined`
   */
  async run<T>(callback: (tx: Transaction) => Promise<T>, options: RunOptions): Promise<RunResult<T>> {
    const { retryOnVersionConflict = false, attempts = 5, ...request } = options;
    if (retryOnVersionConflict && request.id !== undefined) {
      throw new LockstepError('InvalidRequest', 'retryOnVersionConflict needs new ids: leave out id');
    }
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#runOnce(callback, { ...request, id: request.id ?? this.newId() });
      } catch (error) {
        const again = retryOnVersionConflict && attempt < attempts && isLockstepError(error, 'VersionConflict');
        if (!again) throw error;
        await this.caller.clock.sleep(this.caller.jitter(attempt));
      }
    }
  }

  async #runOnce<T>(
    callback: (tx: Transaction) => Promise<T>,
    request: BeginRequest & { readonly id: string },
  ): Promise<RunResult<T>> {
    const tx = new OpenTransaction(this.caller, request);
    await tx.begin();
    let value: T;
    try {
      value = await callback(tx);
      await tx.settled();
    } catch (error) {
      await tx.abandon('the client gave up');
      throw error;
    }
    try {
      return { value, commit: await tx.commit() };
    } catch (error) {
      // Of what may have been committed nothing must be undone; a definite refusal leaves it open, for nothing.
      if (isLockstepError(error) && !error.retryable) await tx.abandon(error.code);
      throw error;
    }
  }

  /** Committed events of a stream, one by one: see `ReaderOptions` for what is promised. */
  events(options: ReadEventsOptions): AsyncGenerator<EventOut, void> {
    return itemsOf(this.pages(options));
  }

  /** Whole transactions over several streams, one by one: see `ReaderOptions` for what is promised. */
  transactions(options: ReadTransactionsOptions): AsyncGenerator<WholeTransaction, void> {
    return itemsOf(this.transactionPages(options));
  }

  /** Committed events of a stream, page by page; `page.commit()` saves where the group stands. */
  pages(options: ReadEventsOptions): AsyncGenerator<Page<EventOut>, void> {
    const { stream, site } = options;
    return readPages(this.caller, options, `events/${stream}`, async (api, request, signal) => {
      const page = await api.readEvents({ stream, ...(site !== undefined && { site }), ...request }, signal);
      return { items: page.events, checkpoint: page.checkpoint, caughtUp: page.caughtUp };
    });
  }

  /** Whole transactions over several streams, page by page; `page.commit()` saves where the group stands. */
  transactionPages(options: ReadTransactionsOptions): AsyncGenerator<Page<WholeTransaction>, void> {
    const streams = [...options.streams].sort();
    return readPages(this.caller, options, `transactions/${streams.join(',')}`, async (api, request, signal) => {
      const page = await api.readTransactions({ streams, ...request }, signal);
      return { items: page.transactions, checkpoint: page.checkpoint, caughtUp: page.caughtUp };
    });
  }
}
