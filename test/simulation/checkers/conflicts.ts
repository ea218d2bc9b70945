import type { Conflict, ConflictSide } from '../../../src/core/api.js';
import { conflictId } from '../../../src/core/conflict.js';
import type { DecidedEntry } from '../../../src/core/entry.js';
import { clockOf } from '../../../src/core/timestamp.js';
import type { Cluster } from '../cluster.js';

/** Who stays is who has to: the later commit, where that is the rule, and of a transaction all or nothing. */
export async function wronglyChosen(cluster: Cluster): Promise<readonly string[]> {
  const rows = await cluster.control.list('conflict/');
  return rows.flatMap(({ record }) => {
    const { id, stream, key, policy, status, winner, loser } = record.value as Conflict;
    const waited = ({ transactionId, clock }: ConflictSide): boolean =>
      conflictId({ stream, key, waiting: { id: transactionId, at: clock } as DecidedEntry }) === id;
    const who = `of ${winner.transactionId} and ${loser.transactionId} on ${stream}/${key}`;
    if (status === 'resolved' && policy === 'last-write-wins by commit' && clockOf(winner.clock) < clockOf(loser.clock))
      return [`${who} the earlier commit stays`];
    if (policy.endsWith('as a whole or not at all') && waited(winner)) return [`${who} the one stays that lost a key`];
    return [];
  });
}
