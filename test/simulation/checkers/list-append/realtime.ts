import type { Edge, Graph, Node } from './graph.js';
import type { ListAppendTransaction } from './history.js';

/** Whoever does not know how a transaction ended does not know when: it may still land. */
function endOf({ outcome, completedAt }: ListAppendTransaction): number | undefined {
  return outcome === 'committed' ? completedAt : undefined;
}

export function endsBefore(earlier: ListAppendTransaction, later: ListAppendTransaction): boolean {
  return (endOf(earlier) ?? Infinity) < later.invokedAt;
}

export function realtimeEdge(from: Node, to: Node): Edge {
  return { kind: 'realtime', from, to, explain: () => explain(from.transaction, to.transaction) };
}

function explain(earlier: ListAppendTransaction, later: ListAppendTransaction): string {
  return `${later.id} began at ${later.invokedAt}, after ${earlier.id} had ended at ${endOf(earlier) ?? '?'}`;
}

/**
 * Who had ended before who began. Of those that have ended, only the frontier gets an edge: whoever ended before
 * another of them began is before its followers already. It is never wider than transactions ran at a time.
 */
export function linkRealtime(graph: Graph, transactions: Iterable<ListAppendTransaction>): void {
  const frontier = new Set<ListAppendTransaction>();
  const before = new Map<ListAppendTransaction, readonly ListAppendTransaction[]>();
  for (const { transaction, ends } of eventsOf(transactions)) {
    if (ends) {
      for (const earlier of before.get(transaction) ?? []) frontier.delete(earlier);
      frontier.add(transaction);
      continue;
    }
    before.set(transaction, [...frontier]);
    for (const earlier of frontier) {
      graph.link('realtime', earlier, transaction, () => explain(earlier, transaction));
    }
  }
}

interface Event {
  readonly at: number;
  readonly ends: boolean;
  readonly transaction: ListAppendTransaction;
}

/** In order of time; what begins when another ends runs beside it. */
function eventsOf(transactions: Iterable<ListAppendTransaction>): Event[] {
  const events: Event[] = [];
  for (const transaction of transactions) {
    const ended = endOf(transaction);
    events.push({ at: transaction.invokedAt, ends: false, transaction });
    if (ended !== undefined) events.push({ at: ended, ends: true, transaction });
  }
  return events.sort((left, right) => left.at - right.at || Number(left.ends) - Number(right.ends));
}
