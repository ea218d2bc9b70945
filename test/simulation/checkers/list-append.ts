import { Appends, countedOf } from './list-append/appends.js';
import { cyclesOf } from './list-append/cycles.js';
import { linkNext, linkRead, linkUnread, linkWrites } from './list-append/edges.js';
import { Graph } from './list-append/graph.js';
import type { Anomaly, ListAppendTransaction, Read } from './list-append/history.js';
import { internalAnomalies } from './list-append/internal.js';
import { Order } from './list-append/order.js';
import { linkRealtime } from './list-append/realtime.js';

export type { Anomaly, AnomalyKind, ListAppendOperation, ListAppendTransaction } from './list-append/history.js';

/**
 * What contradicts strict serialisability in a history of transactions that append to lists and read them, after Adya's
 * phenomena and Elle (Kingsbury, Alvaro: "Elle: Inferring Isolation Anomalies from Experimental Observations", 2020).
 * A list tells in which order its versions were made; a cycle of what must come before what has no serial order. Kinds
 * without "-realtime" contradict serialisability even of a system whose transactions may take effect out of time.
 */
export function checkListAppend(history: readonly ListAppendTransaction[]): readonly Anomaly[] {
  const appends = new Appends(history);
  const counted = countedOf(history, appends);
  const graph = new Graph(counted);
  const anomalies = [...appends.duplicates(), ...[...counted].flatMap(internalAnomalies)];
  for (const reads of readsByKey(counted)) anomalies.push(...checkKey(reads, appends, counted, graph));
  linkRealtime(graph, counted);
  anomalies.push(...cyclesOf(graph));
  return [...new Map(anomalies.map((anomaly) => [anomaly.text, anomaly])).values()];
}

/** Adds what follows from the reads of one key to the graph. */
function checkKey(
  reads: readonly [Read, ...Read[]],
  appends: Appends,
  counted: ReadonlySet<ListAppendTransaction>,
  graph: Graph,
): Anomaly[] {
  const longest = reads.reduce((one, other) => (other.values.length > one.values.length ? other : one));
  const order = new Order(longest, appends, counted);
  const anomalies = [...order.anomalies];
  linkWrites(graph, order);

  const strays = reads.filter((read) => !order.holds(read));
  const strayed = new Set(strays);
  for (const read of reads.filter((one) => !strayed.has(one))) {
    anomalies.push(...order.intermediate(read));
    linkRead(graph, order, read);
    linkNext(graph, order, read);
  }
  // Whom a stray read is from is certain, what comes after it is not.
  for (const read of strays) {
    const own = new Order(read, appends, counted);
    anomalies.push(order.parting(read), ...own.anomalies, ...own.intermediate(read));
    linkRead(graph, own, read);
  }
  if (strays.length === 0) {
    const shown = new Set(longest.values);
    const unread = appends.onlyOf(longest.key).filter(({ value }) => !shown.has(value));
    linkUnread(graph, order, reads, unread);
  }
  return anomalies;
}

function readsByKey(transactions: Iterable<ListAppendTransaction>): Iterable<[Read, ...Read[]]> {
  const byKey = new Map<string, [Read, ...Read[]]>();
  for (const by of transactions) {
    for (const operation of by.operations) {
      if (operation.kind !== 'read') continue;
      const { key, values } = operation;
      const reads = byKey.get(key);
      if (reads === undefined) byKey.set(key, [{ by, key, values }]);
      else reads.push({ by, key, values });
    }
  }
  return byKey.values();
}
