import type { Append, Read } from './history.js';
import type { Graph } from './graph.js';
import type { Order } from './order.js';

export function linkWrites(graph: Graph, { versions }: Order): void {
  const known = versions.filter((append) => append !== undefined);
  for (const [at, append] of known.entries()) {
    const before = known[at - 1];
    if (before !== undefined) linkWrite(graph, before, append);
  }
}

/** A committed append that no read shows comes after all that they show. */
export function linkUnread(graph: Graph, order: Order, reads: readonly Read[], unread: readonly Append[]): void {
  const last = lastKnown(order, order.versions.length);
  const atEnd = reads.filter(({ by, values }) => values.length === order.versions.length && last?.by !== by);
  for (const append of unread) {
    if (last !== undefined) linkWrite(graph, last, append);
    for (const read of atEnd) linkOverwrite(graph, read, append);
  }
}

/** What a transaction appended itself, it has from nobody: its edge comes from whoever appended before. */
export function linkRead(graph: Graph, order: Order, { by, key, values }: Read): void {
  const source = lastKnown(order, values.length, (append) => append.by !== by);
  if (source === undefined) return;
  graph.link('wr', source.by, by, () => `${by.id} read ${source.by.id}'s ${source.value} in ${key}`);
}

/** Only the next version follows a read; one that the reader made itself is followed as a write. */
export function linkNext(graph: Graph, order: Order, read: Read): void {
  let place = read.values.length;
  while (place < order.versions.length && order.versions[place] === undefined) place += 1;
  const next = order.versions[place];
  if (next !== undefined && lastKnown(order, read.values.length)?.by !== read.by) linkOverwrite(graph, read, next);
}

function lastKnown(
  { versions }: Order,
  length: number,
  accepts: (append: Append) => boolean = () => true,
): Append | undefined {
  for (let place = length - 1; place >= 0; place -= 1) {
    const append = versions[place];
    if (append !== undefined && accepts(append)) return append;
  }
  return undefined;
}

function linkWrite(graph: Graph, before: Append, { by, key, value }: Append): void {
  graph.link('ww', before.by, by, () => `${by.id} appended ${value} to ${key} after ${before.by.id}'s ${before.value}`);
}

function linkOverwrite(graph: Graph, { by: reader, key }: Read, { by, value }: Append): void {
  graph.link('rw', reader, by, () => `${reader.id} read ${key} without ${by.id}'s ${value}`);
}
