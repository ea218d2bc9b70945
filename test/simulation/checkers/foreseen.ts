import type { Standing } from '../../support/standing.js';

/**
 * Candidates of a transaction that has ended are counted, and gone, at each site.
 *
 * @param spared nothing failed: whoever was to clean up could; else what is left goes with the log's entry
 */
export function leftForeseen(sites: ReadonlyMap<string, Standing>, spared: boolean): readonly string[] {
  return [...sites].flatMap(([site, { candidates, tallied, status }]) => [
    ...tallied.filter((id) => status(id) !== 'open').map((id) => `candidates of ${id} are not counted at ${site}`),
    ...[...candidates.keys()]
      .filter((id) => spared && ['committed', 'aborted'].includes(status(id)))
      .map((id) => `candidates of ${id}, which is ${status(id)}, are left at ${site}`),
  ]);
}
