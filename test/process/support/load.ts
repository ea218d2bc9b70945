import { isLockstepError, LockstepClient } from '../../../src/client/index.js';
import type { EventIn } from '../../../src/core/api.js';
import { seededRandom } from '../../../src/adapters/embedded/virtual-clock.js';
import type { Random } from '../../../src/ports/environment.js';
import { Journal } from './journal.js';

/** Two in arrival order, one whose every event has a version. */
export const STREAMS = ['orders', 'payments', 'ledger'] as const;
const RETRY = { retryForMs: 25_000, backoffMs: 20, maxBackoffMs: 200, maxAttempts: 2_000 };
const IMPATIENT = { retryForMs: 0, maxAttempts: 1 };

class GaveUp extends Error {}

/** Clients that write until they are told to stop, through whatever happens to the server. */
export class Load {
  readonly journal = new Journal();
  readonly #client: LockstepClient;
  readonly #impatient: LockstepClient;
  readonly #workers: Promise<void>[];
  #stopped = false;

  constructor(url: string, workers: number, seed: number) {
    // Half of them know the sites by name, as clients of a deployment do.
    this.#client = new LockstepClient({ endpoints: [url], ...RETRY });
    this.#impatient = new LockstepClient({ endpoints: [`${url}/sites/east`, `${url}/sites/west`], ...IMPATIENT });
    this.#workers = Array.from({ length: workers }, (_, worker) =>
      new Worker(worker, seededRandom(seed + worker), this.#client, this.#impatient, this.journal)
        .run(() => this.#stopped)
        .catch((error: unknown) => this.journal.surprise(`worker ${worker}`, error)),
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
  }
}

type Deed = (id: string) => Promise<void>;

class Worker {
  readonly #name: string;
  readonly #random: Random;
  readonly #client: LockstepClient;
  readonly #impatient: LockstepClient;
  readonly #journal: Journal;
  /** How many versioned events of its own key this worker knows to be committed. */
  #version = 0;

  constructor(worker: number, random: Random, client: LockstepClient, impatient: LockstepClient, journal: Journal) {
    this.#name = `w${worker}`;
    this.#random = random;
    this.#client = client;
    this.#impatient = impatient;
    this.#journal = journal;
  }

  async run(isOver: () => boolean): Promise<void> {
    const deeds: readonly Deed[] = [
      (id) => this.#commitOnce(id),
      (id) => this.#commitOnce(id),
      (id) => this.#commitVersioned(id),
      (id) => this.#commitContended(id),
      (id) => this.#commitBatch(id),
      (id) => this.#interactive(id),
      (id) => this.#interactive(id),
      (id) => this.#giveUp(id),
      (id) => this.#leaveOpen(id),
      (id) => this.#impatientCommit(id),
    ];
    for (let n = 0; !isOver(); n += 1) {
      const deed = deeds[Math.floor(this.#random.next() * deeds.length)]!;
      await deed(`${this.#name}-${n}`);
    }
  }

  /** Two to four events, over at least two streams. */
  #eventsOf(id: string): readonly EventIn[] {
    const count = 2 + Math.floor(this.#random.next() * 3);
    return Array.from({ length: count }, (_, i) => ({
      stream: i % 2 === 0 ? 'orders' : 'payments',
      key: `k${Math.floor(this.#random.next() * 20)}`,
      type: 'load',
      id: `e${i}`,
      data: { of: id, i, filler: 'x'.repeat(Math.floor(this.#random.next() * 200)) },
    }));
  }

  async #commitOnce(id: string): Promise<void> {
    const events = this.#eventsOf(id);
    this.#journal.begin(id, events);
    await this.#client.commit(events, { id });
    this.#journal.learn(id, 'committed');
  }

  /** A key that only this worker writes: no retry may ever meet its own earlier attempt as a conflict. */
  async #commitVersioned(id: string): Promise<void> {
    const own = { stream: 'ledger', key: this.#name, type: 'own', data: { of: id }, expectedVersion: this.#version };
    const events = [own, ...this.#eventsOf(id)];
    this.#journal.begin(id, events);
    await this.#client.commit(events, { id });
    this.#journal.learn(id, 'committed');
    this.#version += 1;
  }

  /** A key that all workers write. */
  async #commitContended(id: string): Promise<void> {
    let expectedVersion = 0;
    for (let attempt = 0; ; attempt += 1) {
      const named = `${id}-${attempt}`;
      const events = [
        { stream: 'ledger', key: 'shared', type: 'contended', data: { of: named }, expectedVersion },
        ...this.#eventsOf(named),
      ];
      this.#journal.begin(named, events);
      try {
        await this.#client.commit(events, { id: named });
        this.#journal.learn(named, 'committed');
        return;
      } catch (error) {
        if (!isLockstepError(error, 'VersionConflict')) throw error;
        this.#journal.learn(named, 'refused');
        expectedVersion = Number(error.extras['actual']);
        if (attempt >= 3) return;
      }
    }
  }

  async #commitBatch(id: string): Promise<void> {
    const commits = Array.from({ length: 4 }, (_, i) => ({ id: `${id}-${i}`, events: this.#eventsOf(`${id}-${i}`) }));
    const wrong = { id: `${id}-wrong`, events: [...this.#eventsOf(`${id}-wrong`), nowhere] };
    for (const commit of [...commits, wrong]) this.#journal.begin(commit.id, commit.events);
    const results = await this.#client.commitBatch([...commits, wrong]);
    for (const result of results) this.#journal.learn(result.id, 'problem' in result ? 'refused' : 'committed');
  }

  async #interactive(id: string): Promise<void> {
    const events = this.#eventsOf(id);
    this.#journal.begin(id, events);
    await this.#client.run(
      async (tx) => {
        for (const event of events) await tx.write(event);
      },
      { id, streams: ['orders', 'payments'] },
    );
    this.#journal.learn(id, 'committed');
  }

  async #giveUp(id: string): Promise<void> {
    const events = this.#eventsOf(id);
    this.#journal.begin(id, events);
    try {
      await this.#client.run(
        async (tx) => {
          await tx.write(events);
          throw new GaveUp();
        },
        { id, streams: ['orders', 'payments'] },
      );
    } catch (error) {
      if (!(error instanceof GaveUp)) throw error;
      this.#journal.learn(id, 'refused');
    }
  }

  /** Written to and forgotten: its deadline ends it. */
  async #leaveOpen(id: string): Promise<void> {
    const events = this.#eventsOf(id);
    this.#journal.begin(id, events);
    try {
      await this.#client.begin({ id, streams: ['orders', 'payments'], deadlineMs: 1_000 });
      await this.#client.write(id, { events });
    } catch (error) {
      if (!isLockstepError(error, 'TransactionExpired')) throw error;
    }
    this.#journal.learn(id, 'refused');
  }

  /** A client that asks once: what it is not told, it does not know. */
  async #impatientCommit(id: string): Promise<void> {
    const events = this.#eventsOf(id);
    this.#journal.begin(id, events);
    try {
      await this.#impatient.commit(events, { id });
      this.#journal.learn(id, 'committed');
    } catch (error) {
      if (!isLockstepError(error, 'Unavailable', 'Undetermined')) throw error;
      // While nobody listens there is no point in asking at once again.
      await new Promise((resolve) => setTimeout(resolve, this.#random.next() * 20));
      if (this.#random.next() < 0.5) return;
      await this.#client.commit(events, { id });
      this.#journal.learn(id, 'committed');
    }
  }
}

const nowhere: EventIn = { stream: 'nowhere', key: 'k', type: 'load', data: 1 };
