import type { EventOut, WholeTransaction } from '../../src/core/api.js';
import type { Cluster, Worker } from './cluster.js';
import type { Dice } from './dice.js';
import { STREAMS } from './faults/kind.js';
import type { History } from './history.js';

/** One page that a reader group kept: what it gave, and what had been acknowledged before it was asked for. */
export interface Kept {
  readonly events: readonly EventOut[];
  readonly transactions: readonly WholeTransaction[];
  readonly caughtUp: boolean;
  readonly acknowledgedBefore: number;
  /** Kept after retention had passed. */
  readonly isLate: boolean;
  readonly at: string;
}

interface Page {
  readonly events?: readonly EventOut[];
  readonly transactions?: readonly WholeTransaction[];
  readonly checkpoint: string;
  readonly caughtUp: boolean;
}

const PATIENCE_MS = 1500;

/**
 * A reader group while everything happens: it polls any site, saves the checkpoint with what the page held, or dies
 * before it has saved and starts again from the last one, at another replica.
 */
export class ReaderGroup {
  readonly name: string;
  readonly streams: readonly string[];
  readonly whole: boolean;
  readonly kept: Kept[] = [];
  /** It was told that a part of what it is owed is no longer kept. */
  gap = false;
  isCaughtUp = false;
  readonly #cluster: Cluster;
  readonly #dice: Dice;
  readonly #history: History;
  #checkpoint: string | undefined;

  constructor(number: number, cluster: Cluster, dice: Dice, history: History) {
    this.#cluster = cluster;
    this.#dice = dice;
    this.#history = history;
    this.whole = dice.chance(0.35);
    this.streams = this.whole ? dice.some(STREAMS, 0.7) : [dice.pick(STREAMS)];
    this.name = `reader ${number} of ${this.whole ? 'transactions on ' : ''}${this.streams.join()}`;
  }

  async poll(limit: number): Promise<void> {
    const running = this.#cluster.running();
    if (running.length === 0) return;
    const worker = this.#dice.pick(running);
    const acknowledgedBefore = this.#history.acknowledged.length;
    const page = await this.#page(worker, limit);
    if (!page) return;
    // The process of the reader dies before it has saved anything of this page.
    if (this.#dice.chance(0.1)) return;
    this.#checkpoint = page.checkpoint;
    const { events = [], transactions = [], caughtUp } = page;
    this.isCaughtUp = caughtUp;
    this.kept.push({
      events,
      transactions,
      caughtUp,
      acknowledgedBefore,
      isLate: this.#cluster.forgets,
      at: worker.process.name,
    });
    if (events.length + transactions.length === 0) return;
    this.#cluster.trace.note(`${this.name} at ${worker.process.name}`, {
      given: this.whole ? transactions.map(({ id }) => id).join() : events.map(({ id }) => id).join(),
    });
  }

  async #page({ node }: Worker, limit: number): Promise<Page | undefined> {
    const [stream = ''] = this.streams;
    const { service } = node;
    const from = this.#checkpoint === undefined ? {} : { checkpoint: this.#checkpoint };
    const site = this.#dice.chance(0.4) ? { site: this.#dice.pick(this.#cluster.sites) } : {};
    const asked: Promise<Page> = this.whole
      ? service.readTransactions({ streams: this.streams, limit, ...from })
      : service.readEvents({ stream, limit, ...site, ...from });
    const silence = this.#cluster.clock.sleep(PATIENCE_MS).then(() => undefined);
    return Promise.race([asked.catch((error: unknown) => this.#refused(error)), silence]);
  }

  #refused(error: unknown): undefined {
    const { code } = error as { readonly code?: string };
    this.#history.sawCode(code ?? String(error), this.name);
    if (code === 'Gap') {
      this.gap = true;
      this.#cluster.trace.note(`${this.name} was told of a gap`);
    }
    return undefined;
  }
}
