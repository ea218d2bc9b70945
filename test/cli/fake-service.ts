import type {
  CommitAnswer,
  CommitRequest,
  Conflict,
  EventOut,
  Incident,
  Proof,
  Reconciliation,
  ScalingAnswer,
  ScalingDecision,
  Service,
  StreamAnswer,
  TransactionLogEntry,
} from '../../src/core/api.js';
import { isLockstepError, LockstepError } from '../../src/core/errors.js';
import { type ScalingPolicy, modeOf } from '../../src/core/scaling/rules.js';
import { outLine, rangeDigest } from '../../src/core/compare.js';
import { WHOLE_RANGE } from '../../src/core/hash-range.js';
import { problemOf } from '../../src/core/problem.js';
import { sealOf } from '../../src/core/proof.js';

const NOW = '2026-11-23T18:00:00.000Z';
const FIRST = '00000001.0000000000000000';

export const INCIDENT: Incident = {
  id: 'incident-1',
  kind: 'switchover',
  site: 'east',
  stream: 'orders',
  startedAt: NOW,
  endedAt: '2026-11-23T18:00:00.250Z',
  timeline: [
    { at: NOW, what: 'puts fail\u001b[31m' },
    { at: '2026-11-23T18:00:00.250Z', what: 'active at west' },
  ],
};

const side = (site: string, data: string): Conflict['winner'] => ({
  site,
  transactionId: `t-${site}`,
  committedAt: NOW,
  clock: FIRST,
  events: [{ stream: 'orders', key: 'k', type: 'set', data, number: 0 }],
});

export const CONFLICT: Conflict = {
  id: '0123456789abcdef'.repeat(2),
  stream: 'orders',
  key: 'k',
  status: 'open',
  policy: 'manual',
  recordedAt: NOW,
  winner: side('west', 'here'),
  loser: side('east', 'there'),
  together: ['0123456789abcdef'.repeat(2)],
};

const LOAD = {
  bytesPerSecond: 2048,
  recordsPerSecond: 12.5,
  transactionsPerSecond: 3,
  throttledPerSecond: 0.25,
  backlogAgeSeconds: 0,
  utilisation: 0.912345,
  shardUtilisation: 1.5,
};

/** A deployment of two sites in a few arrays: enough to see what a command asks and what it makes of the answer. */
export class FakeDeployment {
  readonly streams = new Map<string, StreamAnswer>();
  /** By site and stream. */
  readonly events: Record<string, Record<string, EventOut[]>> = { east: {}, west: {} };
  readonly transactions = new Map<string, TransactionLogEntry>();
  readonly conflicts: Conflict[] = [];
  readonly decisions: ScalingDecision[] = [];
  readonly requests: [string, unknown][] = [];
  private decided = 0;

  get service(): Service {
    return new Proxy({} as Service, {
      get:
        (_target, name: string) =>
        async (...args: unknown[]) => {
          this.requests.push([name, args.length === 1 ? args[0] : args]);
          const method = (this as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>)[name];
          if (method === undefined) throw new LockstepError('Unavailable', `${name}: not here`);
          return method.apply(this, args);
        },
    });
  }

  lastRequest(method: string): unknown {
    return this.requests.findLast(([name]) => name === method)?.[1];
  }

  putStream(name: string, policy: StreamAnswer['policy']): StreamAnswer {
    const shards = Array.from({ length: policy.shards ?? 1 }, (_, i) => `shard-${i}`);
    const mirror = {
      stream: name,
      site: 'west',
      physicalName: `lockstep-${name}-west`,
      shards,
      replicationFactor: 1,
      status: 'in-sync' as const,
      completeFrom: NOW,
    };
    const stream = { name, active: 'east', status: 'in-sync' as const, shards, mirrors: [mirror], policy };
    this.streams.set(name, stream);
    return stream;
  }

  listStreams() {
    return { streams: [...this.streams.values()] };
  }

  getStream(name: string): StreamAnswer {
    const stream = this.streams.get(name);
    if (stream === undefined) throw new LockstepError('UnknownStream', `there is no stream ${name}: create it first`);
    return stream;
  }

  getRoute() {
    const active = Object.fromEntries([...this.streams.keys()].map((name) => [name, 'east']));
    const sites = ['east', 'west'].map((name) => ({
      name,
      region: 'local',
      endpoint: `http://127.0.0.1:1/sites/${name}`,
    }));
    return { term: 3, epoch: 7, phase: 'serving', home: 'east', inSync: ['east'], joining: { west: 7 }, active, sites };
  }

  getHealth() {
    const sites = ['east', 'west'].map((site) => ({ site, state: site === 'east' ? 'well' : 'suspect', streams: [] }));
    return { status: 'degraded', sites };
  }

  commitOnce({ id = 'given', events }: CommitRequest): CommitAnswer {
    for (const event of events) this.getStream(event.stream);
    this.decided += 1;
    const clock = `00000001.${String(this.decided).padStart(16, '0')}`;
    events.forEach((event, number) => {
      const out = {
        specversion: '1.0' as const,
        id: `${id}:${number}`,
        source: 'fake',
        type: event.type,
        subject: event.key,
        time: event.time ?? NOW,
        ...(event.data !== undefined && { data: event.data }),
        stream: event.stream,
        transactionid: id,
        number,
        parts: 1,
        committedat: NOW,
        clock,
      };
      for (const site of ['east', 'west']) (this.events[site]![event.stream] ??= []).push(out);
    });
    return { id, status: 'committed', committedAt: NOW, events: events.length, replicas: 1, atRisk: true };
  }

  commitBatch({ commits }: { commits: readonly (CommitRequest & { id: string })[] }) {
    const results = commits.map((commit) => {
      try {
        return this.commitOnce(commit);
      } catch (error) {
        if (!isLockstepError(error)) throw error;
        return { id: commit.id, problem: problemOf(error) };
      }
    });
    return { results };
  }

  getScaling(stream: string): ScalingAnswer {
    return this.planScaling(stream, { scaling: this.getStream(stream).policy.scaling });
  }

  planScaling(stream: string, { scaling = { mode: 'off' } }: { scaling?: ScalingPolicy | undefined }): ScalingAnswer {
    const isSet = scaling.shards !== undefined;
    return {
      stream,
      mode: modeOf(this.getStream(stream).policy.scaling),
      policy: scaling,
      shards: this.getStream(stream).shards.length,
      openShards: 1,
      changesLeft: 9,
      measuredMinutes: isSet ? 70 : 0,
      ...(isSet && { load: LOAD, forecast: { aheadSeconds: 3600, median: 1.25, high: 2.5 } }),
      rules: isSet ? [{ rule: 'under load', value: 0.912345, state: 'fires' }] : [],
      steps: isSet ? [{ quantity: 'shards', from: 2, to: 4, why: 'under load: high', rule: 'under load' }] : [],
      decisions: this.decisions,
    };
  }

  readEvents({ stream, checkpoint = '0', limit = 100, site = 'east' }: Parameters<Service['readEvents']>[0]) {
    const all = this.events[site]![stream] ?? [];
    const events = all.slice(Number(checkpoint), Number(checkpoint) + limit);
    const next = Number(checkpoint) + events.length;
    return { events, checkpoint: String(next), caughtUp: next === all.length };
  }

  readTransactions({ streams, checkpoint = '0' }: Parameters<Service['readTransactions']>[0]) {
    const events = streams.flatMap((stream) => this.events['east']![stream] ?? []);
    const ids = [...new Set(events.map(({ transactionid }) => transactionid))];
    const transactions = ids
      .slice(Number(checkpoint))
      .map((id) => ({ id, committedAt: NOW, events: events.filter((each) => each.transactionid === id) }));
    return { transactions, checkpoint: String(ids.length), caughtUp: true };
  }

  getTransaction(id: string): TransactionLogEntry {
    const entry = this.transactions.get(id);
    if (entry === undefined) throw new LockstepError('UnknownTransaction', `there is no transaction ${id}`);
    return entry;
  }

  listTransactions() {
    return { transactions: [...this.transactions.values()], cursor: 'more' };
  }

  abort(id: string) {
    this.getTransaction(id);
    return { id, status: 'aborted' };
  }

  switchover(): Incident {
    return INCIDENT;
  }

  moveHome({ to }: { to: string }): Incident {
    if (to === 'north') throw new LockstepError('ReplicaBehind', 'north is behind: wait, or force it');
    return { ...INCIDENT, kind: 'planned-move' };
  }

  listIncidents() {
    return { incidents: [INCIDENT] };
  }

  listConflicts() {
    return { conflicts: this.conflicts };
  }

  getConflict(): Conflict | undefined {
    return this.conflicts[0];
  }

  resolveConflict(): Conflict | undefined {
    return this.conflicts[0];
  }

  reconcile() {
    return { id: 'rec-00001' };
  }

  getReconciliation(id: string): Reconciliation {
    if (id !== 'rec-00001') throw new LockstepError('NotFound', `there is no reconciliation ${id}`);
    const polls = this.requests.filter(([name]) => name === 'getReconciliation').length;
    const started = { id, site: 'west', startedAt: NOW };
    if (polls === 1) return { ...started, status: 'running', progress: 0.4 };
    return { ...started, status: 'done', progress: 1, endedAt: NOW, proof: this.proof() };
  }

  /** Of everything that stands on the streams now. */
  proof(): Proof {
    const windows = [...this.streams.keys()].map((stream) => {
      const digests = Object.fromEntries(
        ['east', 'west'].map((site) => {
          const lines = (this.events[site]![stream] ?? []).map((event) => outLine([event]).line);
          return [site, { log: rangeDigest(lines), stream: rangeDigest(lines) }];
        }),
      );
      const to = `00000001.${'9'.repeat(16)}`;
      return { stream, from: FIRST, to, hashRange: WHOLE_RANGE, before: digests, after: digests };
    });
    const proof = { sites: ['east', 'west'], windows, copied: 2, overruled: ['t-9'], conflicts: [], gaps: [] };
    return { ...proof, seal: sealOf(proof) };
  }
}
