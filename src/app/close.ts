import { backlogPk, closedKey } from '../core/items.js';
import { clearMark } from '../core/plan.js';
import { stillClosed } from '../core/route.js';
import type { Write } from '../core/table.js';
import { NEVER, type Timestamp, isTimestamp, termOf } from '../core/timestamp.js';
import type { CloseAnswer } from '../ports/mirror-agent.js';
import { applyAll, readTasks } from './apply.js';
import { confirmHome } from './confirm.js';
import { fencedTo, raiseBar } from './guards.js';
import { heartbeat } from './heartbeat.js';
import { pendingMarks } from './log.js';
import { putSettled } from './replicate.js';
import { NotHomeAnyMore } from '../ports/signals.js';
import { type Site, siteTarget } from './site.js';

/**
 * Closing: home raises its bar, applies what is at or below it, and says so to every site; each then closes the streams
 * on which all of that stands. From there readers forget what they have emitted.
 */
export class Closer {
  readonly #site: Site;
  #running: Promise<Timestamp> | undefined;
  #next: Promise<Timestamp> | undefined;

  constructor(site: Site) {
    this.#site = site;
  }

  /** A bar raised after this call. Calls that come while one is being raised share the one after it. */
  closeNow(): Promise<Timestamp> {
    if (this.#next) return this.#next;
    const start = (): Promise<Timestamp> => {
      this.#next = undefined;
      const run = closeAtHome(this.#site).finally(() => {
        if (this.#running === run) this.#running = undefined;
      });
      this.#running = run;
      return run;
    };
    if (!this.#running) return start();
    this.#next = this.#running.then(start, start);
    return this.#next;
  }
}

async function closeAtHome(site: Site): Promise<Timestamp> {
  const route = site.routes.known;
  if (route.home !== site.name || route.phase !== 'serving') throw new NotHomeAnyMore(`${route.home} is home`);
  const bar = site.nextTimestamp(route.term);
  if ((await raiseBar(site, route.term, bar)) === 'refused') {
    await site.routes.refresh();
    throw new NotHomeAnyMore('the guards are of another term');
  }
  await applyPending(site, bar);
  await closeStreams(site, bar);
  // Read only now: who is in sync after all of it was applied has it. One that was left meanwhile may lack some. And a
  // deposed home, which does not know that it is, has raised its own bar alone: later terms are not below it.
  await confirmHome(site, route.term);
  const followers = site.routes.known.inSync.filter((name) => name !== site.name);
  await Promise.all(followers.map((follower) => tell(site, follower, route.term, bar)));
  return bar;
}

/** Brings everywhere what was decided at or below the bar; what is on its way already is waited for. */
export async function applyPending(site: Site, bar?: Timestamp): Promise<void> {
  const marks = await pendingMarks(site, bar);
  const running = marks.flatMap(({ id }) => site.applying.get(id) ?? []);
  const left = marks.filter(({ id }) => !site.applying.has(id)).map(({ id }) => id);
  const tasks = [...(await readTasks(site, left))].sort((a, b) => (a.entry.at < b.entry.at ? -1 : 1));
  // In order and one by one where they name predecessors: followers take versions in their order.
  const chained = tasks.filter(({ entry }) => entry.events.some((event) => event.version !== undefined));
  const free = tasks.filter((task) => !chained.includes(task));
  await Promise.all([...running, free.length > 0 ? applyAll(site, free) : undefined]);
  for (const task of chained) await applyAll(site, [task]);
}

async function tell(site: Site, follower: string, term: number, bar: Timestamp): Promise<void> {
  try {
    const answer = await site.peers.agent(follower).close({ term, bar });
    site.observe(siteTarget(follower), 'well');
    site.compareClocks(follower, answer.nowMs);
    site.behindAt.set(follower, new Set(answer.behind));
    if (answer.stale) await site.routes.refresh();
  } catch (error) {
    // The next one tells it too: a bar covers all before it.
    site.observeError(siteTarget(follower), error);
  }
}

/** At a follower: what is at or below the bar is applied at home, so its marks may go once its records are put here. */
export async function closeHere(
  site: Site,
  request: { readonly term: number; readonly bar: Timestamp },
): Promise<CloseAnswer> {
  const { term, bar } = request;
  if ((await fencedTo(site)) !== term) return { stale: true, behind: [], nowMs: site.clock.now() };
  const marks = await pendingMarks(site, bar);
  const unput = marks.filter(({ id }) => !site.putHere.has(id)).map(({ id }) => id);
  if (unput.length > 0) await putSettled(site, unput);
  if (marks.length > 0) {
    await site.tables.writeEach(marks.map(({ id, epoch }) => clearMark(id, epoch, site.copies)));
    for (const { id } of marks) site.putHere.delete(id);
  }
  await closeStreams(site, bar);
  return { stale: false, behind: behindHere(site), nowMs: site.clock.now() };
}

/** Streams whose replica here is not level. */
export function behindHere(site: Site): readonly string[] {
  return site.registry.local
    .filter(({ definition, replica }) => replica.state === 'creating' || site.behind.has(definition.name))
    .map(({ definition }) => definition.name);
}

/** Closes each replica here that has everything at or below the bar: none of it waits in its backlog. */
async function closeStreams(site: Site, bar: Timestamp): Promise<void> {
  const closed: string[] = [];
  await Promise.all(
    site.registry.local.map(async ({ definition: { name }, replica }) => {
      if (replica.state === 'creating') return;
      const { rows } = await site.tables.query({ pk: backlogPk(name), to: `${bar}0`, limit: 1 });
      if (rows.length === 0) closed.push(name);
    }),
  );
  if (closed.length === 0) return;
  // What a record tells stands in the tables: a return after an unclean takeover looks there for what was told.
  await site.tables.writeEach(
    closed.map((name): Write => ({ kind: 'put', key: closedKey(name), item: { closed: bar } })),
  );
  for (const name of closed) site.close(name, bar);
  await Promise.all(closed.map((name) => heartbeat(site, name)));
}

/** What this site's tables say of how far its streams are closed: after a restart. */
export async function recallClosed(site: Site): Promise<void> {
  const { rows } = await site.tables.query({ pk: closedKey('').pk });
  for (const { key, item } of rows) {
    const at = item['closed'];
    if (isTimestamp(at)) site.close(key.sk, at);
  }
}

/** How far each of these streams was closed here, in whatever history that was. */
export async function closedOnce(site: Site, streams: readonly string[]): Promise<readonly Timestamp[]> {
  const items = await site.tables.get(streams.map(closedKey));
  return items.map((item) => (isTimestamp(item?.['closed']) ? item['closed'] : NEVER));
}

/** How far each of these streams is closed here: everything at or below it stands on it, and in the log. */
export async function closedNow(site: Site, streams: readonly string[]): Promise<readonly Timestamp[]> {
  const once = await closedOnce(site, streams);
  // Closed by another process, in a term that this one has not heard of.
  if (once.some((closed) => termOf(closed) > site.routes.known.term)) await site.routes.refresh();
  return once.map((closed) => stillClosed(site.routes.known.terms, closed));
}

/** The lowest closed timestamp of these streams here: everything at or below it stands on them and in the log. */
export async function closedStands(site: Site, streams: readonly string[]): Promise<Timestamp> {
  const stands = await closedNow(site, streams);
  return stands.reduce((low, at) => (at < low ? at : low), stands[0] ?? NEVER);
}
