import { isDecided } from '../core/entry.js';
import { openEntryOf, readTransaction } from './log.js';
import type { SiteNode } from './node.js';
import { keepModel } from './predictions.js';
import type { Site } from './site.js';
import { confirmForeseen } from './write.js';

/** Transactions whose last confirmation is remembered. */
const MAX_REMEMBERED = 10_000;

/**
 * Follows a site's log where changes of it are told from outside, batch by batch: at home it tells the other sites which
 * foreseen events were written, at a follower it foresees. Any change may be told twice, or late.
 */
export class LogFollower {
  readonly #node: SiteNode;
  /** Numbers below these are confirmed: to confirm again does no harm. */
  readonly #confirmed = new Map<string, number>();
  #learnedAtMs = -Infinity;
  /** What the predictor said of itself when that was written down last. */
  #model: string | undefined;

  constructor(node: SiteNode) {
    this.#node = node;
  }

  /** @param open ids of open transactions that were written to */
  async follow(open: readonly string[]): Promise<void> {
    const { site, backfill } = this.#node;
    const ids = [...new Set(open)];
    if (this.#node.isServingHome) for (const id of ids) await this.#confirm(site, id);
    else await backfill?.look(ids);
    const nowMs = site.clock.now();
    if (nowMs - this.#learnedAtMs < site.options.predictionPeriodMs) return;
    this.#learnedAtMs = nowMs;
    await this.#node.foresee();
    if (backfill) this.#model = await keepModel(site, backfill, this.#model);
  }

  async #confirm(site: Site, id: string): Promise<void> {
    const { entry, staged, next } = await readTransaction(site, id);
    if (!entry || isDecided(entry)) return;
    const from = this.#confirmed.get(id) ?? 0;
    const events = staged.filter(({ number, foreseen = [] }) => number >= from && foreseen.length > 0);
    let isTold = true;
    for (const follower of new Set(events.flatMap(({ foreseen = [] }) => foreseen))) {
      const held = events.filter(({ foreseen = [] }) => foreseen.includes(follower));
      const route = site.routes.known;
      if (!(await confirmForeseen(site, route, openEntryOf(entry), next, held, [follower]))) isTold = false;
    }
    // Whoever was not told is told again with the next change.
    if (!isTold) return;
    if (this.#confirmed.size >= MAX_REMEMBERED) this.#confirmed.clear();
    this.#confirmed.set(id, next);
  }
}
