import type { Fault } from '../../../src/core/api.js';
import { logicalNameOf } from '../../../src/core/ids.js';
import type { Route } from '../../../src/core/route.js';
import type { PutOutcome, PutRecord } from '../../../src/ports/streams.js';
import type { Cluster } from '../cluster.js';
import type { Moments } from '../checkers/moments.js';
import type { Call, Process } from '../process.js';

type Effect = () => Promise<unknown>;

/** What happens to calls of one kind, so many times. */
export interface Interference {
  readonly kind: string;
  left: number;
  readonly meets: (call: Call) => boolean;
  readonly run: (call: Call, effect: Effect) => Promise<unknown>;
}

interface Switched {
  readonly kind: string;
  readonly fault: Fault;
}

/** Stands between every process and its ports: carries the faults, and counts how often each kind took effect. */
export class Injector {
  /** How often each kind of fault changed what happened. */
  readonly took: Record<string, number> = {};
  readonly #cluster: Cluster;
  readonly #interferences: Interference[] = [];
  readonly #dooms = new Map<
    Process,
    { left: number; readonly kind: string; readonly act: () => void; readonly after: boolean }
  >();
  #switched: Switched[] = [];

  readonly #moments: Moments;

  constructor(cluster: Cluster, moments: Moments) {
    this.#cluster = cluster;
    this.#moments = moments;
  }

  /** From here on every call of every process comes by. */
  begin(): void {
    this.#cluster.meet = (call, effect) => this.#meet(call, effect);
  }

  count(kind: string): void {
    this.took[kind] = (this.took[kind] ?? 0) + 1;
  }

  /** The next such calls meet this. Answers how to end it. */
  interfere(interference: Interference): () => void {
    this.#interferences.push(interference);
    return () => {
      const at = this.#interferences.indexOf(interference);
      if (at >= 0) this.#interferences.splice(at, 1);
    };
  }

  /** Switches a fault of the engine's own board on. Answers how to end it. */
  switchOn(kind: string, ...faults: readonly Fault[]): () => void {
    const switched = faults.map((fault) => ({ kind, fault }));
    this.#switched = [...this.#switched, ...switched];
    this.#setBoard();
    return () => {
      this.#switched = this.#switched.filter((one) => !switched.includes(one));
      this.#setBoard();
    };
  }

  /** Something happens to a process between two of its calls, or between a call's effect and its answer. */
  doom(process: Process, kind: string, calls: number, after: boolean, act: () => void): void {
    this.#dooms.set(process, { left: calls, kind, after, act });
  }

  heal(): void {
    this.#interferences.length = 0;
    this.#dooms.clear();
    this.#switched = [];
    this.#setBoard();
  }

  #setBoard(): void {
    this.#cluster.setFaults(this.#switched.map(({ fault }) => fault));
  }

  async #meet(call: Call, effect: Effect): Promise<unknown> {
    if (!call.by.isRunning) await call.by.awake();
    this.#cluster.trace.detail(() => `${call.by.name} ${call.to ?? call.port}.${call.method} ${brief(call.args)}`);
    const doom = this.#dooms.get(call.by);
    const isDue = doom !== undefined && (doom.left -= 1) < 0;
    if (isDue) this.#dooms.delete(call.by);
    if (isDue && !doom.after) await this.#strike(call, doom);
    const startedAtMs = this.#cluster.elapsedMs;
    if (call.port === 'streams' && call.method === 'put') this.#moments.offered(call.args[1] as readonly PutRecord[]);
    const interference = this.#interferences.find(({ left, meets }) => left > 0 && meets(call));
    // Nearly every call comes by here, and is met by nothing: it costs one promise, no more.
    try {
      if (interference) {
        interference.left -= 1;
        return await interference.run(call, () => this.#seen(call, effect));
      }
      const value = await this.#seen(call, effect);
      this.#attribute(call, hasRefused(value), startedAtMs);
      return value;
    } catch (error) {
      if (!interference) this.#attribute(call, true, startedAtMs);
      throw error;
    } finally {
      if (isDue && doom.after) await this.#strike(call, doom);
      if (!call.by.isRunning) await call.by.awake();
    }
  }

  async #strike(call: Call, { kind, act }: { readonly kind: string; readonly act: () => void }): Promise<void> {
    this.count(kind);
    act();
    await call.by.awake();
  }

  /** What is done is looked at the moment it is done. */
  #seen(call: Call, effect: Effect): Promise<unknown> {
    if (call.port === 'streams' && call.method === 'put') return this.#putSeen(call, effect);
    const isRoute = call.port === 'control' && call.method === 'compareAndSet' && call.args[0] === 'route';
    return isRoute ? this.#routeSeen(call.args, effect) : effect();
  }

  async #putSeen(call: Call, effect: Effect): Promise<unknown> {
    const value = await effect();
    const [, records] = call.args as readonly [string, readonly PutRecord[]];
    const taken = records.filter((_, index) => (value as readonly PutOutcome[])[index]?.ok === true);
    await this.#moments.put(call.by.site, taken);
    return value;
  }

  async #routeSeen([, , after]: readonly unknown[], effect: Effect): Promise<unknown> {
    const before = await this.#cluster.route();
    const value = await effect();
    // Written over what was read here, and over nothing else.
    if (value === true && (after as Route).epoch === before.epoch + 1)
      this.#moments.routeChanged(before, after as Route);
    return value;
  }

  /** Which faults of the board this call has felt. */
  #attribute(call: Call, failed: boolean, startedAtMs: number): void {
    if (this.#switched.length === 0) return;
    const tookMs = this.#cluster.elapsedMs - startedAtMs;
    const felt = new Set<string>();
    for (const { kind, fault } of this.#switched) {
      const isFelt = fault.kind === 'slow' ? tookMs >= (fault.delayMs ?? 1) : failed;
      if (isFelt && concerns(fault, call)) felt.add(kind);
    }
    for (const kind of felt) this.count(kind);
  }
}

function hasRefused(value: unknown): boolean {
  return Array.isArray(value) && value.some((one) => (one as PutOutcome | undefined)?.ok === false);
}

function concerns(fault: Fault, call: Call): boolean {
  const { site } = call.by;
  if (fault.kind === 'partition') return isBetween(fault, site, call);
  if (call.port === 'peers')
    return fault.part === 'api' ? call.to === fault.site : isWhole(fault) && touches(fault, call);
  if (fault.site !== site) return false;
  if (fault.stream !== undefined) {
    return call.port === 'streams' && logicalNameOf('lockstep', site, String(call.args[0])) === fault.stream;
  }
  return fault.part === undefined || fault.part === call.port;
}

const isWhole = (fault: Fault): boolean => fault.part === undefined && fault.stream === undefined;

const touches = (fault: Fault, call: Call): boolean => fault.site === call.to || fault.site === call.by.site;

function isBetween(fault: Fault, site: string, call: Call): boolean {
  if (call.port === 'control') return fault.part === 'control' && fault.site === site;
  if (call.port !== 'peers' || fault.part === 'control') return false;
  const ends = [site, call.to];
  return ends.includes(fault.site) && (fault.peer === undefined || ends.includes(fault.peer));
}

const MAX_CHARACTERS = 400;

function brief(args: readonly unknown[]): string {
  const text = JSON.stringify(args, (_, value: unknown) =>
    value instanceof Uint8Array ? `${value.length} bytes` : value,
  );
  return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;
}
