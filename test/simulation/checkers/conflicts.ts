import type { Conflict, ConflictSide } from '../../../src/core/api.js';
import { conflictId } from '../../../src/core/conflict.js';
import type { DecidedEntry } from '../../../src/core/entry.js';
import { clockOf } from '../../../src/core/timestamp.js';
import type { Cluster } from '../cluster.js';

/**
 * Who stays is who has to: the later commit, where that is the rule, and of a transaction all or nothing. And two decisions
 * that met on a key are one conflict, however often their site began to come back.
 */
export async function wronglyChosen(cluster: Cluster): Promise<readonly string[]> {
  const rows = await cluster.control.list('conflict/');
  const met = new Set<string>();
  return rows.flatMap(({ record }) => {
    const { id, stream, key, policy, status, winner, loser } = record.value as Conflict;
    const waited = ({ transactionId, clock }: ConflictSide): boolean =>
      conflictId({ stream, key, waiting: { id: transactionId, at: clock } as DecidedEntry }) === id;
    const who = `of ${winner.transactionId} and ${loser.transactionId} on ${stream}/${key}`;
    const pair = [winner, loser].map(({ transactionId, clock }) => `${transactionId}@${clock}`).sort();
    const name = [stream, key, ...pair].join();
    if (met.has(name)) return [`${who} are listed twice`];
    met.add(name);
    if (status === 'resolved' && policy === 'last-write-wins by commit' && clockOf(winner.clock) < clockOf(loser.clock))
      return [`${who} the earlier commit stays`];
    if (policy.endsWith('as a whole or not at all') && waited(winner)) return [`${who} the one stays that lost a key`];
    return [];
  });
}
