import type { MirrorStatus, MirrorStreamMetadata, StreamAnswer, StreamPolicy } from '../core/api.js';
import { LockstepError } from '../core/errors.js';
import { contains, hashOf } from '../core/hash-range.js';
import { physicalNameOf } from '../core/ids.js';
import { UNMIRRORED, unmirroredKey } from '../core/items.js';
import { type ScalingPolicy, modeOf, problemsOf } from '../core/scaling/rules.js';
import { toIso } from '../core/timestamp.js';
import { provisionLocal } from './provision.js';
import {
  DEFAULT_POLICY,
  type FullPolicy,
  type Replica,
  type StreamDefinition,
  mergePolicy,
  resharded,
} from './registry.js';
import type { Site } from './site.js';
import { activateStream } from './switchover.js';

/**
 * How long creating a stream waits for its replicas: no client is to run out of patience, and creating takes Kinesis tens
 * of seconds. After that it goes on by itself.
 */
const CREATION_WAIT_MS = 6000;
const CREATION_POLL_MS = 50;
/** Kinesis describes streams but a few times a second for a whole account. */
const MAX_CREATION_POLL_MS = 800;

/**
 * Creates a stream, or changes its policy. At home. Where its replicas take long it answers before they are there, with
 * status `creating`; what is committed meanwhile waits in the log.
 *
 * @throws LockstepError InvalidRequest
 */
export async function putStream(site: Site, name: string, policy: StreamPolicy): Promise<StreamAnswer> {
  const most = site.ports.deployment.sites.length - 1;
  if ((policy.mirrors?.count ?? 0) > most) {
    throw new LockstepError('InvalidRequest', `mirrors.count: this deployment has room for ${most}`);
  }
  if ((policy.shards ?? 1) > site.options.maxShards) {
    throw new LockstepError('InvalidRequest', `shards: at most ${site.options.maxShards}`);
  }
  if (policy.scaling) checkScaling(site, policy.scaling);
  const { conflict } = policy;
  if (conflict?.policy === 'function' && !site.ports.conflictFunctions.names.includes(conflict.name)) {
    const known = site.ports.conflictFunctions.names.join(', ') || 'none';
    throw new LockstepError(
      'InvalidRequest',
      `conflict.name: there is no function ${conflict.name} in the configuration (there: ${known})`,
    );
  }
  const definition = await site.registry.change(name, (before) => define(site, name, before, policy));
  await activateStream(site, name);
  if (definition.policy.mirrors.create === 'now') ensureMirrors(site, [name]);
  await waitUntilReady(site, name, tendMirrors(site, definition));
  await site.registry.refresh();
  return describeStream(site, name);
}

function define(
  site: Site,
  name: string,
  before: StreamDefinition | undefined,
  policy: StreamPolicy,
): StreamDefinition {
  if (before) {
    const merged = mergePolicy(before.policy, policy);
    checkBounds(merged, policy);
    return resharded(before, merged, site.clock.now());
  }
  const mirrors = { count: Math.min(1, site.others.length), create: 'now' as const };
  const shards = policy.scaling?.shards?.min ?? DEFAULT_POLICY.shards;
  const full = mergePolicy({ ...DEFAULT_POLICY, shards, mirrors }, policy);
  checkBounds(full, policy);
  const createdAtMs = site.clock.now();
  const primary = newReplica(site, site.name, name, createdAtMs);
  const definition = { name, createdAtMs, preferred: site.name, policy: full, replicas: { [site.name]: primary } };
  // Mirrors that are wanted now begin with the stream: they are complete from its first event on.
  return full.mirrors.create === 'now' ? withMirrors(site, definition, full.mirrors.count) : definition;
}

/** @throws LockstepError InvalidRequest */
export function checkScaling(site: Site, policy: ScalingPolicy): void {
  const problems = problemsOf(policy, { maxShards: site.options.maxShards });
  if (problems.length > 0) throw new LockstepError('InvalidRequest', `scaling: ${problems.join('; ')}`);
}

/** What scaling would undo at once is refused. */
function checkBounds({ scaling }: FullPolicy, { shards }: StreamPolicy): void {
  if (shards === undefined || scaling?.shards === undefined || modeOf(scaling) !== 'on') return;
  const { min, max } = scaling.shards;
  if (shards >= min && shards <= max) return;
  throw new LockstepError('InvalidRequest', `shards: scaling keeps them between ${min} and ${max}; change its bounds`);
}

function newReplica(site: Site, at: string, stream: string, completeFromMs: number): Replica {
  return {
    physicalName: physicalNameOf(site.ports.deployment.name, at, stream, 1),
    state: 'creating',
    completeFromMs,
    shards: [],
  };
}

/** Adds mirrors until there are so many, at sites in sync before others. */
function withMirrors(site: Site, definition: StreamDefinition, mirrors: number): StreamDefinition {
  const { inSync } = site.routes.known;
  const free = [site.name, ...site.others].filter((name) => definition.replicas[name] === undefined);
  free.sort((a, b) => Number(inSync.includes(b)) - Number(inSync.includes(a)));
  const missing = mirrors - (Object.keys(definition.replicas).length - 1);
  if (missing <= 0) return definition;
  const oldestMs = oldestKeptMs(site, definition);
  const added = free.slice(0, missing).map((at) => [at, newReplica(site, at, definition.name, oldestMs)] as const);
  if (added.length === 0) return definition;
  return { ...definition, replicas: { ...definition.replicas, ...Object.fromEntries(added) } };
}

/**
 * Makes sure that streams have their mirrors, at least so many. Returns at once: creating takes tens of seconds, and
 * until a mirror is there its records wait in its site's log.
 */
export function ensureMirrors(site: Site, streams: readonly string[], atLeast = 0): void {
  for (const name of streams) {
    const known = site.registry.known(name);
    if (!known) continue;
    const wanted = wantedMirrors(site, known, atLeast);
    if (Object.keys(known.replicas).length - 1 >= wanted) continue;
    const added = addMirrors(site, known, wanted).catch((error: unknown) => {
      site.note('mirrors not ensured', { stream: name, why: String(error) });
      // Nobody may ever name the stream again: home comes back to it.
      return site.tables.writeEach([{ kind: 'put', key: unmirroredKey(name), item: { wanted } }]);
    });
    site.ports.later(added.catch(() => undefined));
  }
}

/** At home: mirrors that a transaction wanted, and that could not be made then. */
export async function addMissingMirrors(site: Site): Promise<void> {
  const { rows } = await site.tables.query({ pk: UNMIRRORED });
  for (const { key, item } of rows) {
    await addMirrors(site, await site.registry.get(key.sk), Number(item['wanted']));
    await site.tables.writeEach([{ kind: 'delete', key }]);
  }
}

async function addMirrors(site: Site, known: StreamDefinition, wanted: number): Promise<void> {
  const definition = await site.registry.change(known.name, (before) => withMirrors(site, before ?? known, wanted));
  await tendMirrors(site, definition);
}

function wantedMirrors(site: Site, { policy }: StreamDefinition, atLeast: number): number {
  return Math.min(Math.max(policy.mirrors.count, atLeast), site.others.length);
}

/** Asks the sites of new mirrors to begin; those that do not answer find out by themselves. */
export async function tendMirrors(site: Site, definition: StreamDefinition): Promise<void> {
  const sites = Object.keys(definition.replicas).filter((at) => at !== site.name);
  await Promise.all(
    sites.map((at) =>
      site.peers
        .agent(at)
        .tend()
        .catch(() => undefined),
    ),
  );
}

/** A site that took over without a replica of a stream gets one: till then its records wait in the backlog there. */
export async function ensureActive(site: Site): Promise<void> {
  const { active } = site.routes.known;
  for (const { name, replicas } of site.registry.all) {
    const at = active[name];
    if (at === undefined || replicas[at] !== undefined) continue;
    await site.registry.change(name, (before) => {
      if (!before) throw new Error(`stream ${name} is gone`);
      if (before.replicas[at] !== undefined) return before;
      const replica = newReplica(site, at, name, oldestKeptMs(site, before));
      return { ...before, replicas: { ...before.replicas, [at]: replica } };
    });
  }
}

const oldestKeptMs = (site: Site, { createdAtMs }: StreamDefinition): number =>
  Math.max(createdAtMs, site.clock.now() - site.options.logRetentionMs);

/** Waits for the replica here and for the other sites' answers, but not for ever. */
async function waitUntilReady(site: Site, name: string, tended: Promise<void>): Promise<void> {
  const others = { areTended: false };
  site.ports.later(tended.then(() => void (others.areTended = true)));
  const isReady = (): boolean => site.registry.localReplica(name)?.state !== 'creating';
  const deadlineMs = site.clock.now() + CREATION_WAIT_MS;
  // What else has changed, its shards perhaps, is brought about as well.
  await provisionLocal(site);
  for (
    let pauseMs = CREATION_POLL_MS;
    !isReady() || !others.areTended;
    pauseMs = Math.min(2 * pauseMs, MAX_CREATION_POLL_MS)
  ) {
    if (site.clock.now() >= deadlineMs || site.ports.stopping?.aborted === true) return;
    await site.clock.sleep(pauseMs);
    if (!isReady()) await provisionLocal(site);
  }
}

export async function listStreams(site: Site): Promise<{ readonly streams: readonly StreamAnswer[] }> {
  await site.registry.refresh();
  return { streams: site.registry.all.map(({ name }) => answerFor(site, name)) };
}

/** @throws LockstepError UnknownStream */
export async function describeStream(site: Site, name: string): Promise<StreamAnswer> {
  await site.registry.get(name);
  return answerFor(site, name);
}

function answerFor(site: Site, name: string): StreamAnswer {
  const definition = site.registry.known(name);
  const route = site.routes.known;
  const active = route.active[name] ?? route.home;
  const replica = definition?.replicas[active];
  return {
    name,
    active,
    status: replica ? statusOf(site, name, active, replica) : 'creating',
    shards: replica?.shards.map((shard) => shard.shardId) ?? [],
    mirrors: definition ? mirrorsOf(site, definition) : [],
    policy: definition?.policy ?? {},
  };
}

/** Those that a stream has, and those that `ensureMirrors` has just asked for. */
export function ensuredMirrorsOf(site: Site, name: string, atLeast = 0): readonly MirrorStreamMetadata[] {
  const known = site.registry.known(name);
  return known ? mirrorsOf(site, withMirrors(site, known, wantedMirrors(site, known, atLeast))) : [];
}

/** Every replica but the active one. */
function mirrorsOf(site: Site, { name, replicas }: StreamDefinition): readonly MirrorStreamMetadata[] {
  const route = site.routes.known;
  const active = route.active[name] ?? route.home;
  return Object.entries(replicas)
    .filter(([at]) => at !== active)
    .map(([at, replica]) => ({
      stream: name,
      site: at,
      physicalName: replica.physicalName,
      shards: replica.shards.map((shard) => shard.shardId),
      replicationFactor: Object.keys(replicas).length - 1,
      status: statusOf(site, name, at, replica),
      completeFrom: toIso(replica.completeFromMs),
    }));
}

function statusOf(site: Site, stream: string, at: string, replica: Replica): MirrorStatus {
  const route = site.routes.known;
  if (replica.state === 'creating') return 'creating';
  if (route.joining[at] !== undefined) return 'joining';
  if (!route.inSync.includes(at)) return 'failed';
  const behind = at === site.name ? site.behind : site.behindAt.get(at);
  return behind?.has(stream) === true ? 'behind' : 'in-sync';
}

/** Where the parts of these events stand. */
export function shardsOf(
  site: Site,
  events: readonly { readonly stream: string; readonly key: string }[],
): readonly { readonly site: string; readonly stream: string; readonly shardId: string }[] {
  const found = new Map<string, { site: string; stream: string; shardId: string }>();
  for (const { stream, key } of events) {
    const hashed = hashOf(key);
    for (const [at, replica] of Object.entries(site.registry.known(stream)?.replicas ?? {})) {
      const shard = replica.shards.find((range) => contains(range, hashed));
      if (shard) found.set(`${at}/${stream}/${shard.shardId}`, { site: at, stream, shardId: shard.shardId });
    }
  }
  return [...found.values()];
}
