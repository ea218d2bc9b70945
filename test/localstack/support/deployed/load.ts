import { LockstepClient, isLockstepError } from '../../../../src/client/index.js';
import { unique } from '../../../contract/support.js';
import { STREAMS } from './names.js';

const RETRY_MS = 150_000;

/** Clients that commit one transaction after the other, each with an event on every stream, and know what they were told. */
export class Load {
  /** Ids of transactions that were answered as committed. */
  readonly acknowledged = new Set<string>();
  /** Ids of transactions that were answered as aborted. */
  readonly aborted = new Set<string>();
  /** What ended in no answer, or in one that was not expected. */
  readonly trouble: string[] = [];
  readonly #clients: readonly LockstepClient[];
  #isOver = false;
  #running: Promise<unknown> = Promise.resolve();

  /** @param endpoints of all sites; the first client begins at the first, the second at the second, and so on */
  constructor(endpoints: readonly string[], clients: number) {
    this.#clients = Array.from({ length: clients }, (_, n) => {
      const own = endpoints.map((_endpoint, i) => endpoints[(n + i) % endpoints.length] ?? '');
      return new LockstepClient({ endpoints: own, retryForMs: RETRY_MS });
    });
  }

  start(): void {
    this.#running = Promise.all(this.#clients.map((client, n) => this.#work(client, n)));
  }

  /** Resolves when every request has been answered. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  /** Resolves when so many more have been acknowledged. */
  async more(count: number): Promise<void> {
    const wanted = this.acknowledged.size + count;
    while (this.acknowledged.size < wanted && this.trouble.length === 0) await pause(100);
  }

  async #work(client: LockstepClient, n: number): Promise<void> {
    for (let turn = n; !this.#isOver; turn += 1) {
      const id = unique('t');
      try {
        if (turn % 3 === 0) await client.commit(eventsOf(id), { id });
        else if (turn % 8 === 1) await this.#abort(client, id);
        else {
          await client.run(
            async (tx) => {
              for (const event of eventsOf(id)) await tx.write(event);
            },
            { id, streams: [...STREAMS] },
          );
        }
        if (!this.aborted.has(id)) this.acknowledged.add(id);
      } catch (error) {
        // What had not been written anywhere when its site was lost is not known there: the client begins anew.
        const isForgotten = isLockstepError(error) && error.code === 'UnknownTransaction';
        if (!isForgotten) this.trouble.push(`${id}: ${String(error)}`);
      }
    }
  }

  async #abort(client: LockstepClient, id: string): Promise<void> {
    await client.begin({ id, streams: [...STREAMS] });
    await client.write(id, { events: eventsOf(id) });
    await client.abort(id);
    this.aborted.add(id);
  }
}

const eventsOf = (id: string) => STREAMS.map((stream) => ({ stream, key: id, type: 'happened', data: { id } }));

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
