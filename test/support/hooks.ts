import { PortUnavailable } from '../../src/ports/failures.js';

/** One call of a use case through a port, as a test sees it before it happens. */
export interface Call {
  /** Who calls: a site (`east`), or a further coordinator of it (`east/2`). */
  readonly by: string;
  readonly port: 'tables' | 'streams' | 'control' | 'peers';
  /** Of calls between sites: the one that is called. */
  readonly to?: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** Which calls are meant: all that is left out may be anything. */
export interface CallFilter {
  readonly by?: string;
  readonly port?: Call['port'];
  readonly to?: string;
  readonly method?: string;
  readonly when?: (call: Call) => boolean;
}

/** A call that is held. What stands still for ever is a coordinator that crashed; what goes on later, a frozen one. */
export interface Gate {
  /** Resolves when a call has come to the gate. */
  readonly reached: Promise<Call>;
  /** Lets it go on: `before` it does its work now, `after` its answer arrives now. */
  release(): void;
  /** Its caller is told that nobody answered. A call held `before` its work never does it. */
  fail(): void;
}

interface Hook {
  readonly filter: CallFilter;
  /** How many calls it meets; Infinity: all. */
  left: number;
  readonly run: (call: Call, effect: () => Promise<unknown>) => Promise<unknown>;
}

const never = (): Promise<never> => new Promise<never>(() => undefined);

/** What stands between the use cases and their ports: holds calls, loses answers, fails, counts. */
export class Hooks {
  /** Every call so far. */
  readonly calls: Call[] = [];
  readonly #hooks: Hook[] = [];
  readonly #crashed = new Set<string>();

  /** Puts the hooks between a caller and one of its ports. */
  around<T extends object>(port: T, where: Omit<Call, 'method' | 'args'>): T {
    return new Proxy(port, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== 'function' || typeof name !== 'string') return value;
        return (...args: unknown[]) =>
          this.#through({ ...where, method: name, args }, () => Reflect.apply(value, target, args) as Promise<unknown>);
      },
    });
  }

  /** Holds the next such call, before its effect or before its answer. */
  hold(filter: CallFilter, at: 'before' | 'after' = 'before'): Gate {
    let arrive: (call: Call) => void = () => undefined;
    const reached = new Promise<Call>((resolve) => (arrive = resolve));
    let open: (how: 'released' | 'failed') => void = () => undefined;
    const opened = new Promise<'released' | 'failed'>((resolve) => (open = resolve));
    this.#add(filter, 1, async (call, effect) => {
      if (at === 'before') {
        arrive(call);
        if ((await opened) === 'failed') throw new PortUnavailable('held, then failed');
        return effect();
      }
      const [outcome] = await Promise.allSettled([effect()]);
      arrive(call);
      if ((await opened) === 'failed') throw new PortUnavailable('done, but the answer was lost');
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
    return { reached, release: () => open('released'), fail: () => open('failed') };
  }

  /** Such calls fail without any effect. Answers how to end that. */
  fail(filter: CallFilter, times = Infinity, error: () => Error = unanswered): () => void {
    return this.#add(filter, times, () => Promise.reject(error()));
  }

  /** Such calls have their effect, but nobody is told. */
  lose(filter: CallFilter, times = Infinity): () => void {
    return this.#add(filter, times, async (_call, effect) => {
      await effect();
      throw unanswered();
    });
  }

  /** Such calls do something else instead, or before. */
  meet(
    filter: CallFilter,
    run: (call: Call, effect: () => Promise<unknown>) => Promise<unknown>,
    times = Infinity,
  ): () => void {
    return this.#add(filter, times, run);
  }

  /** Nothing that this coordinator calls from now on ever happens or answers. */
  crash(by: string): void {
    this.#crashed.add(by);
  }

  count(filter: CallFilter): number {
    return this.calls.filter((call) => matches(filter, call)).length;
  }

  #add(filter: CallFilter, left: number, run: Hook['run']): () => void {
    const hook: Hook = { filter, left, run };
    this.#hooks.push(hook);
    return () => {
      hook.left = 0;
    };
  }

  async #through(call: Call, effect: () => Promise<unknown>): Promise<unknown> {
    if (this.#crashed.has(call.by)) return never();
    this.calls.push(call);
    const hook = this.#hooks.find(({ filter, left }) => left > 0 && matches(filter, call));
    const outcome = hook ? await this.#meet(hook, call, effect) : await effect();
    return this.#crashed.has(call.by) ? never() : outcome;
  }

  #meet(hook: Hook, call: Call, effect: () => Promise<unknown>): Promise<unknown> {
    hook.left -= 1;
    return hook.run(call, effect);
  }
}

const unanswered = (): Error => new PortUnavailable('no answer');

function matches({ by, port, to, method, when }: CallFilter, call: Call): boolean {
  return (
    (by === undefined || by === call.by) &&
    (port === undefined || port === call.port) &&
    (to === undefined || to === call.to) &&
    (method === undefined || method === call.method) &&
    (when === undefined || when(call))
  );
}
