import type { Incident, IncidentKind, Paging } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { toIso } from '../core/timestamp.js';
import type { Site } from './site.js';

/** What happened and what was done about it: control records, so that they outlive the site they tell of. */

const INCIDENTS = 'incident/';
const MAX_TIMELINE = 200;

/** Writes an incident that begins now. Its failing to be written never fails what it tells of. */
export async function openIncident(
  site: Site,
  kind: IncidentKind,
  at: string,
  what: string,
  { stream, id = site.newId() }: { readonly stream?: string; readonly id?: string } = {},
): Promise<Incident> {
  const startedAt = toIso(site.clock.now());
  const incident: Incident = {
    id,
    kind,
    site: at,
    ...(stream === undefined ? {} : { stream }),
    startedAt,
    timeline: [{ at: startedAt, what }],
  };
  site.note(what, { incident: incident.id, kind, at });
  await site.control.compareAndSet(INCIDENTS + incident.id, 0, incident).catch(() => undefined);
  return incident;
}

/** Adds to an incident's timeline; `ends` closes it. */
export async function tellIncident(site: Site, id: string, what: string, ends = false): Promise<void> {
  site.note(what, { incident: id });
  try {
    for (let race = 0; race < 8; race += 1) {
      const record = await site.control.get(INCIDENTS + id);
      if (!record) return;
      const before = record.value as Incident;
      const at = toIso(site.clock.now());
      const after: Incident = {
        ...before,
        ...(ends && before.endedAt === undefined ? { endedAt: at } : {}),
        timeline: [...before.timeline, { at, what }].slice(-MAX_TIMELINE),
      };
      if (await site.control.compareAndSet(INCIDENTS + id, record.version, after)) return;
    }
  } catch {
    // The control store is away: the story has a hole, the protocol has none.
  }
}

/** The newest incidents that have not ended and match. */
async function ongoing(site: Site, matches: (incident: Incident) => boolean): Promise<readonly Incident[]> {
  const rows = await site.control.list(INCIDENTS, { reverse: true, limit: 200 });
  return rows.map(({ record }) => record.value as Incident).filter((it) => it.endedAt === undefined && matches(it));
}

export async function endIncidents(site: Site, what: string, matches: (incident: Incident) => boolean): Promise<void> {
  for (const incident of await ongoing(site, matches)) await tellIncident(site, incident.id, what, true);
}

/** Newest first. */
export async function listIncidents(
  site: Site,
  paging: Paging,
): Promise<{ readonly incidents: readonly Incident[]; readonly cursor?: string }> {
  const { values, cursor } = await listRecords(site, INCIDENTS, paging);
  return { incidents: values as Incident[], ...(cursor === undefined ? {} : { cursor }) };
}

/** A page of records, the newest names first. @throws LockstepError InvalidRequest */
export async function listRecords(
  site: Site,
  prefix: string,
  { limit = 100, cursor }: Paging,
): Promise<{ readonly values: readonly unknown[]; readonly cursor?: string }> {
  if (cursor !== undefined && !/^[\w-]{1,200}$/.test(cursor)) {
    throw new LockstepError('InvalidRequest', 'cursor: not one that a page answered');
  }
  const rows = await site.control.list(prefix, {
    reverse: true,
    limit: limit + 1,
    ...(cursor === undefined ? {} : { after: prefix + cursor }),
  });
  const page = rows.slice(0, limit);
  const last = page.at(-1)?.name.slice(prefix.length);
  return {
    values: page.map(({ record }) => record.value),
    ...(rows.length > limit && last !== undefined ? { cursor: last } : {}),
  };
}
