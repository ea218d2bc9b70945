import {
  type Anchor,
  type Checkpoint,
  type Cut,
  type Identity,
  MAX_ANCHORS,
  MAX_ANCHOR_IDENTITIES,
  identityOf,
  shortOf,
} from '../checkpoint.js';
import { type Timestamp, latest, termOf } from '../timestamp.js';
import { Heap } from './heap.js';

/** A transaction that is out, whether emitted or skipped. */
interface Known {
  at: Timestamp;
  readonly skipped: boolean;
}

/** A term that began uncleanly, and how far the streams were closed before. */
interface Crossing {
  readonly term: number;
  readonly closed: Timestamp;
}

const lower = (a: Timestamp, b: Timestamp): Timestamp => (a < b ? a : b);

/**
 * What the reader group has been given: the closed timestamp, what was emitted above it, and, around unclean takeovers,
 * the anchors. Answers whether a transaction was delivered before.
 *
 * Identities that came with the checkpoint are called unmet until their transaction is met on this replica. Only then
 * is its timestamp known, and with it when the identity may be forgotten.
 */
export class Delivered {
  #closed: Timestamp;
  readonly #known = new Map<string, Known>();
  readonly #byTime = new Heap<{ readonly at: Timestamp; readonly id: string }>((a, b) => a.at < b.at);
  #emittedCount = 0;
  readonly #unmet: Set<Identity>;
  /** No unmet transaction is above it. */
  readonly #unmetTop: Timestamp;
  #partial: (Cut & { readonly at?: Timestamp }) | undefined;
  #anchors: readonly Anchor[];
  #unclean: readonly number[] = [];
  /** Seen on the streams, while `closed` has not come past it: until then the reader itself stands before the change. */
  #crossing: Crossing | undefined;

  constructor(checkpoint: Checkpoint) {
    this.#closed = checkpoint.closed;
    this.#unmet = new Set(checkpoint.emitted);
    this.#unmetTop = checkpoint.top;
    this.#partial = checkpoint.partial;
    this.#anchors = checkpoint.anchors;
  }

  get closed(): Timestamp {
    return this.#closed;
  }

  /** Whether a page cut a transaction, here or elsewhere, of which the rest is not out yet. */
  get hasPartial(): boolean {
    return this.#partial !== undefined;
  }

  /** Whether it is this one. */
  isPartial(id: string): boolean {
    return this.#partial !== undefined && this.#partial.identity === identityOf(id);
  }

  /** How many a checkpoint would have to name. */
  get count(): number {
    return this.#emittedCount + this.#unmet.size;
  }

  /** Which terms began uncleanly, as far as the route tells by now. */
  setUncleanTerms(terms: readonly number[]): void {
    this.#unclean = terms;
  }

  checkpoint(): Checkpoint {
    const emitted = new Set(this.#unmet);
    const isTopUnmet = this.#unmet.size > 0 || (this.#partial !== undefined && this.#partial.at === undefined);
    let top = latest(this.#closed, this.#partial?.at ?? this.#closed, isTopUnmet ? this.#unmetTop : this.#closed);
    for (const [id, { at, skipped }] of this.#known) {
      if (skipped) continue;
      emitted.add(identityOf(id));
      top = latest(top, at);
    }
    const partial = this.#partial && { partial: { identity: this.#partial.identity, count: this.#partial.count } };
    return { closed: this.#closed, emitted, ...partial, top, anchors: this.#anchors };
  }

  /** Whether this transaction is out, as far as its id and this reader's own memory go. */
  has(id: string): boolean {
    return this.#known.has(id) || (this.#unmet.size > 0 && this.#unmet.has(identityOf(id)));
  }

  /**
   * Whether a transaction that is met was delivered before; it is then remembered with this timestamp.
   *
   * @param takenFrom the decision that it takes over after an unclean takeover
   */
  recognise(id: string, at: Timestamp, takenFrom: Timestamp | undefined): boolean {
    const known = this.#known.get(id);
    if (known !== undefined) {
      // Taken over under a later timestamp: to be remembered until that one is closed.
      if (at > known.at) this.#remember(id, at, known.skipped);
      return true;
    }
    if (this.#unmet.size > 0 && this.#unmet.delete(identityOf(id))) {
      this.#remember(id, at, false);
      return true;
    }
    if (!this.#wasDeliveredAs(id, takenFrom ?? at, takenFrom !== undefined)) return false;
    this.skip(id, at);
    return true;
  }

  /** How many of its events were emitted before a page cut it. */
  countOf(id: string): number {
    if (this.#partial === undefined && this.#anchors.length === 0) return 0;
    const identity = identityOf(id);
    if (this.#partial?.identity === identity) return this.#partial.count;
    const anchor = this.#anchors.find(({ partial }) => partial?.identity === shortOf(identity));
    return anchor?.partial?.count ?? 0;
  }

  /** So many of its events are out, and not yet all. */
  cut(id: string, at: Timestamp, count: number): void {
    this.#partial = { identity: identityOf(id), at, count };
  }

  /** The rest of the cut transaction is not kept any more. */
  abandonPartial(): void {
    this.#partial = undefined;
  }

  /** All of it is out. */
  emit(id: string, at: Timestamp): void {
    if (this.isPartial(id)) this.#partial = undefined;
    this.#remember(id, at, false);
    const anchor = this.#anchors.at(-1);
    if (anchor === undefined || termOf(at) >= anchor.term || at <= anchor.closed) return;
    this.#anchor({ ...anchor, emitted: new Set([...anchor.emitted, shortOf(identityOf(id))]) });
  }

  /** It was delivered under an older timestamp. No checkpoint names it: it will be recognised again. */
  skip(id: string, at: Timestamp): void {
    this.#remember(id, at, true);
  }

  /**
   * The streams turn out to be closed so far; what the reader has emitted may be less.
   *
   * @returns false where the rest of a transaction that a page cut is lost
   */
  raise(from: Timestamp, to: Timestamp, isPartialHere: boolean): boolean {
    const term = this.#uncleanBetween(termOf(from), termOf(to));
    if (term !== undefined && term > (this.#anchors.at(-1)?.term ?? 0)) {
      this.#crossing = { term, closed: this.#crossing?.closed ?? from };
    }
    if (this.#partial === undefined || isPartialHere || to < (this.#partial.at ?? this.#unmetTop)) return true;
    // It was cut on a replica that is lost, or on one that had it longer. Nothing waits for it any more.
    const anchored = this.#anchorLost(to);
    this.#partial = undefined;
    return anchored;
  }

  /** All that these streams have at or below `to` is out: forget it. */
  advance(to: Timestamp): void {
    if (to <= this.#closed) return;
    if (this.#crossing !== undefined && to > this.#crossing.closed) this.#anchorCrossing(this.#crossing.closed);
    this.#closed = to;
    for (let first = this.#byTime.peek(); first !== undefined && first.at <= to; first = this.#byTime.peek()) {
      this.#byTime.pop();
      const known = this.#known.get(first.id);
      if (known?.at !== first.at) continue;
      this.#known.delete(first.id);
      if (!known.skipped) this.#emittedCount -= 1;
    }
    if (to >= this.#unmetTop) this.#unmet.clear();
  }

  /** Whether a decision of that time belongs to a history that an unclean takeover left behind. */
  isLeftBehind(at: Timestamp, by: Timestamp): boolean {
    const left = [...this.#anchors, ...(this.#crossing ? [this.#crossing] : [])];
    return left.some(({ term, closed }) => termOf(at) < term && term <= termOf(by) && at > closed);
  }

  #remember(id: string, at: Timestamp, skipped: boolean): void {
    const known = this.#known.get(id);
    if (known !== undefined) known.at = latest(known.at, at);
    else {
      this.#known.set(id, { at, skipped });
      if (!skipped) this.#emittedCount += 1;
    }
    this.#byTime.push({ at, id });
  }

  /**
   * Whether the decision of that time was delivered on the far side of an unclean takeover: below where the reader stood
   * when it left that history, or by name. Timestamps of different histories do not compare, so each is held against
   * the first change after it.
   */
  #wasDeliveredAs(id: string, at: Timestamp, isTakenOver: boolean): boolean {
    const term = termOf(at);
    const anchor = this.#anchors.find((each) => each.term > term);
    if (anchor !== undefined) return at <= anchor.closed || anchor.emitted.has(shortOf(identityOf(id)));
    if (!isTakenOver) return false;
    const boundary = this.#crossing === undefined ? this.#closed : lower(this.#closed, this.#crossing.closed);
    return at <= boundary && this.#uncleanBetween(term, termOf(boundary)) === undefined;
  }

  #uncleanBetween(after: number, upTo: number): number | undefined {
    return this.#unclean.filter((term) => after < term && term <= upTo).sort((a, b) => b - a)[0];
  }

  /** The reader leaves the history before the change: note where it stood there. */
  #anchorCrossing(closed: Timestamp): void {
    const { term } = this.#crossing as Crossing;
    const emitted = new Set([...this.#unmet].map(shortOf));
    for (const [id, { at, skipped }] of this.#known) {
      if (!skipped && at > closed && termOf(at) < term) emitted.add(shortOf(identityOf(id)));
    }
    this.#crossing = undefined;
    this.#anchor({ term, closed, emitted });
  }

  /** The rest of a cut transaction will come, if at all, taken over under another timestamp. */
  #anchorLost(to: Timestamp): boolean {
    const { identity, count } = this.#partial as Cut;
    const partial = { identity: shortOf(identity), count };
    const anchor = this.#anchors.at(-1);
    if (this.#crossing !== undefined) {
      const closed = lower(this.#closed, this.#crossing.closed);
      this.#anchor({ term: this.#crossing.term, closed, emitted: new Set([...this.#unmet].map(shortOf)), partial });
      return true;
    }
    if (anchor === undefined || termOf(this.#closed) >= anchor.term || anchor.term > termOf(to)) return false;
    this.#anchor({ ...anchor, partial });
    return true;
  }

  /** Adds an anchor, or to the one of the same term, within what a checkpoint holds: the oldest give way. */
  #anchor(added: Anchor): void {
    const before = this.#anchors.find(({ term }) => term === added.term);
    const merged: Anchor = {
      ...before,
      ...added,
      closed: latest(added.closed, before?.closed ?? added.closed),
      emitted: new Set([...(before?.emitted ?? []), ...added.emitted].slice(0, MAX_ANCHOR_IDENTITIES)),
    };
    const others = this.#anchors.filter(({ term }) => term !== added.term).slice(1 - MAX_ANCHORS);
    let room = MAX_ANCHOR_IDENTITIES - merged.emitted.size;
    const older = others.reverse().map((anchor) => {
      const emitted = new Set([...anchor.emitted].slice(0, Math.max(0, room)));
      room -= emitted.size;
      return { ...anchor, emitted };
    });
    this.#anchors = [...older.reverse(), merged];
  }
}
