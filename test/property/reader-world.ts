import type { PartRecord } from '../../src/core/reading/held.js';
import type { DecodedRecord } from '../../src/core/record.js';
import { NEVER, type Timestamp, clockAt, timestamp } from '../../src/core/timestamp.js';
import { STREAMS, type Transaction, lastOf, partOf, places } from './reader-parts.js';

/**
 * A model of what stands on the streams of two sites, honest as the protocol is: X decides in term 1, Y takes over. Time
 * is a number of milliseconds that every step moves on by one.
 */

export type SiteName = 'X' | 'Y';
/** Y's clock is behind X's: without the term in front, its timestamps would fall below X's. */
const BEHIND_MS = 500;
/** More than the clocks are apart. */
export const MARGIN_MS = 1000;

interface Shard {
  readonly shardId: string;
  readonly parents: readonly string[];
  open: boolean;
  readonly from: number;
  readonly to: number;
  readonly records: { readonly record: DecodedRecord; readonly arrivedAtMs: number }[];
}

class Site {
  /** Transactions in its log. */
  readonly log = new Set<Transaction>();
  readonly put = new Set<PartRecord>();
  readonly published = new Map<string, Timestamp>();
  readonly shards = new Map<string, Shard[]>();
  nextShard = 0;

  constructor(shards: number) {
    for (const stream of STREAMS) {
      const width = 1000 / shards;
      this.shards.set(
        stream,
        Array.from({ length: shards }, (_, i) => this.newShard([], i * width, (i + 1) * width)),
      );
    }
  }

  newShard(parents: readonly string[], from: number, to: number): Shard {
    this.nextShard += 1;
    return { shardId: `shard-${this.nextShard}`, parents, open: true, from, to, records: [] };
  }

  isOn(transaction: Transaction, stream: string): boolean {
    return transaction.parts.every((part) => part.stream !== stream || this.put.has(part));
  }
}

export class World {
  nowMs = 10_000;
  term = 1;
  /** Term 2 began without what X alone had. */
  isUnclean = false;
  /** X takes Y's decisions again. */
  isJoined = true;
  readonly sites = { X: new Site(1), Y: new Site(2) };
  readonly bars = { X: NEVER, Y: NEVER };
  startedAtMs = 0;
  #nextId = 0;

  get home(): SiteName {
    return this.term === 1 ? 'X' : 'Y';
  }

  terms(): { term: number; startedAtMs: number }[] {
    const first = { term: 1, startedAtMs: 0 };
    return this.term === 1 ? [first] : [first, { term: 2, startedAtMs: this.startedAtMs }];
  }

  uncleanTerms(): number[] {
    return this.isUnclean ? [2] : [];
  }

  /** What is committed for good, as far as anybody can know: in home's log and replicated. */
  committed(): Transaction[] {
    return [...this.sites.Y.log].filter((transaction) => this.term === 2 || this.sites.X.log.has(transaction));
  }

  stamp(site: SiteName): Timestamp {
    return timestamp(site === 'X' ? 1 : 2, clockAt(this.nowMs - (site === 'X' ? 0 : BEHIND_MS)));
  }

  /** @param site where it is decided; a zombie decides too */
  decide(site: SiteName, shape: number, takenOver?: Transaction): Transaction {
    const log = this.sites[site].log;
    const wanted = takenOver?.parts.map(({ stream, key }) => ({ stream, key })) ?? places(shape);
    const at = this.stamp(site);
    const id = takenOver?.id ?? `t${(this.#nextId += 1)}`;
    const partsByStream: Record<string, number> = {};
    for (const { stream } of wanted) partsByStream[stream] = (partsByStream[stream] ?? 0) + 1;
    let number = 0;
    const shared = { id, at, partsByStream, parts: wanted.length, eventCount: wanted.length + 1 };
    const parts = wanted.map(({ stream, key }, index) => {
      // The first part has two events.
      const numbers = index === 0 ? [number++, number++] : [number++];
      const last = key.startsWith('v') ? lastOf(log, stream, key) : undefined;
      return partOf(shared, stream, key, numbers, last, takenOver?.at);
    });
    const transaction = { id, at, parts, ...(takenOver ? { takenFrom: takenOver.at } : {}) };
    log.add(transaction);
    return transaction;
  }

  /** What is in home's log goes to the other one, predecessors first. */
  replicate(count: number): void {
    if (!this.isJoined) return;
    const [from, to] = this.term === 1 ? [this.sites.X, this.sites.Y] : [this.sites.Y, this.sites.X];
    let left = count;
    for (const transaction of from.log) {
      if (left === 0) return;
      if (to.log.has(transaction)) continue;
      to.log.add(transaction);
      left -= 1;
    }
  }

  /** Puts a part at a site, or once more. Nothing is put before both logs have it, while both are in sync. */
  put(siteName: SiteName, pick: number, again: boolean): void {
    const site = this.sites[siteName];
    const candidates = this.#appliedAt(siteName).flatMap(({ parts }) =>
      parts.filter((part) => site.put.has(part) === again),
    );
    const part = candidates[pick % Math.max(1, candidates.length)];
    if (part) this.#append(siteName, part);
  }

  putAll(siteName: SiteName): void {
    for (const { parts } of this.#appliedAt(siteName))
      for (const part of parts) if (!this.sites[siteName].put.has(part)) this.#append(siteName, part);
  }

  raiseBar(siteName: SiteName): void {
    if (siteName === 'Y' && this.term === 1) return;
    this.bars[siteName] = this.stamp(siteName);
    this.nowMs += 1;
  }

  /** Publishes home's bar for one stream of a site, once all of it is there. */
  publish(siteName: SiteName, stream: string): void {
    const site = this.sites[siteName];
    const isLevel = siteName === this.home || this.isJoined;
    const bar = this.bars[isLevel ? this.home : siteName];
    const log = isLevel ? this.sites[this.home].log : site.log;
    const isHere = [...log].every((transaction) => transaction.at > bar || site.isOn(transaction, stream));
    if (isHere && bar > (site.published.get(stream) ?? NEVER)) site.published.set(stream, bar);
  }

  heartbeat(siteName: SiteName, stream: string): void {
    const closed = this.closedAt(siteName, stream);
    for (const shard of this.shardsOf(siteName, stream)) {
      if (shard.open) shard.records.push({ record: { kind: 'heartbeat', stream, closed }, arrivedAtMs: this.nowMs });
    }
  }

  closedAt(siteName: SiteName, stream: string): Timestamp {
    return this.sites[siteName].published.get(stream) ?? NEVER;
  }

  shardsOf(siteName: SiteName, stream: string): Shard[] {
    return this.sites[siteName].shards.get(stream) ?? [];
  }

  reshard(siteName: SiteName, stream: string, pick: number): void {
    const site = this.sites[siteName];
    const shards = this.shardsOf(siteName, stream);
    const open = shards.filter((shard) => shard.open).sort((a, b) => a.from - b.from);
    const index = pick % open.length;
    const [one, next] = [open[index]!, open[index + 1]];
    one.open = false;
    if (pick % 2 === 0 && next) {
      next.open = false;
      shards.push(site.newShard([one.shardId, next.shardId], one.from, next.to));
      return;
    }
    const middle = (one.from + one.to) / 2;
    shards.push(site.newShard([one.shardId], one.from, middle), site.newShard([one.shardId], middle, one.to));
  }

  /** Y becomes home. Clean: what X alone decided is on no stream, and is overruled. */
  takeOver(): void {
    if (this.term === 2) return;
    this.term = 2;
    this.isUnclean = this.aloneFrom !== undefined;
    this.isJoined = false;
    this.startedAtMs = this.nowMs - BEHIND_MS;
  }

  /**
   * Who was left comes back. Y, by copying what it lacks; X as a follower: what only it had is overruled or, after an
   * unclean takeover, decided once more.
   */
  join(): void {
    if (this.isJoined) return;
    const { X, Y } = this.sites;
    if (this.term === 1) {
      this.isJoined = true;
      this.aloneFrom = undefined;
      for (const transaction of X.log) Y.log.add(transaction);
      return;
    }
    for (const transaction of [...X.log]) {
      if (Y.log.has(transaction)) continue;
      X.log.delete(transaction);
      this.nowMs += 1;
      if (this.isUnclean) this.decide('Y', 0, transaction);
    }
    for (const transaction of Y.log) X.log.add(transaction);
    this.isJoined = true;
  }

  /** Everything in its place: what a reader may wait for comes. */
  settle(): void {
    this.nowMs += 1;
    this.join();
    this.replicate(Infinity);
    this.raiseBar(this.home);
    for (const site of ['X', 'Y'] as const) {
      this.putAll(site);
      for (const stream of STREAMS) {
        this.publish(site, stream);
        this.heartbeat(site, stream);
      }
    }
  }

  /** In the uncleanly lost home's term, X is alone: what it decides it puts. */
  #appliedAt(siteName: SiteName): Transaction[] {
    const { X, Y } = this.sites;
    const isAlone = siteName === 'X' && this.aloneFrom !== undefined;
    return [...this.sites[siteName].log]
      .filter(
        (transaction) =>
          (X.log.has(transaction) && Y.log.has(transaction)) || (isAlone && transaction.at > this.aloneFrom!),
      )
      .concat(siteName === 'Y' && this.term === 2 ? [...Y.log].filter((transaction) => !X.log.has(transaction)) : []);
  }

  /** From when on X went on without Y. */
  aloneFrom: Timestamp | undefined;

  /** Y is taken out of sync: X goes on alone. */
  shrink(): void {
    if (this.term === 2 || this.aloneFrom !== undefined) return;
    this.replicate(Infinity);
    this.aloneFrom = this.stamp('X');
    this.isJoined = false;
    this.nowMs += 1;
  }

  #append(siteName: SiteName, part: PartRecord): void {
    const site = this.sites[siteName];
    const hash = [...part.key, part.stream].reduce((sum, text) => (sum * 31 + text.charCodeAt(0)) % 1000, 7);
    const shard = this.shardsOf(siteName, part.stream).find(({ open, from, to }) => open && from <= hash && hash < to)!;
    const closed = this.closedAt(siteName, part.stream);
    site.put.add(part);
    shard.records.push({ record: { ...part, closed }, arrivedAtMs: this.nowMs });
  }
}
