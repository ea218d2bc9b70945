import type { StreamDefinition } from '../../src/app/registry.js';
import { type PartLine, entryLines, outLine } from '../../src/core/compare.js';
import type { DecidedEntry } from '../../src/core/entry.js';
import { isDecided, partsOf, sumOf } from '../../src/core/entry.js';
import type { VersionItem } from '../../src/core/items.js';
import type { Route } from '../../src/core/route.js';
import { type Standing, type StandingPart, kept } from './standing.js';

/** A deployment that can be looked at, past its use cases and past every fault. */
export interface Visible {
  readonly sites: readonly string[];
  /** Retention has passed: the oldest versions may be known by their last one alone. */
  readonly forgets?: boolean;
  route(): Promise<Route>;
  definitions(): Promise<readonly StreamDefinition[]>;
  standing(site: string): Promise<Standing>;
}

/** What clients were told: ids by their answers. */
export interface Told {
  readonly committed?: Iterable<string>;
  readonly aborted?: Iterable<string>;
}

interface Picture {
  readonly route: Route;
  readonly sites: ReadonlyMap<string, Standing>;
  readonly inSync: readonly (readonly [string, Standing])[];
  readonly replicas: ReadonlyMap<string, readonly string[]>;
  readonly forgets: boolean;
}

/**
 * The invariants of section 15 over everything that stands anywhere now, in the middle of whatever is under way.
 *
 * @returns what is wrong, a line each
 */
export async function violations(world: Visible, told: Told = {}): Promise<readonly string[]> {
  return violationsIn(await look(world), told);
}

function violationsIn(picture: Picture, told: Told): readonly string[] {
  return [...onStreams(picture), ...acknowledged(picture, told), ...versions(picture), ...homes(picture)];
}

/** The same, and what must hold once everybody has come back and nothing is left to do (I7, I11). */
export async function violationsAtRest(world: Visible, told: Told = {}): Promise<readonly string[]> {
  const picture = await look(world);
  return [...violationsIn(picture, told), ...everythingIn(picture, world), ...nothingLeft(picture), ...equal(picture)];
}

export async function expectInvariants(world: Visible, told: Told = {}): Promise<void> {
  expect(await violations(world, told)).toEqual([]);
}

/** Heals everything, lets the sites work until they are quiet, and looks. */
export async function expectRest(world: Visible & { settle(): Promise<void> }, told: Told = {}): Promise<void> {
  await world.settle();
  expect(await violationsAtRest(world, told)).toEqual([]);
}

/** Lines are long to make and asked for often. */
const linesOfEntries = new WeakMap<DecidedEntry, readonly PartLine[]>();
const linesOfParts = new WeakMap<StandingPart, PartLine>();
const linesOfSites = new WeakMap<Standing, ReadonlySet<string>>();

export const linesOf = (entry: DecidedEntry): readonly PartLine[] =>
  kept(linesOfEntries, entry, () => entryLines(entry));

export const lineOf = (part: StandingPart): PartLine =>
  kept(linesOfParts, part, () => outLine(part.events.map(({ out }) => out)));

const linesAt = (standing: Standing): ReadonlySet<string> =>
  kept(linesOfSites, standing, () => new Set(standing.parts.map((part) => lineOf(part).line)));

async function look(world: Visible): Promise<Picture> {
  const route = await world.route();
  const sites = new Map<string, Standing>();
  for (const site of world.sites) sites.set(site, await world.standing(site));
  const definitions = await world.definitions();
  return {
    route,
    sites,
    forgets: world.forgets === true,
    inSync: route.inSync.map((site) => [site, sites.get(site) as Standing] as const),
    replicas: new Map(definitions.map(({ name, replicas }) => [name, Object.keys(replicas)])),
  };
}

// -------------------------------------------------------------------------------------------------------- I1, I2, I4

/** Whatever stands on any stream of any site is committed, with the same content, in every log in sync. */
function onStreams({ route, sites, inSync }: Picture): string[] {
  const wrong: string[] = [];
  if (route.phase !== 'serving') return wrong;
  for (const [at, { parts }] of sites) {
    for (const part of parts) {
      const line = lineOf(part);
      for (const [site, { decided }] of inSync) {
        const entry = decided(part.transactionId);
        const same =
          entry?.status === 'committed' &&
          linesOf(entry).some((mine) => mine.stream === line.stream && mine.line === line.line);
        if (!same)
          wrong.push(`I1/I4: ${part.transactionId} is on ${part.stream} at ${at}, but not so in the log of ${site}`);
      }
    }
  }
  return [...new Set(wrong)];
}

/** Where the parts of a committed transaction are to stand: on a replica, or in its backlog. */
function missingAt(standing: Standing, entry: DecidedEntry, stream: string): boolean {
  const waits = standing.backlog.get(stream)?.includes(entry.id) === true;
  const lines = linesAt(standing);
  return !waits && linesOf(entry).some((part) => part.stream === stream && !lines.has(part.line));
}

// ------------------------------------------------------------------------------------------------------------ I3, I6

function acknowledged({ route, inSync, sites }: Picture, told: Told): string[] {
  const wrong: string[] = [];
  if (route.phase !== 'serving') return wrong;
  for (const [status, ids] of [
    ['committed', told.committed ?? []],
    ['aborted', told.aborted ?? []],
  ] as const) {
    for (const id of ids) {
      for (const [site, standing] of inSync) {
        if (standing.status(id) !== status)
          wrong.push(`I3/I6: ${id} was answered ${status}, ${site} has ${standing.status(id)}`);
      }
    }
  }
  for (const id of told.aborted ?? []) {
    for (const [site, { parts }] of sites) {
      if (parts.some((part) => part.transactionId === id))
        wrong.push(`I1: ${id} was aborted, and is on a stream of ${site}`);
    }
  }
  return wrong;
}

// ---------------------------------------------------------------------------------------------------------------- I9

interface Step {
  readonly version: number;
  readonly id: string;
  readonly at: string;
  readonly after: string | undefined;
}

/** At each site in sync: versions 1, 2, 3, … per key, each once, each behind its predecessor; the item says the last. */
function versions({ route, inSync, forgets }: Picture): string[] {
  if (route.phase !== 'serving') return [];
  return inSync.flatMap(([site, standing]) => {
    const chains = chainsOf(standing);
    const names = new Set([...chains.keys(), ...standing.versions.keys()]);
    return [...names].flatMap((name) => [
      ...brokenChain(`${name} at ${site}`, chains.get(name) ?? [], forgets),
      ...(forgets && !chains.has(name)
        ? []
        : wrongItem(`${name} at ${site}`, chains.get(name)?.at(-1), standing.versions.get(name))),
    ]);
  });
}

/** The versions that the log gives, by `stream/key`, in their order. */
function chainsOf({ entries }: Standing): ReadonlyMap<string, readonly Step[]> {
  const chains = new Map<string, Step[]>();
  for (const entry of entries.values()) {
    if (!isDecided(entry) || entry.status !== 'committed') continue;
    for (const { stream, key, version, after } of entry.events) {
      if (version === undefined) continue;
      const name = `${stream}/${key}`;
      chains.set(name, [...(chains.get(name) ?? []), { version, id: entry.id, at: entry.at, after: after?.id }]);
    }
  }
  for (const chain of chains.values()) chain.sort((a, b) => a.version - b.version);
  return chains;
}

function brokenChain(where: string, chain: readonly Step[], forgets: boolean): string[] {
  const wrong: string[] = [];
  const first = forgets ? (chain[0]?.version ?? 1) : 1;
  if (chain.some(({ version }, index) => version !== first + index)) {
    wrong.push(`I9: ${where} has versions ${chain.map(({ version }) => version).join()}`);
  }
  chain.forEach((step, index) => {
    const before = chain[index - 1];
    const follows = !before || before.id === step.id || (before.id === step.after && before.at < step.at);
    if (!follows) wrong.push(`I9: ${where}: ${step.id} does not follow ${before.id}`);
  });
  return wrong;
}

function wrongItem(where: string, last: Step | undefined, item: VersionItem | undefined): string[] {
  if (last?.version === item?.version && last?.id === item?.id) return [];
  return [`I9: ${where}: the item says ${item?.version} of ${item?.id}, the log ${last?.version} of ${last?.id}`];
}

// ---------------------------------------------------------------------------------------------------------------- I5

function homes({ route }: Picture): string[] {
  const numbers = route.terms.map(({ term }) => term).join();
  return numbers === route.terms.map((_, index) => index + 1).join() ? [] : [`I5: terms ${numbers}`];
}

// ------------------------------------------------------------------------------------------------------------ at rest

function everythingIn({ route }: Picture, world: Visible): string[] {
  const missing = world.sites.filter((site) => !route.inSync.includes(site));
  return [
    ...(route.phase === 'serving' ? [] : ['a takeover is not finished']),
    ...missing.map((site) => `${site} did not come back`),
  ];
}

/** I7: nothing decided is left pending, no guard is left shut, nothing waits for a stream. */
function nothingLeft({ route, sites }: Picture): string[] {
  const wrong: string[] = [];
  for (const [site, { marks, backlog, guards }] of sites) {
    for (const [id, mark] of marks) if (mark.state === 'pending') wrong.push(`I7: ${id} is pending at ${site}`);
    for (const [stream, ids] of backlog) wrong.push(`I7: ${ids.join()} wait for ${stream} at ${site}`);
    const shut = guards.some(({ open, term }) => !open || term !== route.term);
    if (site === route.home && shut) wrong.push(`I7: the guards of home ${site} are not open`);
    if (site !== route.home && guards.some(({ open }) => open)) wrong.push(`I5: the guards of ${site} are open`);
  }
  return wrong;
}

/** I2, I11: the logs are equal, and each replica holds exactly what is committed. */
function equal({ inSync, replicas, route }: Picture): string[] {
  const wrong: string[] = [];
  const logOf = ({ entries }: Standing) =>
    new Map([...entries.values()].filter(isDecided).map((entry) => [entry.id, sumOf(entry)]));
  const home = logOf(inSync.find(([site]) => site === route.home)?.[1] as Standing);
  for (const [site, standing] of inSync) {
    const log = logOf(standing);
    for (const id of new Set([...home.keys(), ...log.keys()])) {
      if (home.get(id) !== log.get(id)) wrong.push(`I11: ${id} differs between ${route.home} and ${site}`);
    }
    for (const entry of standing.entries.values()) {
      if (!isDecided(entry) || entry.status !== 'committed') continue;
      for (const stream of new Set(partsOf(entry.events).map((part) => part.stream))) {
        const isHere = replicas.get(stream)?.includes(site) === true;
        if (isHere && missingAt(standing, entry, stream))
          wrong.push(`I2/I11: ${entry.id} is not on ${stream} at ${site}`);
      }
    }
  }
  return wrong;
}
