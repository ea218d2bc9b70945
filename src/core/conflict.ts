import { hash } from 'node:crypto';
import type { ConflictRule } from './api.js';
import type { DecidedEntry } from './entry.js';
import { partName } from './event.js';
import { clockOf, TICKS_PER_MS } from './timestamp.js';

/**
 * Conflicts: after an unclean takeover the same (stream, key) was changed by both histories. Last write wins, by a time
 * that the stream's policy chooses; ties by id, so that every site resolves alike.
 */

/** When an entry's last event on a (stream, key) happened, milliseconds, by the policy's clock. */
function conflictTimeMs(entry: DecidedEntry, stream: string, key: string, by: ConflictRule): number {
  // The clock alone: the terms are those of two histories, and say nothing about what came first.
  const committedMs = clockOf(entry.at) / TICKS_PER_MS;
  if (by === 'commit') return committedMs;
  if (by === 'ingest') return entry.startedAtMs;
  const times = entry.events
    .filter((event) => event.stream === stream && event.key === key)
    .map((event) => (event.time === undefined ? committedMs : Date.parse(event.time)));
  return Math.max(...times, -Infinity);
}

/** Whether `a` is the later write. */
export function winsOver(a: DecidedEntry, b: DecidedEntry, stream: string, key: string, by: ConflictRule): boolean {
  const aMs = conflictTimeMs(a, stream, key, by);
  const bMs = conflictTimeMs(b, stream, key, by);
  return aMs === bMs ? a.id > b.id : aMs > bMs;
}

/** The same for the same two decisions, whoever finds the conflict and however often. */
export function conflictId(stream: string, key: string, a: DecidedEntry, b: DecidedEntry): string {
  const [first, second] = [`${a.id}@${a.at}`, `${b.id}@${b.at}`].sort();
  return hash('sha256', `${partName(stream, key)}|${first}|${second}`, 'hex').slice(0, 32);
}

/** The (stream, key) pairs that an entry changes. */
export function keysOf(entry: DecidedEntry): readonly { readonly stream: string; readonly key: string }[] {
  const pairs = new Map(entry.events.map(({ stream, key }) => [partName(stream, key), { stream, key }]));
  return [...pairs.values()];
}
