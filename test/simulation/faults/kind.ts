import type { Cluster, Worker } from '../cluster.js';
import type { Dice } from '../dice.js';
import type { Injector } from './injector.js';

/** What a fault can reach. */
export interface Scene {
  readonly cluster: Cluster;
  readonly dice: Dice;
  readonly injector: Injector;
  /** Begins something whose end nobody waits for. */
  readonly start: (work: Promise<unknown>) => void;
  /** Some process that is running; nothing where all are dead or frozen. */
  readonly anyone: () => Worker | undefined;
}

/** A kind of fault: one that lasts ends by what `start` answers, one of a moment answers nothing. */
export interface FaultKind {
  readonly name: string;
  readonly start: (scene: Scene) => (() => void) | undefined;
}

export const STREAMS = ['orders', 'ledger', 'audit'] as const;

export const peerOf = ({ cluster, dice }: Scene, site: string): string =>
  dice.pick(cluster.sites.filter((other) => other !== site));
