/** An interactive transaction as the callback of `run` sees it, and what keeps it alive across lost sites. */
import type { BeginRequest, CommitAnswer, EventIn, TransactionLogEntry, WriteAnswer } from '../core/api.js';
import { isLockstepError, LockstepError } from '../core/errors.js';
import type { Caller } from './caller.js';
import type { SiteApi } from './transport.js';

/** What the home site said of a written event. */
export type Written = WriteAnswer['events'][number];

/** What the callback of `run` works with. */
export interface Transaction {
  readonly id: string;
  /**
   * Writes an event; resolves when it is durable as the transaction's replication says. A write without an `id` gets
   * one, so that every retry of it is the same write.
   *
   * @throws LockstepError what the API refuses a write with. A transaction with a failed write is not committed, also
   *   when the error is caught.
   */
  write(event: EventIn): Promise<Written>;
  /** Several events in one request, up to 500; they are numbered in this order. */
  write(events: readonly EventIn[]): Promise<readonly Written[]>;
  /** The events written so far, by number. */
  read(): Promise<TransactionLogEntry['events']>;
}

/** Events of one call of `write`, sent together and sent again together. */
interface Batch {
  readonly events: readonly (EventIn & { readonly id: string })[];
  /** As answered first: sent again to another home it may get later numbers, and keeps its place all the same. */
  written?: readonly Written[];
  /** That of the beginning in which it was answered so. */
  generation?: number;
}

/** A transaction is begun or completed anew at most so often: each time a site was lost with what it held. */
const MAX_RECOVERIES = 10;
/** To tell home that a transaction is not wanted any more, milliseconds; otherwise its deadline does. */
const ABORT_FOR_MS = 2_000;
/** Of writes that the user gave no id: apart from what a user would choose. */
const WRITE_ID_PREFIX = '~';

export class OpenTransaction implements Transaction {
  readonly id: string;
  readonly #caller: Caller;
  readonly #request: BeginRequest;
  readonly #batches: Batch[] = [];
  readonly #inFlight = new Set<Promise<unknown>>();
  /** Rises with each new beginning: an answer of an earlier one is no answer. */
  #generation = 0;
  #recovery: Promise<void> | undefined;
  #unnamed = 0;
  #failure: { readonly error: unknown } | undefined;
  #over = false;

  constructor(caller: Caller, request: BeginRequest & { readonly id: string }) {
    this.id = request.id;
    this.#caller = caller;
    this.#request = request;
  }

  async begin(): Promise<void> {
    await this.#call((site) => site.begin(this.#request));
  }

  write(event: EventIn): Promise<Written>;
  write(events: readonly EventIn[]): Promise<readonly Written[]>;
  write(given: EventIn | readonly EventIn[]): Promise<Written | readonly Written[]> {
    if (this.#over) return Promise.reject(this.#tooLate());
    const writing = isList(given) ? this.#write(given) : this.#write([given]).then(([only]) => only as Written);
    // `settled` reports what fails, so a write that nobody awaits does not end the process.
    const watched = writing.then(
      () => undefined,
      (error: unknown) => {
        this.#failure ??= { error };
      },
    );
    this.#inFlight.add(watched);
    void watched.then(() => this.#inFlight.delete(watched));
    return writing;
  }

  async read(): Promise<TransactionLogEntry['events']> {
    await Promise.all(this.#inFlight);
    const entry = await this.#recovering(() => this.#call((site) => site.getTransaction(this.id)));
    return entry.events;
  }

  /** Waits for writes that the callback did not await. @throws what a write failed with, if one did */
  async settled(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#inFlight);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Commits what was written; sends again what home lacks. Call `settled` before. */
  async commit(): Promise<CommitAnswer> {
    return this.#recovering(() => this.#call((site) => site.commit(this.id, { digests: this.#digests() })));
  }

  /** Aborts as well as it goes; the deadline does it otherwise. */
  async abandon(reason: string): Promise<void> {
    this.#over = true;
    try {
      await this.#caller.call((site) => site.abort(this.id, { reason }), { retryForMs: ABORT_FOR_MS });
    } catch {
      // What made us abandon it is what the user has to hear of.
    }
  }

  async #write(events: readonly EventIn[]): Promise<readonly Written[]> {
    const batch: Batch = { events: events.map((event) => ({ ...event, id: event.id ?? this.#nextWriteId() })) };
    this.#batches.push(batch);
    await this.#recovering(() => this.#send(batch));
    return batch.written ?? [];
  }

  #tooLate(): LockstepError {
    return new LockstepError('InvalidRequest', `Transaction ${this.id} is over: await each write inside of run()`);
  }

  #nextWriteId(): string {
    // Counted, not random: a callback that does the same again under the same transaction id makes the same writes.
    this.#unnamed += 1;
    return `${WRITE_ID_PREFIX}${this.#unnamed - 1}`;
  }

  /** Sends a batch until it is answered by the transaction as it was begun last. */
  async #send(batch: Batch): Promise<void> {
    for (;;) {
      const generation = this.#generation;
      const { events } = await this.#call((site) => site.write(this.id, { events: batch.events }));
      if (events.length !== batch.events.length) {
        throw new LockstepError('Unavailable', 'The answer to a write does not fit it: try again with the same id');
      }
      if (batch.generation !== generation) Object.assign(batch, { written: events, generation });
      // Bounded: generations are, by MAX_RECOVERIES.
      if (generation === this.#generation) return;
    }
  }

  /** Does this, and whenever home turns out to lack something of the transaction, provides it and does it again. */
  async #recovering<T>(action: () => Promise<T>): Promise<T> {
    let provide = async (): Promise<void> => undefined;
    for (let recoveries = 0; ; recoveries += 1) {
      const generation = this.#generation;
      try {
        await provide();
        return await action();
      } catch (error) {
        if (recoveries >= MAX_RECOVERIES || !isLockstepError(error, 'UnknownTransaction', 'EventsMissing')) throw error;
        provide = () => (error.code === 'EventsMissing' ? this.#sendAgain(error) : this.#beginAgain(generation, error));
      }
    }
  }

  /** A lost home had begun it: begin with the same id, and write again what it had answered, in the same order. */
  async #beginAgain(generation: number, cause: LockstepError): Promise<void> {
    if (generation !== this.#generation) return;
    if (this.#generation >= MAX_RECOVERIES) throw cause;
    this.#recovery ??= this.#rewrite().finally(() => (this.#recovery = undefined));
    await this.#recovery;
  }

  async #rewrite(): Promise<void> {
    this.#generation += 1;
    const known = this.#batches.filter((batch) => batch.written !== undefined);
    known.sort((a, b) => firstNumber(a) - firstNumber(b));
    await this.begin();
    for (const batch of known) {
      const { events } = await this.#call((site) => site.write(this.id, { events: batch.events }));
      Object.assign(batch, { written: events, generation: this.#generation });
    }
  }

  /** What is missing is told by its place among the digests that the commit named. */
  async #sendAgain(error: LockstepError): Promise<void> {
    const places = new Set(Array.isArray(error.extras['missing']) ? (error.extras['missing'] as unknown[]) : []);
    const missing = new Set(this.#inOrder().flatMap(({ number }, place) => (places.has(place) ? [number] : [])));
    const lacking = this.#batches.filter((batch) => batch.written?.some(({ number }) => missing.has(number)));
    if (lacking.length === 0) throw error;
    for (const batch of lacking) await this.#send(batch);
  }

  #digests(): string[] {
    return this.#inOrder().map(({ digest }) => digest);
  }

  /** By number, each once: a write that is named twice is one. */
  #inOrder(): readonly Written[] {
    const byNumber = new Map<number, Written>();
    for (const { written = [] } of this.#batches) for (const each of written) byNumber.set(each.number, each);
    return [...byNumber.values()].sort((a, b) => a.number - b.number);
  }

  #call<T>(request: (site: SiteApi) => Promise<T>): Promise<T> {
    return this.#caller.call(request);
  }
}

function isList(given: EventIn | readonly EventIn[]): given is readonly EventIn[] {
  return Array.isArray(given);
}

function firstNumber(batch: Batch): number {
  return batch.written?.[0]?.number ?? 0;
}
