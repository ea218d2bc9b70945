/** A batch of independent transactions, sent until each has its answer. */
import type { BatchResult, CommitRequest } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { isTransient } from './caller.js';
import type { Caller } from './caller.js';
import { problemToError } from './problems.js';

/** @param commits with ids, so that what is sent again is the same transaction */
export async function commitEach(caller: Caller, commits: readonly CommitRequest[]): Promise<readonly BatchResult[]> {
  const results = new Map<CommitRequest, BatchResult>();
  let open = commits;
  try {
    await caller.call(async (site) => {
      const answer = await site.commitBatch({ commits: open });
      if (answer.results.length !== open.length) {
        throw new LockstepError('Unavailable', 'The answer to a batch does not fit it: try again with the same ids');
      }
      answer.results.forEach((result, i) => results.set(open[i] as CommitRequest, result));
      const unsettled = open.map((commit) => transientError(results.get(commit)));
      open = open.filter((_, i) => unsettled[i] !== undefined);
      const first = unsettled.find((error) => error !== undefined);
      if (first !== undefined) throw first;
    });
  } catch (error) {
    // Where each had an answer at least once, those are the result: the caller sees what is still open and why.
    if (!isTransient(error) || results.size < commits.length) throw error;
  }
  return commits.map((commit) => results.get(commit) as BatchResult);
}

function transientError(result: BatchResult | undefined): LockstepError | undefined {
  if (result === undefined || !('problem' in result)) return undefined;
  const error = problemToError(result.problem, result.problem.status);
  return isTransient(error) ? error : undefined;
}
