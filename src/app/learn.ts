import { type DecidedEntry, isDecided } from '../core/entry.js';
import { indexPk } from '../core/items.js';
import type { Row } from '../core/table.js';
import { clockAt, timestamp } from '../core/timestamp.js';
import { finishedContext } from './contexts.js';
import type { Foresight } from './foresight.js';
import { decodeWhole } from './log.js';
import type { Site } from './site.js';

/** Transactions that are learned at a time, and in one round: under more load than that, not all are. */
const TOGETHER = 16;
const MOST = 256;
/** A predictor that begins with nothing begins so far back, milliseconds. */
const BACK_MS = 3_600_000;

/**
 * Teaches the predictor what was committed, in the order of the log. Where it has been taught before it goes on: what the
 * predictor has learned says how far that was, and comes and goes with it.
 */
export class Learner {
  readonly #site: Site;
  readonly #foresight: Foresight;
  /** Place in the index by commit time: everything behind it is still to be learned. */
  #after: string | undefined;

  constructor(site: Site, foresight: Foresight) {
    this.#site = site;
    this.#foresight = foresight;
  }

  async round(): Promise<void> {
    this.#after ??= await this.#beginning();
    for (let learned = 0; learned < MOST; learned += TOGETHER) {
      const rows = await this.#next(this.#after);
      const last = rows.at(-1);
      if (!last) return;
      await this.learn(await Promise.all(rows.map((row) => this.#entry(row))));
      this.#after = placeOf(last);
      if (rows.length < TOGETHER) return;
      await this.#site.clock.nextTurn();
    }
    const { term } = this.#site.routes.known;
    const now = timestamp(term, clockAt(this.#site.clock.now()));
    if (now <= this.#after) return;
    this.#site.note('not all is learned', { after: this.#after });
    this.#after = now;
  }

  /** Teaches decisions as they stand in the log: aborted ones say nothing. */
  async learn(entries: readonly (DecidedEntry | undefined)[]): Promise<void> {
    const finished = entries.flatMap((entry) => (entry?.status === 'committed' ? [finishedContext(entry)] : []));
    if (finished.length > 0) await this.#foresight.learn(finished);
  }

  async #beginning(): Promise<string> {
    const known = await this.#foresight.describe();
    const nowMs = this.#site.clock.now();
    const fromMs = known?.trainingWindow ? Date.parse(known.trainingWindow.to) : nowMs - BACK_MS;
    return timestamp(this.#termAt(fromMs), clockAt(Math.max(0, fromMs)));
  }

  #termAt(ms: number): number {
    const begun = this.#site.routes.known.terms.filter(({ startedAtMs }) => startedAtMs <= ms);
    return begun.at(-1)?.term ?? 0;
  }

  async #next(after: string): Promise<readonly Row[]> {
    const pages = await Promise.all(
      Array.from({ length: this.#site.copies }, (_, bucket) =>
        this.#site.tables.queryIndex({ pk: indexPk('committed', bucket), from: `${after}\u0000`, limit: TOGETHER }),
      ),
    );
    return pages
      .flatMap(({ rows }) => rows)
      .sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))
      .slice(0, TOGETHER);
  }

  async #entry({ key, item }: Row): Promise<DecidedEntry | undefined> {
    const entry = await decodeWhole(this.#site, key.pk.slice(key.pk.indexOf('#') + 1), item);
    return isDecided(entry) ? entry : undefined;
  }
}

const placeOf = (row: Row): string => String(row.item['indexSk']);
