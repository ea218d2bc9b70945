import { type DecidedEntry, type DecisionRef, isDecided } from '../core/entry.js';
import { applyAll } from './apply.js';
import { decideAll } from './decide.js';
import { readEntries } from './log.js';
import type { Site } from './site.js';

/**
 * At home: what another history had decided becomes a new decision that names the old. Repeated, it is the same one.
 *
 * @param as.id under another id, where its own is taken @param as.resolves the conflict that this ends
 * @returns the new decision; nothing where the id is taken by something else
 */
export async function decideAnew(
  site: Site,
  entry: DecidedEntry,
  as: { readonly id?: string; readonly resolves?: readonly DecisionRef[] } = {},
): Promise<DecidedEntry | undefined> {
  const id = as.id ?? entry.id;
  const firstDecided = entry.firstDecided ?? entry.takenFrom;
  const [verdict] = await decideAll(site, [
    {
      id,
      kind: 'commit',
      term: site.routes.known.term,
      origin: { kind: 'one-shot' },
      // What the client expected was true in the other history.
      events: entry.events.map(({ expectedVersion: _expected, after: _after, ...event }) => event),
      streams: entry.streams,
      startedAtMs: entry.startedAtMs,
      expiresAtMs: entry.expiresAtMs,
      takenFrom: entry.at,
      ...(firstDecided === undefined ? {} : { firstDecided }),
      ...(as.resolves ? { resolves: as.resolves } : {}),
    },
  ]);
  if (!verdict || verdict.kind === 'refused') {
    site.note('not taken over', { id, why: verdict?.error.message });
    // Whether that is for good is for the log to say: the guard may only have moved on.
    const [standing] = await readEntries(site, [id]);
    if (!standing && verdict) throw verdict.error;
    return undefined;
  }
  if (verdict.task) await applyAll(site, [verdict.task]);
  return isDecided(verdict.entry) ? verdict.entry : undefined;
}
