import type { EventOut, ReadEvents } from '../../../src/core/api.js';
import { directTransport, LockstepClient } from '../../../src/client/index.js';
import type { ReadEventsOptions } from '../../../src/client/index.js';
import { eventOut, fakeService } from '../../http/support/fake-service.js';
import { environment } from './scripted.js';

/** A stream whose checkpoints count events, and which can fail before or after it has read. */
class FakeStream {
  readonly events: EventOut[] = [];
  readonly asked: ReadEvents[] = [];
  disturb: () => void = () => undefined;
  behind = false;

  readonly service = fakeService({
    readEvents: async (request) => {
      this.asked.push(request);
      this.disturb();
      const from = Number(request.checkpoint ?? 0);
      const events = this.behind ? [] : this.events.slice(from, from + (request.limit ?? 100));
      const caughtUp = !this.behind && from + events.length === this.events.length;
      return { events, checkpoint: String(from + events.length), caughtUp };
    },
    readTransactions: async ({ streams, checkpoint = '0', limit = 100 }) => {
      const from = Number(checkpoint);
      const all = this.events.map((event) => ({
        id: event.transactionid,
        committedAt: event.committedat,
        events: streams.map((stream) => ({ ...event, stream })),
      }));
      const transactions = all.slice(from, from + limit);
      const next = from + transactions.length;
      return { transactions, checkpoint: String(next), caughtUp: next === all.length };
    },
  });

  append(count: number): void {
    for (let i = 0; i < count; i += 1) this.events.push(eventOut(0, `t${this.events.length}`));
  }

  get ids(): string[] {
    return this.events.map(({ id }) => id);
  }
}

/** A stream, and a client that reads it in pages of three until it has caught up. */
export function setUp(events = 0) {
  const env = environment();
  const stream = new FakeStream();
  stream.append(events);
  const client = new LockstepClient({ ...env, transport: directTransport(stream.service), retryForMs: 1_000 });
  const read = async (options: Partial<ReadEventsOptions> = {}, most = Infinity) => {
    const ids: string[] = [];
    for await (const event of client.events({ stream: 'orders', until: 'caught-up', limit: 3, ...options })) {
      ids.push(event.id);
      if (ids.length >= most) break;
    }
    return ids;
  };
  return { stream, client, clock: env.clock, read };
}
