import { createHash } from 'node:crypto';
import type { EventIn, Service } from '../../../src/core/api.js';
import { canonicalJson } from '../../../src/core/canonical-json.js';
import { committed, entry, fakeService } from '../../http/support/fake-service.js';
import { refusal } from './scripted.js';

interface Kept {
  readonly event: EventIn;
  readonly digest: string;
}

interface State {
  status: 'open' | 'committed' | 'aborted';
  /** By number; one that was lost is undefined. */
  events: (Kept | undefined)[];
  readonly numbers: Map<string, number>;
}

type Method = 'begin' | 'write' | 'commit' | 'abort' | 'getTransaction';

/** Just enough of a home site to see what a transaction comes to when things get lost. */
export class FakeHome {
  readonly transactions = new Map<string, State>();
  readonly log: string[] = [];
  /** Called before and after each effect; what it throws is what the client gets. */
  disturb: (when: 'before' | 'after', method: Method, id: string) => void = () => undefined;
  /** How long a request and its answer are under way. */
  travel: (what: string) => Promise<unknown> = () => Promise.resolve();
  /** Throws what the home refuses a commit with. */
  refuseCommit: (id: string) => void = () => undefined;

  readonly service: Service = fakeService({
    begin: async (request) => {
      const id = request.id ?? '';
      return this.#disturbed('begin', id, () => {
        const created = !this.transactions.has(id);
        if (created) this.transactions.set(id, { status: 'open', events: [], numbers: new Map() });
        if (this.#of(id).status !== 'open') throw refusal('TransactionCommitted');
        return { id, status: 'open', expiresAt: entry.expiresAt, home: 'east', streams: [], created };
      });
    },
    write: async (id, { events }) =>
      this.#disturbed('write', id, () => {
        const state = this.#of(id);
        if (state.status !== 'open') throw refusal('TransactionAborted');
        return { events: events.map((event) => this.#keep(state, event)) };
      }),
    getTransaction: async (id) =>
      this.#disturbed('getTransaction', id, () => {
        const kept = this.#of(id).events.flatMap((each, number) =>
          each === undefined ? [] : [{ ...each.event, digest: each.digest, number }],
        );
        return { ...entry, id, events: kept };
      }),
    commit: async (id, { digests }) =>
      this.#disturbed('commit', id, () => {
        const state = this.#of(id);
        if (state.status === 'aborted') throw refusal('TransactionAborted');
        this.refuseCommit(id);
        const missing = digests.flatMap((digest, i) => (state.events[i]?.digest === digest ? [] : [i]));
        if (missing.length > 0) throw refusal('EventsMissing', { missing });
        if (state.events.length !== digests.length) throw refusal('IdempotencyMismatch');
        state.status = 'committed';
        return committed(id, digests.length);
      }),
    abort: async (id) =>
      this.#disturbed('abort', id, () => {
        this.#of(id).status = 'aborted';
        return { id, status: 'aborted' };
      }),
  });

  committedData(id: string): unknown[] {
    const state = this.transactions.get(id);
    return state?.status === 'committed' ? state.events.map((each) => each?.event.data) : ['not committed'];
  }

  #of(id: string): State {
    const state = this.transactions.get(id);
    if (state === undefined) throw refusal('UnknownTransaction');
    return state;
  }

  #keep(state: State, event: EventIn) {
    const { id, ...content } = event;
    const digest = createHash('sha256').update(canonicalJson(content)).digest('hex');
    const number = (id === undefined ? undefined : state.numbers.get(id)) ?? state.events.length;
    const held = state.events[number];
    if (held !== undefined && held.digest !== digest) throw refusal('IdempotencyMismatch');
    state.events[number] = { event, digest };
    if (id !== undefined) state.numbers.set(id, number);
    return { number, stream: event.stream, digest, foreseen: [] };
  }

  async #disturbed<T>(method: Method, id: string, effect: () => T): Promise<T> {
    await this.travel(`${method} there`);
    this.log.push(method);
    this.disturb('before', method, id);
    const answer = effect();
    this.disturb('after', method, id);
    await this.travel(`${method} back`);
    return answer;
  }
}
