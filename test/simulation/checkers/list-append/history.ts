export type ListAppendOperation =
  | { readonly kind: 'append'; readonly key: string; readonly value: string }
  | { readonly kind: 'read'; readonly key: string; readonly values: readonly string[] };

/** What one client saw of one transaction. The values appended to a key are distinct: each names its append. */
export interface ListAppendTransaction {
  readonly id: string;
  readonly process: string;
  readonly invokedAt: number;
  /** When the client had its answer. Of no meaning for an unknown outcome: the transaction may land later. */
  readonly completedAt: number | undefined;
  readonly outcome: 'committed' | 'aborted' | 'unknown';
  readonly operations: readonly ListAppendOperation[];
}

export type CycleKind = 'G0' | 'G1c' | 'G-single' | 'G2-item';

export type AnomalyKind =
  CycleKind | `${CycleKind}-realtime` | 'G1a' | 'G1b' | 'internal' | 'duplicate' | 'phantom' | 'incompatible-order';

export interface Anomaly {
  readonly kind: AnomalyKind;
  /** The transactions in the order of the cycle, each once; without a cycle, those that take part. */
  readonly cycle: readonly string[];
  readonly text: string;
}

export interface Append {
  readonly by: ListAppendTransaction;
  /** Where in its transaction. */
  readonly place: number;
  readonly key: string;
  readonly value: string;
}

export interface Read {
  readonly by: ListAppendTransaction;
  readonly key: string;
  readonly values: readonly string[];
}

export function anomaly(kind: AnomalyKind, parties: readonly ListAppendTransaction[], text: string): Anomaly {
  return { kind, cycle: [...new Set(parties.map(({ id }) => id))], text: `${kind}: ${text}` };
}

export function startsWith(values: readonly string[], head: readonly string[]): boolean {
  return values.length >= head.length && head.every((value, place) => value === values[place]);
}

const SHOWN = 5;

/** The end of a list, where the news is. */
export function show(values: readonly string[]): string {
  const hidden = values.length > SHOWN ? [`… ${values.length - SHOWN} more`] : [];
  return `[${[...hidden, ...values.slice(-SHOWN)].join(', ')}]`;
}
