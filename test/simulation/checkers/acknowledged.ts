import { lineOf, linesOf } from '../../support/invariants.js';
import type { Standing } from '../../support/standing.js';
import type { Told } from '../history.js';
import type { Lost } from './lost.js';

/** What clients were told against what stands: each acknowledged commit once everywhere, as it was acknowledged. */
export function unlikeTold(
  told: Iterable<Told>,
  sites: ReadonlyMap<string, Standing>,
  { conflicts, wasUnclean }: Lost,
): readonly string[] {
  const wrong = new Set<string>();
  for (const one of told) {
    const { id, committedAt, aborted } = one;
    // What a lost home alone had decided is decided anew by a retry: once in each history.
    if (committedAt.size > 1 && !wasUnclean)
      wrong.add(`${id} was acknowledged as of ${[...committedAt].join(' and ')}`);
    if (committedAt.size > 0 && aborted) wrong.add(`${id} was answered committed and aborted`);
    if (conflicts.has(id)) continue;
    for (const [site, standing] of sites) for (const line of unlikeAt(site, standing, one)) wrong.add(line);
  }
  return [...wrong];
}

function unlikeAt(
  site: string,
  standing: Standing,
  { id, committedAt, digests, refused, aborted }: Told,
): readonly string[] {
  const entry = standing.decided(id);
  const parts = standing.parts.filter((part) => part.transactionId === id);
  if (committedAt.size === 0) {
    const stands = entry?.status === 'committed' || parts.length > 0;
    if (stands && refused) return [`${id} was refused, and stands at ${site}`];
    if (stands && aborted) return [`${id} was aborted, and stands at ${site}`];
    return [];
  }
  if (entry?.status !== 'committed') return [`${id} was acknowledged, and is not in the log of ${site}`];
  const wrong: string[] = [];
  if (entry.events.map(({ digest }) => digest).join() !== digests.join())
    wrong.push(`${id} stands with other events at ${site}`);
  const lines = new Set(parts.map((part) => lineOf(part).line));
  const expected = linesOf(entry).length;
  if (lines.size !== expected) wrong.push(`${id} has ${lines.size} parts of ${expected} at ${site}`);
  return wrong;
}
