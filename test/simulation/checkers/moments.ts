import { entryLines, outLine } from '../../../src/core/compare.js';
import type { Route } from '../../../src/core/route.js';
import { decodeRecord } from '../../../src/core/record.js';
import type { PutRecord } from '../../../src/ports/streams.js';
import type { Cluster } from '../cluster.js';
import type { Told } from '../history.js';

/**
 * What must hold at the very moment: when a record is put, and when a client is answered. Found here, a violation shows
 * the step that made it.
 */
export class Moments {
  readonly wrong: string[] = [];
  /** By transaction and commit timestamp, the decision that this one took over after an unclean takeover. */
  readonly takenFrom = new Map<string, string>();
  readonly #cluster: Cluster;
  /** Since when fewer sites are in sync than are asked for. */
  #fewSinceMs = Infinity;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** What somebody wants to put, whatever comes of it. */
  offered(records: readonly PutRecord[]): void {
    if (!this.#cluster.plan.unclean) return;
    for (const { data } of records) {
      const record = decodeRecord(data);
      if (record.kind === 'part' && record.takenFrom !== undefined)
        this.takenFrom.set(`${record.transactionId}@${record.at}`, record.takenFrom);
    }
  }

  /** I1, I4: each in-sync log has what was just put, as it was put. */
  async put(site: string, records: readonly PutRecord[]): Promise<void> {
    const route = await this.#cluster.route();
    if (!isTold(route)) return;
    for (const { data } of records) {
      const record = decodeRecord(data);
      if (record.kind !== 'part' || !this.#cluster.isKept(record.at)) continue;
      const { line } = outLine(record.events.map(({ out }) => out));
      for (const at of route.inSync) {
        const entry = this.#cluster.decided(at, record.transactionId);
        const isThere = entry?.status === 'committed' && entryLines(entry).some((mine) => mine.line === line);
        if (isThere) continue;
        this.wrong.push(
          `I1/I4: ${record.transactionId} is put on ${record.stream} at ${site} before it is in the log of ${at}`,
        );
      }
    }
  }

  /** What becomes of the route: nobody is left below `minInSync`, nor where nothing is amiss. */
  routeChanged(before: Route, after: Route): void {
    const { spared, options, sites } = this.#cluster.plan;
    const { minInSync = 1 } = options;
    const isLeft = after.inSync.length < before.inSync.length;
    if (isLeft && after.term === before.term && after.phase === 'serving' && after.inSync.length < minInSync)
      this.wrong.push(`a site is left, and fewer than ${minInSync} are in sync`);
    if (spared.includes('sites') && after.inSync.length < sites.length)
      this.wrong.push('a site is left, and nothing is amiss');
    // Somebody else is in sync, whom home answers.
    if (spared.includes('home') && after.term > before.term && before.inSync.length === sites.length)
      this.wrong.push('home is taken over, and it is well');
    // What a home decided before it was deposed is adopted, however few there are by then.
    if (after.inSync.length >= minInSync || after.phase !== 'serving') this.#fewSinceMs = Infinity;
    else this.#fewSinceMs = Math.min(this.#fewSinceMs, this.#cluster.elapsedMs);
  }

  /** I3: each in-sync log has the commit that was just acknowledged; nothing is decided while too few are in sync. */
  async acknowledged({ id, invokedAtMs }: Told): Promise<void> {
    if (!this.#cluster.isSince(invokedAtMs)) return;
    const fewSinceMs = this.#fewSinceMs;
    const route = await this.#cluster.route();
    if (!isTold(route)) return;
    if (invokedAtMs > fewSinceMs) this.wrong.push(`${id} is committed though too few sites are in sync`);
    for (const at of route.inSync) {
      const isThere = this.#cluster.decided(at, id)?.status === 'committed';
      if (!isThere) this.wrong.push(`I3: ${id} is acknowledged before it is in the log of ${at}`);
    }
  }

  /** Written means mirrored: each site in sync holds what was just written, or what became of its transaction. */
  async written({ id, invokedAtMs }: Told, digest: string): Promise<void> {
    if (!this.#cluster.isSince(invokedAtMs)) return;
    const route = await this.#cluster.route();
    if (!isTold(route)) return;
    for (const at of route.inSync) {
      const isThere =
        this.#cluster.decided(at, id) !== undefined || (await this.#cluster.staged(at, id)).includes(digest);
      if (!isThere) this.wrong.push(`written means mirrored: ${id} is answered before ${at} holds it`);
    }
  }
}

/** While home moves the new one may still adopt; after an unclean takeover what was told may be lost. */
function isTold(route: Route): boolean {
  return route.phase === 'serving' && !route.terms.some(({ unclean }) => unclean === true);
}
