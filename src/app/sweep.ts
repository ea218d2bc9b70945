import { indexPk, transactionPk } from '../core/items.js';
import { timestamp, clockAt, type Timestamp } from '../core/timestamp.js';
import { expire } from './abort.js';
import { applyPending, closedStands } from './close.js';
import { forgetUnfinished } from './forget.js';
import { allMarks, readEntries } from './log.js';
import { raiseGuards } from './guards.js';
import type { Site } from './site.js';

const EXPIRE_PAGE = 100;
const EXPIRE_PAGES = 10;
const LOOKUP = 200;

/**
 * What nobody comes back for, at home: open transactions whose time ran out are aborted, decisions that are still
 * pending are applied, guards that a takeover left shut are opened.
 */
export async function sweepHome(site: Site): Promise<void> {
  const { term, epoch, home, phase } = site.routes.known;
  // Home may have moved since this round began: the guards of a follower stay shut.
  if (home !== site.name || phase !== 'serving') return;
  await raiseGuards(site, term, epoch, true);
  for (const id of await expiredHere(site)) {
    site.note('expires', { id });
    await expire(site, id);
  }
  await applyPending(site);
}

/**
 * At a follower: open transactions that home does not know, and that nobody would ever end. What was staged here alone
 * when another site became home is such a one, and what was begun at a home that has moved since.
 */
export async function sweepFollower(site: Site): Promise<void> {
  const { term, home, phase, inSync } = site.routes.known;
  if (home === site.name || phase !== 'serving' || !inSync.includes(site.name)) return;
  const expired = await expiredHere(site);
  for (let from = 0; from < expired.length; from += LOOKUP) {
    const ids = expired.slice(from, from + LOOKUP);
    // Before home is asked: what is begun there after that is another one, though it has the same id.
    const here = await readEntries(site, ids);
    const there = await site.peers.agent(home).lookup({ ids });
    for (const [index, id] of ids.entries()) if (!there[index]) await forgetUnfinished(site, term, id, here[index]);
  }
}

/** Open transactions whose time has run out. */
async function expiredHere(site: Site): Promise<readonly string[]> {
  const expired: string[] = [];
  const nowMs = site.clock.now();
  for await (const marks of allMarks(site)) {
    for (const mark of marks) if (mark.state === 'open' && mark.expiresAtMs <= nowMs) expired.push(mark.id);
  }
  return expired;
}

/**
 * Deletes decided entries that are older than the log is kept. Nothing goes while it waits for a stream here, and nothing
 * at all while a site is missing: what was decided around a change of term must still be there when that site returns.
 */
export async function expireLog(site: Site): Promise<void> {
  const { inSync, terms } = await site.routes.refresh();
  if (inSync.length < site.ports.deployment.sites.length) return;
  const streams = site.registry.local.map(({ definition }) => definition.name);
  const closed = await closedStands(site, streams);
  const clock = clockAt(Math.max(0, site.clock.now() - site.options.logRetentionMs));
  // Term by term: a decision of an older term is not older for that.
  for (const { term } of terms) {
    const oldest = timestamp(term, clock);
    const to = closed < oldest ? closed : oldest;
    for (const status of ['committed', 'aborted'] as const) {
      for (let bucket = 0; bucket < site.copies; bucket += 1) {
        await expireBucket(site, indexPk(status, bucket), timestamp(term, 0), to);
      }
    }
  }
}

async function expireBucket(site: Site, pk: string, from: Timestamp, to: Timestamp): Promise<void> {
  if (from >= to) return;
  for (let page = 0; page < EXPIRE_PAGES; page += 1) {
    const { rows } = await site.tables.queryIndex({ pk, from, to, limit: EXPIRE_PAGE });
    for (const { key } of rows) {
      const { rows: all } = await site.tables.query({ pk: transactionPk(key.pk.slice(key.pk.indexOf('#') + 1)) });
      await site.tables.writeEach(all.map((row) => ({ kind: 'delete', key: row.key })));
    }
    if (rows.length < EXPIRE_PAGE) return;
  }
}
