import { fileCheckpoints, LockstepClient } from '../../../src/client/index.js';
import type { EventOut, Page, ReaderOptions, WholeTransaction } from '../../../src/client/index.js';
import { seededRandom } from '../../../src/adapters/embedded/virtual-clock.js';
import type { Random } from '../../../src/ports/environment.js';

const CRASH_RATE = 0.05;

type ReadPages = (options: ReaderOptions) => AsyncGenerator<Page<readonly EventOut[]>>;

/**
 * A reader group with its checkpoint in a file: what a page brought counts once its checkpoint is saved, as in one
 * transaction with the results. Now and then the reader crashes, before saving or after, and another one goes on.
 */
export class Follower {
  readonly name: string;
  readonly streams: readonly string[];
  readonly delivered: EventOut[] = [];
  failure: unknown;
  readonly #end = new AbortController();
  readonly #reading: Promise<void>;

  constructor(name: string, streams: readonly string[], seed: number, pages: ReadPages) {
    this.name = name;
    this.streams = streams;
    this.#reading = this.#read(seededRandom(seed), pages).catch((error: unknown) => void (this.failure = error));
  }

  async #read(random: Random, pages: ReadPages): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      for await (const page of pages({ signal, waitMs: 500 })) {
        if (random.next() < CRASH_RATE) break;
        await page.commit();
        this.delivered.push(...page.items.flat());
        if (random.next() < CRASH_RATE) break;
      }
    }
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.#reading;
  }
}

export interface FollowerOptions {
  readonly url: string;
  readonly folder: string;
  readonly seed: number;
}

/** One group per stream and site, and one of whole transactions over all streams. */
export function startFollowers(
  streams: readonly string[],
  { url, folder, seed }: FollowerOptions,
): readonly Follower[] {
  const client = new LockstepClient({ endpoints: [url], backoffMs: 20, maxBackoffMs: 200 });
  const store = (group: string) => ({ group, checkpointStore: fileCheckpoints(folder), limit: 100 });
  const readers = streams.flatMap((stream, index) => [
    new Follower(`events of ${stream}`, [stream], seed + index, (options) =>
      mapped(client.pages({ stream, ...store('active'), ...options }), (event) => [event]),
    ),
    new Follower(`events of ${stream} at west`, [stream], seed + 100 + index, (options) =>
      mapped(client.pages({ stream, site: 'west', ...store('west'), ...options }), (event) => [event]),
    ),
  ]);
  const whole = new Follower('whole transactions', streams, seed + 200, (options) =>
    mapped(
      client.transactionPages({ streams, ...store('whole'), ...options }),
      ({ events }: WholeTransaction) => events,
    ),
  );
  return [...readers, whole];
}

async function* mapped<From>(
  pages: AsyncGenerator<Page<From>>,
  toEvents: (item: From) => readonly EventOut[],
): AsyncGenerator<Page<readonly EventOut[]>> {
  for await (const page of pages) {
    yield {
      items: page.items.map(toEvents),
      checkpoint: page.checkpoint,
      caughtUp: page.caughtUp,
      commit: () => page.commit(),
    };
  }
}
