import { keepCandidates, numbersBelow } from '../../src/app/candidates.js';
import { openEntryOf, readTransaction } from '../../src/app/log.js';
import type { EventIn } from '../../src/core/api.js';
import type { Candidate } from '../../src/core/candidate.js';
import { isDecided } from '../../src/core/entry.js';
import { isEnveloped, prepareEvent } from '../../src/core/event.js';
import type { Call, Gate } from './hooks.js';
import { type World, event } from './world.js';

/** Beginnings that many scenarios share. */

interface NamedKey {
  readonly pk: string;
  readonly sk: string;
}

/** The key of the write, or of the read, at this place of a call of the tables. */
export function keyOf(call: Call, index = 0): NamedKey {
  const named = call.args[0] as readonly ({ readonly key: NamedKey } | NamedKey)[];
  const one = named[index];
  if (one === undefined) return { pk: '', sk: '' };
  return 'key' in one ? one.key : one;
}

/** Whether a call is the decision on this id. */
export const isDecisionOn =
  (id: string) =>
  (call: Call): boolean => {
    if (call.method !== 'transact' || !keyOf(call).pk.startsWith('guard#')) return false;
    const { pk, sk } = keyOf(call, 1);
    return pk === `tx#${id}` && sk === 'entry';
  };

/**
 * A coordinator of home decides, and crashes before anybody but these sites has been told.
 *
 * @returns the calls that are still on their way, by the site that they go to; each may arrive late
 */
export async function decidedAlone(
  world: World,
  id: string,
  events: readonly EventIn[] = [event(id)],
  { at = 'east', reaching = [] }: { readonly at?: string; readonly reaching?: readonly string[] } = {},
): Promise<ReadonlyMap<string, () => Promise<unknown>>> {
  const by = `${at}/${id}`;
  await world.coordinator(by);
  const late = new Map<string, () => Promise<unknown>>();
  let arrive: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => (arrive = resolve));
  world.hooks.meet({ by, method: 'replicate', when: ({ to = '' }) => !reaching.includes(to) }, (call, effect) => {
    late.set(call.to ?? '', effect);
    arrive();
    return new Promise<never>(() => undefined);
  });
  await world.startCommit(by, id, ...events);
  await world.run(reached);
  await world.clock.advance(5);
  world.hooks.crash(by);
  return late;
}

/** A follower does not answer any more, is left by home, and answers again. */
export async function leave(world: World, site: string): Promise<void> {
  const { home } = await world.route();
  world.lose(site);
  await world.run(world.node(home).watch());
  world.heal();
}

/**
 * A site comes back and stands still just before it would be in sync: joining, with everything copied that there is.
 *
 * @returns what lets it go on, and its end
 */
export async function almostJoined(
  world: World,
  by: string,
): Promise<{ readonly gate: Gate; readonly end: Promise<unknown> }> {
  const node = await world.coordinator(by);
  let copied = false;
  world.hooks.meet(
    { by, method: 'stagings' },
    async (_call, effect) => {
      const answer = await effect();
      copied = true;
      return answer;
    },
    1,
  );
  const gate = world.hooks.hold({
    by,
    port: 'control',
    method: 'get',
    when: ({ args }) => copied && args[0] === 'route',
  });
  const end = world.start(node.watch());
  await world.run(Promise.race([gate.reached, end]));
  return { gate, end };
}

/** Orders that are given one behind the other: version n expects n - 1. */
export const versioned = (data: string, expectedVersion: number, key = 'k'): EventIn =>
  event(data, { expectedVersion, key });

/** Ids in the order in which they arrived on a stream of a site. */
export async function arrivals(world: World, site: string, stream = 'orders'): Promise<readonly string[]> {
  return (await world.standing(site)).on(stream);
}

/** The candidates that a site would stage for events like these. */
async function candidatesFor(
  world: World,
  site: string,
  id: string,
  events: readonly EventIn[],
): Promise<readonly Candidate[]> {
  const state = await world.run(readTransaction(world.node(site).site, id));
  const below = numbersBelow(state);
  return events.map((given) => {
    const { id: _id, time: _time, expectedVersion: _version, ...content } = prepareEvent(given);
    return { ...content, below, isEnveloped: isEnveloped(prepareEvent(given)) };
  });
}

/** A follower stages these as candidates. @returns what it announces of them, with the epoch that it knew before */
export async function stageForeseen(world: World, by: string, id: string, ...events: readonly EventIn[]) {
  const { site } = await world.coordinator(by);
  const { term, epoch } = site.routes.known;
  const { entry } = await world.run(readTransaction(site, id));
  if (!entry || isDecided(entry)) throw new Error(`${by} knows of no open transaction ${id}`);
  const candidates = await candidatesFor(world, site.name, id, events);
  const stands = await world.run(keepCandidates(site, term, openEntryOf(entry), candidates));
  const digests = (enveloped: boolean) =>
    candidates.filter((one) => one.isEnveloped === enveloped).map(({ digest }) => digest);
  const { startedAtMs } = entry;
  const said = {
    site: site.name,
    epoch,
    below: candidates[0]?.below ?? 0,
    bare: digests(false),
    enveloped: digests(true),
  };
  return {
    stands,
    announce: (to = site.routes.known.home) =>
      world.run(site.peers.agent(to).announce({ term, of: [{ ...said, id, startedAtMs }] })),
  };
}

/** A follower foresees these, and home knows. */
export async function foresee(world: World, site: string, id: string, ...events: readonly EventIn[]): Promise<void> {
  const { announce } = await stageForeseen(world, site, id, ...events);
  await announce();
}
