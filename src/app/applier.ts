import { type DecidedEntry, isDecided } from '../core/entry.js';
import type { Incident } from '../core/api.js';
import { backlogPk } from '../core/items.js';
import { encodeRecords } from '../core/record.js';
import { endIncidents } from './incidents.js';
import { readEntries } from './log.js';
import { offer } from './put.js';
import { type Site, streamTarget } from './site.js';

const PAGE = 200;
/** Rounds per call; what is left is for the next one. */
const MAX_PAGES = 1000;

/**
 * Drains the backlog of one of this site's replicas, in order. While its breaker is open this is the probe that notices
 * the restore.
 *
 * @returns whether the replica is level
 */
export async function drainBacklog(site: Site, stream: string, { filling = false } = {}): Promise<boolean> {
  if (site.refilling.has(stream)) return false;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { rows } = await site.tables.query({ pk: backlogPk(stream), limit: PAGE });
    if (rows.length === 0) {
      if (site.behind.delete(stream)) becomeLevel(site, stream);
      return true;
    }
    site.behind.add(stream);
    const waiting = site.registry.localReplica(stream)?.state === 'creating' && !filling;
    if (waiting || !site.admits(streamTarget(stream))) return false;
    const ids = [...new Set(rows.map(({ item }) => String(item['id'])))];
    const entries = await readEntries(site, ids);
    const items = entries.flatMap((entry) => (entry && isDecided(entry) ? [partsOn(site, stream, entry)] : []));
    const refused = new Set((await offer(site, stream, items)).map(({ entry }) => entry.id));
    const done = rows.filter(({ item }) => !refused.has(String(item['id'])));
    await site.tables.writeEach(done.map(({ key }) => ({ kind: 'delete', key })));
    if (refused.size > 0) return false;
  }
  return false;
}

/**
 * What other processes of this site have left in its backlogs, or drained: a process that believes a stream level puts new
 * records before old ones, one that believes it behind keeps it so.
 *
 * @param isMeant which streams are looked up; all by default
 */
export async function recallBacklogs(site: Site, isMeant = (_stream: string): boolean => true): Promise<void> {
  await Promise.all(
    site.registry.local.map(async ({ definition: { name }, replica }) => {
      if (!isMeant(name) || replica.state === 'creating' || site.refilling.has(name)) return;
      const { rows } = await site.tables.query({ pk: backlogPk(name), limit: 1 });
      if (rows.length > 0) site.behind.add(name);
      else site.behind.delete(name);
    }),
  );
}

function becomeLevel(site: Site, stream: string): void {
  site.note('stream is level', { stream });
  const isItsSwitchover = (it: Incident) => it.kind === 'switchover' && it.site === site.name && it.stream === stream;
  site.ports.later(endIncidents(site, `the replica at ${site.name} is level again`, isItsSwitchover));
}

function partsOn(site: Site, stream: string, entry: DecidedEntry) {
  const records =
    entry.status === 'committed'
      ? encodeRecords(entry, site.ports.deployment.name, (name) => site.closedAt(name)).filter(
          (record) => record.stream === stream,
        )
      : [];
  return { entry, records };
}

/** Drains every backlog of this site. */
export async function drainAll(site: Site): Promise<void> {
  await Promise.all(site.registry.local.map(({ definition }) => drainBacklog(site, definition.name)));
}
