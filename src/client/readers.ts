/** Readers: pages fetched by long polling, from where the group stands, across lost sites and restarts. */
import type { Clock } from '../ports/environment.js';
import type { Caller } from './caller.js';
import { sleepUnlessAborted } from './environment.js';
import { memoryCheckpoints } from './checkpoints.js';
import type { CheckpointStore } from './checkpoints.js';
import type { SiteApi } from './transport.js';

/**
 * What all readers take, and what they promise.
 *
 * The server gives each committed event exactly once along a chain of checkpoints. What a consumer gets on top of that
 * depends on where its checkpoint is saved:
 *
 * - `events`, `transactions`: the checkpoint of a page is saved when the consumer asks for the item after the page's
 *   last. While the process lives each item comes exactly once. After a crash, a `break` or a throw, the page that was
 *   being worked on comes again from its start: **at least once**, page by page. Exactly once for a consumer that drops
 *   event ids that it knows.
 * - `pages`, `transactionPages`: nothing is saved but by `page.commit()`. A consumer that keeps `page.checkpoint` in its
 *   own storage, in the same transaction as its results, and starts with `from`, has **exactly once** whatever crashes.
 *
 * A reader gets over lost sites and answers by itself, for as long as `retryForMs` says. It throws `LockstepError`:
 * `Gap` with `{from, to}` where a part is no longer kept, `UnknownStream`, `InvalidCheckpoint`.
 */
export interface ReaderOptions {
  /** Readers with their own positions. @default "default" */
  readonly group?: string;
  /** @default one that lasts as long as this reader */
  readonly checkpointStore?: CheckpointStore;
  /** Start behind this checkpoint, whatever the store says. */
  readonly from?: string;
  /** Items per page, 1 to 1,000. @default 100 */
  readonly limit?: number;
  /** How long the server is to wait for new items, milliseconds, 0 to 20,000. @default 10000; 0 until caught up */
  readonly waitMs?: number;
  /** Ends the iteration without an error. */
  readonly signal?: AbortSignal;
  /** `caught-up`: end once everything that was committed when the last request arrived has been given. */
  readonly until?: 'caught-up';
  /** For how long without an answer to go on trying, milliseconds. @default Infinity */
  readonly retryForMs?: number;
}

export interface ReadEventsOptions extends ReaderOptions {
  readonly stream: string;
  /** Read the replica of this site. @default the active one */
  readonly site?: string;
}

export interface ReadTransactionsOptions extends ReaderOptions {
  /** 1 to 100. */
  readonly streams: readonly string[];
}

/** What one answer of the server held; may be empty. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Behind its last item. */
  readonly checkpoint: string;
  /** Everything that was committed when the request arrived has been given by now. */
  readonly caughtUp: boolean;
  /** Saves the checkpoint in the group's store. That of an earlier page than one saved already changes nothing. */
  commit(): Promise<void>;
}

interface PageRequest {
  readonly checkpoint?: string;
  readonly limit?: number;
  readonly waitMs: number;
}

type FetchPage<T> = (site: SiteApi, request: PageRequest, signal?: AbortSignal) => Promise<Omit<Page<T>, 'commit'>>;

const WAIT_MS = 10_000;
/** Between empty pages that came without a wait, at most, milliseconds. */
const MAX_IDLE_MS = 1_000;
const FIRST_IDLE_MS = 20;

/** @param what distinguishes this reading from others of the group */
export async function* readPages<T>(
  caller: Caller,
  options: ReaderOptions,
  what: string,
  fetchPage: FetchPage<T>,
): AsyncGenerator<Page<T>, void> {
  const { signal, until } = options;
  const waitMs = options.waitMs ?? (until === 'caught-up' ? 0 : WAIT_MS);
  const always = options.limit === undefined ? {} : { limit: options.limit };
  const saver = new Saver(options.checkpointStore ?? memoryCheckpoints(), `${options.group ?? 'default'}/${what}`);
  const pace = new Pace(caller.clock, waitMs);
  let checkpoint = options.from ?? (await saver.load());
  for (let number = 1; signal?.aborted !== true; number += 1) {
    // A page that was waited for does not say whether it was all.
    const isForAll = until === 'caught-up' && number > 1;
    const request = { ...always, waitMs: isForAll ? 0 : waitMs, ...(checkpoint !== undefined && { checkpoint }) };
    pace.start();
    const page = await fetchUnlessAborted(caller, (site) => fetchPage(site, request, signal), options);
    if (page === undefined) return;
    checkpoint = page.checkpoint;
    yield { ...page, commit: () => saver.save(number, page.checkpoint) };
    if (until === 'caught-up' && page.caughtUp) return;
    await pace.rest(page.items.length, signal);
  }
}

/**
 * Rests after empty pages. A server that waits sets the pace; one that does not (it closes, is behind, was asked not to)
 * must not be rushed.
 */
class Pace {
  readonly #clock: Clock;
  readonly #waitMs: number;
  #askedAt = 0;
  #idleMs = 0;

  constructor(clock: Clock, waitMs: number) {
    this.#clock = clock;
    this.#waitMs = waitMs;
  }

  start(): void {
    this.#askedAt = this.#clock.now();
  }

  async rest(items: number, signal: AbortSignal | undefined): Promise<void> {
    const waited = this.#waitMs > 0 && this.#clock.now() - this.#askedAt >= this.#waitMs / 2;
    const full = items > 0 || waited;
    this.#idleMs = full ? 0 : Math.min(MAX_IDLE_MS, Math.max(FIRST_IDLE_MS, this.#idleMs * 2));
    if (this.#idleMs > 0) await sleepUnlessAborted(this.#clock, this.#idleMs, signal);
  }
}

/** The items of pages; a page is committed when the item after its last is asked for. */
export async function* itemsOf<T>(pages: AsyncGenerator<Page<T>, void>): AsyncGenerator<T, void> {
  for await (const page of pages) {
    yield* page.items;
    await page.commit();
  }
}

/** Undefined: the signal came first. */
async function fetchUnlessAborted<T>(
  caller: Caller,
  request: (site: SiteApi) => Promise<T>,
  { signal, retryForMs = Infinity }: ReaderOptions,
): Promise<T | undefined> {
  const fetching = caller.call(request, { signal, retryForMs, maxAttempts: Infinity });
  if (signal === undefined) return fetching;
  let stop = (): void => undefined;
  const aborted = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    // In process a read cannot be cancelled, so the reader does not wait for its end either.
    return await Promise.race([fetching, aborted]);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  } finally {
    fetching.catch(() => undefined);
    signal.removeEventListener('abort', stop);
  }
}

/** Saves checkpoints one after the other and only forward. */
class Saver {
  readonly #store: CheckpointStore;
  readonly #name: string;
  #lastPage = 0;
  #saved: string | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(store: CheckpointStore, name: string) {
    this.#store = store;
    this.#name = name;
  }

  async load(): Promise<string | undefined> {
    return (this.#saved = await this.#store.load(this.#name));
  }

  /** @param page its number: that of an earlier page than one saved already is ignored */
  save(page: number, checkpoint: string): Promise<void> {
    const saving = this.#saving.then(async () => {
      if (page <= this.#lastPage || checkpoint === this.#saved) return;
      await this.#store.save(this.#name, checkpoint);
      this.#lastPage = page;
      this.#saved = checkpoint;
    });
    // A save that failed is told to who asked for it; the next one tries anew.
    this.#saving = saving.catch(() => undefined);
    return saving;
  }
}
