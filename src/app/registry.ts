import type { ScalingDecision, StreamPolicy } from '../core/api.js';
import { type FullConflictPolicy, fullConflictPolicy } from '../core/conflict.js';
import { LockstepError } from '../core/errors.js';
import { CHANGES_A_DAY, type PastChange, recentChanges, stepTowards } from '../core/scaling/limits.js';
import { type ScalingPolicy, modeOf } from '../core/scaling/rules.js';
import type { HexRange } from '../core/hash-range.js';
import type { ControlStore } from '../ports/control-store.js';

const PREFIX = 'stream/';
const MAX_RACES = 64;

/** A policy with every default filled in. */
export interface FullPolicy {
  readonly shards: number;
  readonly mirrors: { readonly count: number; readonly create: 'now' | 'on-begin' };
  readonly ordering: 'arrival' | 'versioned';
  readonly conflict: FullConflictPolicy;
  readonly failback: 'stay' | 'automatic' | 'manual';
  readonly retentionHours: number;
  /** Absent: nobody changes its shards and mirrors but who is asked to. */
  readonly scaling?: ScalingPolicy;
}

export const DEFAULT_POLICY: FullPolicy = {
  shards: 1,
  mirrors: { count: 1, create: 'now' },
  ordering: 'arrival',
  conflict: { policy: 'last-write-wins', by: 'commit' },
  failback: 'stay',
  retentionHours: 24,
};

/** What is left out keeps its value. @throws LockstepError InvalidRequest where it contradicts itself */
export function mergePolicy(before: FullPolicy, change: StreamPolicy): FullPolicy {
  const scaling = change.scaling ?? before.scaling;
  return {
    shards: change.shards ?? before.shards,
    mirrors: { ...before.mirrors, ...change.mirrors },
    ordering: change.ordering ?? before.ordering,
    conflict: change.conflict ? fullConflictPolicy(change.conflict, before.conflict) : before.conflict,
    failback: change.failback ?? before.failback,
    retentionHours: change.retentionHours ?? before.retentionHours,
    ...(scaling === undefined ? {} : { scaling }),
  };
}

/** What a declaration says of a stream that is there: where scaling has a say in its shards, they are where it began. */
export function declaredPolicy(known: FullPolicy | undefined, declared: StreamPolicy): StreamPolicy {
  const scaling = declared.scaling ?? known?.scaling;
  if (known === undefined || scaling?.shards === undefined || modeOf(scaling) !== 'on') return declared;
  return Object.fromEntries(Object.entries(declared).filter(([name]) => name !== 'shards'));
}

/** One site's replica of a stream. */
export interface Replica {
  readonly physicalName: string;
  /** `creating` until its stream exists and holds what the log here holds; till then its records wait in the log. */
  readonly state: 'creating' | 'ready';
  /** It holds every committed event from here on. */
  readonly completeFromMs: number;
  /** Its open shards. */
  readonly shards: readonly ReplicaShard[];
}

export interface ReplicaShard extends HexRange {
  readonly shardId: string;
}

export interface StreamDefinition {
  readonly name: string;
  readonly createdAtMs: number;
  /** Where it was active first, or was moved to by an operator: where a failback goes. */
  readonly preferred: string;
  readonly policy: FullPolicy;
  readonly replicas: Readonly<Record<string, Replica>>;
  /** What scaling has to remember; absent as long as its shards were never changed. */
  readonly scaled?: Scaled;
}

/** Stands in the definition that it changes, so that a decision and its change are one. */
interface Scaled {
  /** How its shards were changed within the last 24 hours, by whomever. */
  readonly changes: readonly PastChange[];
  /** When each rule changed something last. */
  readonly firedAtMs: Readonly<Record<string, number>>;
  /** What scaling changed last, till it stands in the log. */
  readonly last: readonly ScalingDecision[];
}

/** A definition with another policy; each step of a change of its shards counts among those that Kinesis takes in a day. */
export function resharded(definition: StreamDefinition, policy: FullPolicy, nowMs: number): StreamDefinition {
  const from = definition.policy.shards;
  if (from === policy.shards) return { ...definition, policy };
  const before = definition.scaled ?? { changes: [], firedAtMs: {}, last: [] };
  const changes: PastChange[] = [...recentChanges(before.changes, nowMs)];
  for (let at = from; at !== policy.shards;) {
    const to = stepTowards(at, policy.shards);
    changes.push({ atMs: nowMs, from: at, to });
    at = to;
  }
  return { ...definition, policy, scaled: { ...before, changes: changes.slice(-2 * CHANGES_A_DAY) } };
}

/**
 * The streams' definitions: one control record each, cached here. A process that does not know of a replica yet leaves
 * no hole in it: a replica fills itself from its site's log before it is ready.
 */
export class Registry {
  readonly #control: ControlStore;
  readonly #site: string;
  #known = new Map<string, StreamDefinition>();

  constructor(control: ControlStore, site: string) {
    this.#control = control;
    this.#site = site;
  }

  /** The definition as last seen, without waiting. */
  known(name: string): StreamDefinition | undefined {
    return this.#known.get(name);
  }

  get all(): readonly StreamDefinition[] {
    return [...this.#known.values()];
  }

  /** @throws LockstepError UnknownStream */
  async get(name: string): Promise<StreamDefinition> {
    const known = this.#known.get(name) ?? (await this.#read(name));
    if (!known)
      throw new LockstepError('UnknownStream', `there is no stream ${name}; create it with PUT /streams/${name}`);
    return known;
  }

  /** Makes sure that all of these are known. @throws LockstepError UnknownStream */
  async require(names: Iterable<string>): Promise<void> {
    for (const name of names) if (!this.#known.has(name)) await this.get(name);
  }

  /** Whether all of these are known: saves the hot path a promise. */
  knowsAll(names: readonly string[]): boolean {
    return names.every((name) => this.#known.has(name));
  }

  /** Whether every event of the stream gets a version: asked for, or because its conflicts are told by versions. */
  isVersioned(name: string): boolean {
    return this.#known.get(name)?.policy.ordering === 'versioned' || this.keepsVectors(name);
  }

  keepsVectors(name: string): boolean {
    return this.#known.get(name)?.policy.conflict.policy === 'version-vector';
  }

  /** The streams that have a replica at this site. */
  get local(): readonly { readonly definition: StreamDefinition; readonly replica: Replica }[] {
    return this.all.flatMap((definition) => {
      const replica = definition.replicas[this.#site];
      return replica ? [{ definition, replica }] : [];
    });
  }

  localReplica(name: string): Replica | undefined {
    return this.#known.get(name)?.replicas[this.#site];
  }

  async refresh(): Promise<void> {
    const rows = await this.#control.list(PREFIX);
    this.#known = new Map(
      rows.map(({ record }) => {
        const definition = record.value as StreamDefinition;
        return [definition.name, definition];
      }),
    );
  }

  async #read(name: string): Promise<StreamDefinition | undefined> {
    const record = await this.#control.get(PREFIX + name);
    const definition = record?.value as StreamDefinition | undefined;
    if (definition) this.#known.set(name, definition);
    return definition;
  }

  /** Changes a definition by compare-and-set. `change` answers the same object to leave it. */
  async change(
    name: string,
    change: (before: StreamDefinition | undefined) => StreamDefinition,
  ): Promise<StreamDefinition> {
    for (let race = 0; race < MAX_RACES; race += 1) {
      const record = await this.#control.get(PREFIX + name);
      const before = record?.value as StreamDefinition | undefined;
      const after = change(before);
      if (after === before || (await this.#control.compareAndSet(PREFIX + name, record?.version ?? 0, after))) {
        this.#known.set(name, after);
        return after;
      }
    }
    throw new LockstepError('Unavailable', `stream ${name} changes too often; try again`);
  }
}
