import type { Clock } from '../../src/ports/environment.js';

export type PortName = 'tables' | 'streams' | 'control' | 'peers';

/** One call of a process through one of its ports. */
export interface Call {
  readonly by: Process;
  readonly port: PortName;
  /** Of calls between sites: the one that is called. */
  readonly to?: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

const never = (): Promise<never> => new Promise<never>(() => undefined);

/**
 * A process of a site, such as a Lambda: it may die between any two of its calls, or stand still and wake much later.
 * Nothing that a dead one began ever goes on; what a frozen one began goes on when it thaws.
 */
export class Process {
  readonly name: string;
  readonly site: string;
  /** Resolves when it dies or is frozen: whoever waits for its work need not wait any longer. */
  readonly stopped: Promise<void>;
  #state: 'running' | 'frozen' | 'dead' = 'running';
  #stop: () => void = () => undefined;
  #thawed: Promise<void> = Promise.resolve();
  #thaw: () => void = () => undefined;

  constructor(site: string, number: number) {
    this.site = site;
    this.name = `${site}/${number}`;
    this.stopped = new Promise((resolve) => (this.#stop = resolve));
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  get isDead(): boolean {
    return this.#state === 'dead';
  }

  die(): void {
    this.#state = 'dead';
    this.#stop();
  }

  freeze(): void {
    if (this.#state !== 'running') return;
    this.#state = 'frozen';
    this.#thawed = new Promise((resolve) => (this.#thaw = resolve));
    this.#stop();
  }

  thaw(): void {
    if (this.#state !== 'frozen') return;
    this.#state = 'running';
    this.#thaw();
  }

  /** Whatever it does, it does while it is awake; resolves once it is, never when it is dead. */
  async awake(): Promise<void> {
    while (this.#state === 'frozen') await this.#thawed;
    if (this.#state === 'dead') await never();
  }

  /** Time as this process sees it: that of its site, and only while it is awake. */
  clock(base: Clock, aheadMs: () => number): Clock {
    const awake = async (): Promise<void> => {
      if (this.#state !== 'running') await this.awake();
    };
    return {
      now: () => Math.floor(base.now() + aheadMs()),
      sleep: (ms) => base.sleep(ms).then(awake),
      nextTurn: () => base.nextTurn().then(awake),
    };
  }

  /** A port whose every call goes through `meet`. */
  port<T extends object>(
    port: T,
    where: Pick<Call, 'port' | 'to'>,
    meet: (call: Call, effect: () => Promise<unknown>) => Promise<unknown>,
  ): T {
    const met: Record<string, unknown> = {};
    for (const [method, value] of Object.entries(port) as [string, unknown][]) {
      if (typeof value !== 'function') {
        met[method] = value;
        continue;
      }
      const effect = value as (...args: unknown[]) => Promise<unknown>;
      met[method] = (...args: unknown[]) => meet({ ...where, by: this, method, args }, () => effect(...args));
    }
    return met as T;
  }
}
