import type { Proof, ProofWindow, Reconciliation } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { evenRanges } from '../core/hash-range.js';
import { backlogKey } from '../core/items.js';
import { NEVER, TICKS_PER_MS, type Timestamp, clockOf, termOf, timestamp, toIso } from '../core/timestamp.js';
import type { Write } from '../core/table.js';
import type { MirrorAgent, Range } from '../ports/mirror-agent.js';
import { drainBacklog } from './applier.js';
import { closedStands } from './close.js';
import { copyMissing } from './copy.js';
import { decidedEntries, digestsHere, partsOnStream } from './digests.js';
import { entryLines } from '../core/compare.js';
import type { Site } from './site.js';

const PREFIX = 'reconciliation/';
const HASH_RANGES = 4;
const TIME_WINDOWS = 4;
const DRAIN_ROUNDS = 400;
const DRAIN_PAUSE_MS = 50;
const COMPARE_ROUNDS = 6;

/** What a reconciliation found so far; kept in the control store, so that anyone can follow it. */
export class Progress {
  readonly #site: Site;
  #state: Reconciliation;
  #version = 0;

  constructor(site: Site, id: string) {
    this.#site = site;
    this.#state = { id, site: site.name, status: 'running', progress: 0, startedAt: toIso(site.clock.now()) };
  }

  get id(): string {
    return this.#state.id;
  }

  async tell(change: Partial<Reconciliation>): Promise<void> {
    this.#state = { ...this.#state, ...change };
    const written = await this.#site.control.compareAndSet(PREFIX + this.id, this.#version, this.#state);
    if (written) this.#version += 1;
  }

  async end(change: Partial<Reconciliation>): Promise<void> {
    await this.tell({ progress: 1, ...change, endedAt: toIso(this.#site.clock.now()) });
  }
}

/** @throws LockstepError NotFound */
export async function getReconciliation(site: Site, id: string): Promise<Reconciliation> {
  const record = await site.control.get(PREFIX + id);
  if (!record) throw new LockstepError('NotFound', `there is no reconciliation ${id}`);
  return record.value as Reconciliation;
}

/** Starts the reconciliation of this site with home, in the background. @throws LockstepError UnknownStream */
export async function startReconciliation(site: Site, streams?: readonly string[]): Promise<{ readonly id: string }> {
  await site.registry.require(streams ?? []);
  const progress = new Progress(site, site.newId());
  await progress.tell({});
  const route = await site.routes.refresh();
  if (!route.inSync.includes(site.name)) {
    await progress.end({
      status: 'failed',
      problem: `${site.name} is not in sync: it reconciles by itself when it returns`,
    });
    return { id: progress.id };
  }
  // Whoever asks wants to know of everything that is kept, not of what is new since the last time.
  const work = reconcile(site, progress, { from: NEVER, ...(streams ? { streams } : {}) });
  site.ports.later(
    work.then(
      (proof) => progress.end({ status: 'done', proof }),
      (error: unknown) =>
        progress.end({ status: 'failed', problem: error instanceof Error ? error.message : String(error) }),
    ),
  );
  return { id: progress.id };
}

export interface ReconcileOptions {
  readonly streams?: readonly string[];
  /** @default what the streams here were closed at: up to there nothing can be missing */
  readonly from?: Timestamp;
  /** Set while this site joins: called once its log is complete, before its streams are waited for. */
  readonly whenCopied?: () => Promise<void>;
  readonly overruled?: readonly string[];
  readonly conflicts?: readonly string[];
}

/**
 * Makes this site's log and streams equal to those of the other side: digests first, then only what differs. Running it
 * twice changes nothing; begun again after a crash it finds what is still missing.
 */
export async function reconcile(site: Site, progress: Progress, options: ReconcileOptions): Promise<Proof> {
  const other = referenceSite(site);
  const agent = site.peers.agent(other);
  await site.registry.refresh();
  const streams = streamsHere(site, options.streams);
  for (const stream of streams) site.refilling.add(stream);
  try {
    const from = options.from ?? (await closedStands(site, streams));
    const to = await site.peers.agent(site.routes.known.home).closeNow();
    const ranges = rangesBetween(streams, from, to);
    const before = await bothDigests(site, agent, ranges);
    await progress.tell({ progress: 0.2 });
    site.copied += await copyMissing(site, agent, from);
    const { copied } = site;
    await progress.tell({ progress: 0.5 });
    // A replica that was made meanwhile has been filled without what was copied since.
    await site.registry.refresh();
    for (const stream of streamsHere(site, options.streams)) await enqueueMissing(site, stream, from);
    for (const stream of streams) site.refilling.delete(stream);
    await options.whenCopied?.();
    await progress.tell({ progress: 0.7 });
    await drainUntilLevel(site, streams);
    const after = await equalDigests(site, agent, ranges);
    site.copied = 0;
    return {
      sites: [site.name, other],
      windows: ranges.map((range, index) => windowOf(site, other, range, before, after, index)),
      copied,
      overruled: options.overruled ?? [],
      conflicts: options.conflicts ?? [],
      gaps: [],
    };
  } finally {
    for (const stream of streams) site.refilling.delete(stream);
  }
}

function streamsHere(site: Site, wanted: readonly string[] | undefined): readonly string[] {
  return site.registry.local
    .map(({ definition }) => definition.name)
    .filter((name) => wanted === undefined || wanted.includes(name));
}

function referenceSite(site: Site): string {
  const { home, inSync } = site.routes.known;
  const other = home === site.name ? inSync.find((name) => name !== site.name) : home;
  if (other === undefined) throw new LockstepError('NotEnoughReplicas', 'no other site is in sync to compare with');
  return other;
}

function rangesBetween(streams: readonly string[], from: Timestamp, to: Timestamp): readonly Range[] {
  const borders = timeBorders(from, to);
  return streams.flatMap((stream) =>
    borders.slice(1).flatMap((end, index) =>
      evenRanges(HASH_RANGES).map((hashed) => ({
        stream,
        from: borders[index] ?? from,
        to: end,
        hashFrom: hashed.from,
        hashTo: hashed.to,
      })),
    ),
  );
}

/** Cuts the time between into windows, inside one term; before a newer term there is one window of its own. */
function timeBorders(from: Timestamp, to: Timestamp): readonly Timestamp[] {
  const term = termOf(to);
  const start = termOf(from) === term ? from : timestamp(term, 0);
  const first = termOf(from) === term ? clockOf(from) : clockOf(to) - 60_000 * TICKS_PER_MS;
  const step = Math.max(1, Math.floor((clockOf(to) - first) / TIME_WINDOWS));
  const inner: Timestamp[] = [];
  for (let clock = first + step; clock < clockOf(to) && inner.length < TIME_WINDOWS - 1; clock += step) {
    inner.push(timestamp(term, clock));
  }
  return [...new Set([from, start, ...inner, to])].sort();
}

interface BothDigests {
  readonly here: readonly { readonly log: string; readonly stream: string }[];
  readonly there: readonly { readonly log: string; readonly stream: string }[];
}

async function bothDigests(site: Site, agent: MirrorAgent, ranges: readonly Range[]): Promise<BothDigests> {
  const [here, there] = await Promise.all([digestsHere(site, { ranges }), agent.digests({ ranges })]);
  return { here: here.ranges, there: there.ranges };
}

/** Compares again until nothing is on its way any more; what still differs then is told as it is. */
async function equalDigests(site: Site, agent: MirrorAgent, ranges: readonly Range[]): Promise<BothDigests> {
  for (let round = 1; ; round += 1) {
    const both = await bothDigests(site, agent, ranges);
    const equal = both.here.every((digest, index) => {
      const other = both.there[index];
      return digest.log === other?.log && digest.stream === other.stream && digest.log === digest.stream;
    });
    if (equal || round === COMPARE_ROUNDS) return both;
    await site.clock.sleep(DRAIN_PAUSE_MS * round);
  }
}

function windowOf(
  site: Site,
  other: string,
  range: Range,
  before: BothDigests,
  after: BothDigests,
  index: number,
): ProofWindow {
  const none = { log: '', stream: '' };
  const sides = (both: BothDigests) => ({ [site.name]: both.here[index] ?? none, [other]: both.there[index] ?? none });
  return {
    stream: range.stream,
    from: range.from,
    to: range.to,
    hashRange: { from: range.hashFrom, to: range.hashTo },
    before: sides(before),
    after: sides(after),
  };
}

/** What the log here has and the replica here has not waits in its backlog, older before newer. */
async function enqueueMissing(site: Site, stream: string, from: Timestamp): Promise<void> {
  const standing = new Set<string>();
  for await (const part of partsOnStream(site, stream, from)) standing.add(part.line.line);
  let writes: Write[] = [];
  for await (const entry of decidedEntries(site, from)) {
    if (entry.status !== 'committed') continue;
    const missing = entryLines(entry).some((part) => part.stream === stream && !standing.has(part.line));
    if (missing) writes.push({ kind: 'put', key: backlogKey(stream, entry.at, entry.id), item: { id: entry.id } });
    if (writes.length === 200) {
      await site.tables.writeEach(writes);
      writes = [];
    }
  }
  if (writes.length > 0) await site.tables.writeEach(writes);
}

async function drainUntilLevel(site: Site, streams: readonly string[]): Promise<void> {
  for (const stream of streams) {
    for (let round = 0; round < DRAIN_ROUNDS; round += 1) {
      if (await drainBacklog(site, stream)) break;
      if (site.ports.stopping?.aborted) throw new LockstepError('Unavailable', 'this process is ending');
      // What would fill it has stopped already: the next start goes on.
      if (site.ports.stopping?.aborted) throw new LockstepError('Unavailable', 'it was stopped; start it again');
      await site.clock.sleep(DRAIN_PAUSE_MS);
    }
  }
}
