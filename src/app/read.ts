import type {
  EventOut,
  EventPage,
  ReadEvents,
  ReadTransactions,
  WholeTransaction,
  WholeTransactionPage,
} from '../core/api.js';
import { START, decodeCheckpoint, encodeCheckpoint } from '../core/checkpoint.js';
import { LockstepError } from '../core/errors.js';
import type { Reader } from '../core/reader.js';
import { Page } from '../core/reading/page.js';
import { NEVER, msOf } from '../core/timestamp.js';
import type { Clock } from '../ports/environment.js';
import { DEFAULT_READ_LIMITS, type ReadLimits, type ReadSite } from './reading/read-site.js';
import { ReadSession, gapError } from './reading/session.js';
import { SessionCache } from './reading/session-cache.js';

/** Reading at one site: pages of events, or of whole transactions, each with the checkpoint to go on with. */
export interface ReadUseCase {
  /**
   * @param signal ends a long poll early
   * @throws LockstepError InvalidCheckpoint, UnknownStream, Gap
   */
  readEvents(request: ReadEvents, signal?: AbortSignal): Promise<EventPage>;
  readTransactions(request: ReadTransactions, signal?: AbortSignal): Promise<WholeTransactionPage>;
}

const DEFAULT_LIMIT = 100;
/** The least time between two looks of a long poll: hints that nothing came of must not make it spin. */
const PAUSE_MS = 20;

/** What is asked for, whatever a page is made of. */
interface Request<T> {
  readonly streams: readonly string[];
  readonly checkpoint: string | undefined;
  readonly limit: number | undefined;
  readonly waitMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly areWhole: boolean;
  readonly take: (reader: Reader, page: Page<T>) => void;
}

interface Answer<T> {
  readonly items: readonly T[];
  readonly checkpoint: string;
  readonly caughtUp: boolean;
}

export function createReadUseCase(site: ReadSite, limits: Partial<ReadLimits> = {}): ReadUseCase {
  const pages = new Pages(site, { ...DEFAULT_READ_LIMITS, ...limits });
  return {
    async readEvents({ stream, checkpoint, limit, waitMs }, signal) {
      const take = (reader: Reader, page: Page<EventOut>) => reader.takeEvents(page);
      const request = { streams: [stream], checkpoint, limit, waitMs, signal, areWhole: false, take };
      const { items, ...rest } = await pages.read(request);
      return { events: items, ...rest };
    },
    async readTransactions({ streams, checkpoint, limit, waitMs }, signal) {
      const take = (reader: Reader, page: Page<WholeTransaction>) => reader.takeTransactions(page);
      const request = {
        streams: [...new Set(streams)].sort(),
        checkpoint,
        limit,
        waitMs,
        signal,
        areWhole: true,
        take,
      };
      const { items, ...rest } = await pages.read(request);
      return { transactions: items, ...rest };
    },
  };
}

class Pages {
  readonly #site: ReadSite;
  readonly #limits: ReadLimits;
  readonly #sessions: SessionCache;

  constructor(site: ReadSite, limits: ReadLimits) {
    this.#site = site;
    this.#limits = limits;
    this.#sessions = new SessionCache(limits.maxSessions, limits.maxSessionBytes);
  }

  async read<T>(request: Request<T>): Promise<Answer<T>> {
    const { streams, limit = DEFAULT_LIMIT } = request;
    const page = new Page<T>(limit, this.#limits.maxPageBytes);
    const session = await this.#fill(await this.#session(request), page, request);
    const checkpoint = encodeCheckpoint(session.reader.checkpoint(), streams);
    // Only now: a session whose page failed on the way has given out what nobody got.
    this.#sessions.put(keyOf(streams, checkpoint), session);
    return { items: page.items, checkpoint, caughtUp: session.isCaughtUp };
  }

  async #session<T>({ streams, checkpoint: text, areWhole }: Request<T>): Promise<ReadSession> {
    if (text === undefined) return ReadSession.open(this.#site, streams, START);
    const checkpoint = decodeCheckpoint(text, streams);
    if (areWhole && checkpoint.partial !== undefined) {
      throw new LockstepError(
        'InvalidCheckpoint',
        'this checkpoint stands in the middle of a transaction; go on reading events with it',
      );
    }
    const alive = this.#sessions.take(keyOf(streams, text));
    return alive?.isCurrent === true ? alive : ReadSession.open(this.#site, streams, checkpoint);
  }

  /** Reads until the page is full, or all there is is in it, or the time to wait is over. */
  async #fill<T>(first: ReadSession, page: Page<T>, request: Request<T>): Promise<ReadSession> {
    let session = first;
    session.begin();
    const wait = new Wait(this.#site.clock, request.waitMs ?? 0, request.signal);
    for (;;) {
      const { reader } = session;
      request.take(reader, page);
      if (reader.gap !== undefined) throw gapError(msOf(reader.gap.from), msOf(reader.gap.to));
      if (this.#isDone(session, page)) return session;
      if (reader.isSpent) {
        session = await ReadSession.open(this.#site, request.streams, reader.checkpoint());
        session.begin();
        continue;
      }
      if (this.#isOverfull(reader)) reader.shed();
      if (await session.readOn()) continue;
      if (this.#mustAsk(session, wait)) await session.ask();
      else if (page.items.length > 0 || wait.isOver) return session;
      else await wait.next(session);
    }
  }

  /**
   * A full page goes out as it is, without asking home, which costs a write: unless it may be the last one, or says
   * nothing yet that a gap could be told from later.
   */
  #isDone<T>({ reader, isAsked, isAtTip }: ReadSession, page: Page<T>): boolean {
    if (!page.isFull || reader.closed === NEVER) return false;
    return reader.completeCount > 0 || (isAsked && isAtTip);
  }

  /**
   * Asking home costs writes at every site, so a long poll goes out with what it has, and asks only when nothing came:
   * else each reader that follows would raise a bar for every page. What waits for a newer closed timestamp is not kept
   * waiting for the next bar.
   */
  #mustAsk({ isAsked, reader }: ReadSession, wait: Wait): boolean {
    return !isAsked && (wait.isOver || reader.completeCount > 0 || reader.closed === NEVER);
  }

  #isOverfull(reader: Reader): boolean {
    return reader.pendingCount > this.#limits.maxHeld || reader.heldBytes > this.#limits.maxHeldBytes;
  }
}

/** The waiting of a long poll. */
class Wait {
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #untilMs: number;
  readonly #signal: AbortSignal | undefined;
  #armed: Promise<void> | undefined;
  #wakes = 0;

  constructor(clock: Clock, waitMs: number, signal: AbortSignal | undefined) {
    this.#clock = clock;
    this.#waitMs = waitMs;
    this.#untilMs = clock.now() + waitMs;
    this.#signal = signal;
  }

  get isOver(): boolean {
    // More than there was at the start: the clock was set back.
    return this.#leftMs <= 0 || this.#leftMs > this.#waitMs || this.#signal?.aborted === true;
  }

  /**
   * The first time it only starts to listen: what arrived between the last look and now would not be heard. Afterwards
   * it waits for what it listens to, until the time is over.
   */
  async next(session: ReadSession): Promise<void> {
    if (this.#armed !== undefined) {
      await orAborted(this.#armed, this.#signal);
      if (this.#wakes > 0) await this.#clock.sleep(Math.min(PAUSE_MS, Math.max(0, this.#leftMs)));
      this.#wakes += 1;
    }
    this.#armed = session.awaitRecords(Math.max(0, this.#leftMs));
    // Nobody may be left to hear of it.
    this.#armed.catch(() => undefined);
    session.lookAgain();
  }

  get #leftMs(): number {
    return this.#untilMs - this.#clock.now();
  }
}

/** Resolves with the promise, or as soon as the signal says so. */
async function orAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return promise;
  let stop = (): void => undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener('abort', stop);
  });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function keyOf(streams: readonly string[], checkpoint: string): string {
  return JSON.stringify([streams, checkpoint]);
}
