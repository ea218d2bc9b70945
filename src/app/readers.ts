import type { EventPage, ReadEvents, ReadTransactions, WholeTransactionPage } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { PortUnavailable } from '../ports/failures.js';
import { NEVER, type Timestamp } from '../core/timestamp.js';
import { closedNow } from './close.js';
import { createReadUseCase, type ReadUseCase } from './read.js';
import type { ReadSite, StreamClosed } from './reading/read-site.js';
import { unlessMoved } from './unless-moved.js';
import { NotHomeAnyMore } from '../ports/signals.js';
import { type Site, streamTarget } from './site.js';

const MS_PER_HOUR = 3_600_000;
const ATTEMPTS = 4;

/**
 * Reads where the stream is active, or where the client says. A read that fails opens the breaker like a put that fails,
 * and then moves the stream as well.
 */
export class Readers {
  readonly #site: Site;
  readonly #here: ReadUseCase;

  constructor(site: Site) {
    this.#site = site;
    this.#here = createReadUseCase(readSiteOf(site));
  }

  async readEvents(request: ReadEvents, hops = 0): Promise<EventPage> {
    await this.#site.registry.get(request.stream);
    if (request.site !== undefined) this.#mustHaveReplica(request.stream, request.site);
    return this.#reading(
      () => request.site ?? this.#activeOf(request.stream),
      [request.stream],
      request.site !== undefined,
      () => this.#here.readEvents(request, this.#site.ports.stopping),
      (at) =>
        this.#site.peers
          .agent(at)
          .perform({ operation: 'readEvents', args: [request, hops + 1] }) as Promise<EventPage>,
      hops,
    );
  }

  async readTransactions(request: ReadTransactions, hops = 0): Promise<WholeTransactionPage> {
    await this.#site.registry.require(request.streams);
    return this.#reading(
      () => this.#bestFor(request.streams),
      request.streams,
      false,
      () => this.#here.readTransactions(request, this.#site.ports.stopping),
      (at) =>
        this.#site.peers
          .agent(at)
          .perform({ operation: 'readTransactions', args: [request, hops + 1] }) as Promise<WholeTransactionPage>,
      hops,
    );
  }

  #activeOf(stream: string): string {
    const { active, home } = this.#site.routes.known;
    return active[stream] ?? home;
  }

  /** Where most of these streams are active; a replica of each is there, or as many as anywhere. */
  #bestFor(streams: readonly string[]): string {
    const votes = new Map<string, number>();
    for (const stream of streams) {
      const definition = this.#site.registry.known(stream);
      const active = this.#activeOf(stream);
      for (const at of Object.keys(definition?.replicas ?? {})) {
        votes.set(at, (votes.get(at) ?? 0) + (at === active ? streams.length + 1 : streams.length));
      }
    }
    const [best] = [...votes].sort((a, b) => b[1] - a[1]);
    return best?.[0] ?? this.#site.routes.known.home;
  }

  #mustHaveReplica(stream: string, at: string): void {
    if (this.#site.registry.known(stream)?.replicas[at] === undefined) {
      throw new LockstepError('InvalidRequest', `site: ${stream} has no replica at ${at}`);
    }
  }

  async #reading<T>(
    where: () => string,
    streams: readonly string[],
    pinned: boolean,
    here: () => Promise<T>,
    there: (at: string) => Promise<T>,
    hops: number,
  ): Promise<T> {
    let last: unknown;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const at = where();
      try {
        // A request that was passed on is answered where it is: two sites with different routes must not play ball.
        if (at === this.#site.name || hops > 0) return await here();
        return await unlessMoved(
          this.#site,
          at,
          () => where() === at,
          () => there(at),
        );
      } catch (error) {
        last = error;
        if (error instanceof NotHomeAnyMore) continue;
        if (!(error instanceof PortUnavailable)) throw error;
        if (at === this.#site.name) for (const stream of streams) this.#site.observe(streamTarget(stream), 'failed');
        if (pinned || hops > 0) break;
        await this.#moveAway(streams, at);
      }
    }
    throw new LockstepError('Unavailable', 'the replica cannot be read just now; try again', {}, { cause: last });
  }

  /** The request that met the failure asks for the switchover and goes on. */
  async #moveAway(streams: readonly string[], from: string): Promise<void> {
    const route = await this.#site.routes.refresh().catch(() => this.#site.routes.known);
    for (const stream of streams) {
      if (route.active[stream] !== from) continue;
      await this.#site.peers
        .agent(route.home)
        .perform({ operation: 'switchover', args: [stream, {}], term: route.term })
        .catch(() => undefined);
    }
    await this.#site.routes.refresh().catch(() => undefined);
  }
}

function readSiteOf(site: Site): ReadSite {
  const replica = (stream: string) => {
    const found = site.registry.localReplica(stream);
    if (!found) throw new LockstepError('UnknownStream', `${stream} has no replica at ${site.name}`);
    if (found.state === 'creating') {
      throw new LockstepError(
        'Unavailable',
        `the replica of ${stream} at ${site.name} is still being created; try again`,
      );
    }
    return found;
  };
  return {
    streams: site.streams,
    clock: site.clock,
    marginMs: site.options.readMarginMs,
    physicalName: (stream) => replica(stream).physicalName,
    closed: (streams, atLeastNow) => closedHere(site, streams, atLeastNow),
    terms: () => site.routes.known.terms,
    learnTerms: async () => {
      await site.routes.refresh();
    },
    retentionMs: (stream) => (site.registry.known(stream)?.policy.retentionHours ?? 24) * MS_PER_HOUR,
    completeFromMs: (stream) => {
      const { completeFromMs } = replica(stream);
      // A replica as old as its stream lacks nothing, whatever the clocks said when both were made.
      return completeFromMs <= (site.registry.known(stream)?.createdAtMs ?? 0) ? 0 : completeFromMs;
    },
  };
}

async function closedHere(
  site: Site,
  streams: readonly string[],
  atLeastNow: boolean,
): Promise<ReadonlyMap<string, StreamClosed>> {
  const bar = atLeastNow ? await freshBar(site) : undefined;
  // From the tables, where the newest one stands whichever process closed: what is told on the stream comes later.
  const stands = await closedNow(site, streams);
  return new Map(
    streams.map((stream, index) => {
      const closed = stands[index] ?? NEVER;
      return [stream, { closed, isCurrent: bar !== undefined && closed >= bar }];
    }),
  );
}

/** A bar raised now; nothing where home does not answer: readers go on with what is known. */
async function freshBar(site: Site): Promise<Timestamp | undefined> {
  try {
    const route = await site.routes.current();
    return await site.peers.agent(route.home).closeNow();
  } catch (error) {
    site.note('no fresh bar', { why: error instanceof Error ? error.message : String(error) });
    await site.routes.refresh().catch(() => undefined);
    return undefined;
  }
}
