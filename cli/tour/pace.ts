/** When the tour breaks what, and how it keeps enough cases back for afterwards. */

/** Fractions of all cases. */
export const STAGES = [
  { name: 'streams-fail', at: 0.4 },
  { name: 'site-fails', at: 0.6 },
  { name: 'all-returns', at: 0.75 },
] as const;

export type StageName = (typeof STAGES)[number]['name'];

export interface Stage {
  readonly name: StageName;
  /** The fraction of all cases. */
  readonly at: number;
  /** It is due when so many cases are finished. */
  readonly due: number;
  /** Cases from this index on do not begin before it. */
  readonly gate: number;
}

/**
 * A large log keeps all clients busy when something breaks: the gates lie a full round of clients behind. In a small log
 * everything would be over by then, so at least half of what lies before the next stage is kept back.
 */
export function planStages(cases: number, clients: number): Stage[] {
  return STAGES.map(({ name, at }, i) => {
    const due = Math.ceil(cases * at);
    const next = Math.ceil(cases * (STAGES[i + 1]?.at ?? 1));
    return { name, at, due, gate: Math.min(due + clients, Math.floor((due + next) / 2)) };
  });
}

/** Which cases are finished and which may begin, with everyone who waits for either. */
export class Pace {
  private done = 0;
  private readonly finishedWaiters: { readonly count: number; readonly resolve: () => void }[] = [];
  private readonly gates: { readonly index: number; readonly open: Promise<void>; readonly resolve: () => void }[];

  constructor(stages: readonly Stage[]) {
    this.gates = stages.map(({ gate }) => {
      const { promise, resolve } = deferred();
      return { index: gate, open: promise, resolve };
    });
  }

  get finished(): number {
    return this.done;
  }

  /** Resolves when the case may begin. */
  async mayBegin(caseIndex: number): Promise<void> {
    for (const { index, open } of this.gates) if (caseIndex >= index) await open;
  }

  finish(): void {
    this.done += 1;
    for (const { count, resolve } of this.finishedWaiters) if (this.done >= count) resolve();
  }

  /** Resolves when so many cases are finished. */
  async whenFinished(count: number): Promise<void> {
    if (this.done >= count) return;
    const { promise, resolve } = deferred();
    this.finishedWaiters.push({ count, resolve });
    await promise;
  }

  /** @param stage its place in the plan */
  openGate(stage: number): void {
    this.gates[stage]?.resolve();
  }

  /** Lets everyone through who waits: the tour is being broken off. */
  breakOff(): void {
    for (const { resolve } of [...this.gates, ...this.finishedWaiters]) resolve();
  }
}

/** `Promise.withResolvers`, which Node 20 lacks. */
function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
