import type { DecisionRef } from '../core/entry.js';
import { replicaKey } from '../core/items.js';
import { toHex } from '../core/hash-range.js';
import { stepTowards } from '../core/scaling/limits.js';
import { clockAt, timestamp } from '../core/timestamp.js';
import { PortThrottled } from '../ports/failures.js';
import type { StreamDescription } from '../ports/streams.js';
import type { ReplicaShard, StreamDefinition } from './registry.js';
import { beginAnew } from './anew.js';
import { drainAll, drainBacklog } from './applier.js';
import { enqueueApplied } from './backlog.js';
import { logRows } from './log-walk.js';
import type { Site } from './site.js';

/** From one shard to the most that there may be. */
const MAX_STEPS = 14;

/** Brings this site's replicas to their definitions, as these are now, and drains their backlogs. */
export async function tend(site: Site): Promise<void> {
  await site.registry.refresh();
  await provisionLocal(site);
  await drainAll(site);
}

/** Brings this site's replicas to what their definitions say: creates, fills, reshards. Short steps, safe to repeat. */
export async function provisionLocal(site: Site): Promise<void> {
  for (const { definition, replica } of site.registry.local) {
    const { physicalName } = replica;
    if ((await site.streams.describe(physicalName)) === undefined) {
      if (replica.state === 'ready') {
        // It was there, and somebody has deleted it. One of its name would lack what stood on it; the next is filled.
        await beginAnew(site, definition.name);
        continue;
      }
      await site.streams.create(physicalName, definition.policy.shards);
    }
    const description = await site.streams.describe(physicalName);
    if (description?.status !== 'active') continue;
    if (description.retentionHours !== definition.policy.retentionHours) {
      await site.streams.setRetention(physicalName, definition.policy.retentionHours);
    }
    if (replica.state === 'creating') await fill(site, definition, physicalName);
    const shards = await reshard(site, physicalName, definition.policy.shards, description);
    await tellReplica(site, definition, shards);
  }
}

/**
 * A new replica begins with what the log here still holds of its stream. From the moment that this process knows of it,
 * new records join its backlog; what was decided before is put there now. Met twice is no harm, a hole would be: other
 * processes, which may not know of the replica yet, are told in the tables before the log is read.
 */
async function fill(site: Site, definition: StreamDefinition, physicalName: string): Promise<void> {
  const { name } = definition;
  // Of this very stream: that this process has filled the one before it says nothing of what stands here.
  const before = site.filled.get(physicalName);
  // Pending ones are put by whoever applies them, who may not have known of this replica: they are looked at again.
  const pending = before ? await enqueueApplied(site, name, before) : await fillFromLog(site, definition);
  site.filled.set(physicalName, pending);
  await drainBacklog(site, name, { filling: true });
  if (pending.length > 0) site.behind.add(name);
}

async function fillFromLog(site: Site, { name, createdAtMs }: StreamDefinition): Promise<readonly DecisionRef[]> {
  site.behind.add(name);
  await site.tables.writeEach([{ kind: 'put', key: replicaKey(name), item: { since: createdAtMs } }]);
  const pending: DecisionRef[] = [];
  for await (const rows of logRows(site, { from: fromOf(site, createdAtMs) }, ['streams'])) {
    const mine = rows
      .filter(({ status, item }) => status === 'committed' && String(item['streams']).split(',').includes(name))
      .map(({ id, at }) => ({ id, at }));
    pending.push(...(await enqueueApplied(site, name, mine)));
  }
  return pending;
}

/** The timestamp from which on everything decided at or after this time is found. */
function fromOf(site: Site, ms: number): string {
  const { terms } = site.routes.known;
  const early = ms - site.options.readMarginMs;
  const term = terms.filter(({ startedAtMs }) => startedAtMs <= early).at(-1)?.term ?? 1;
  return timestamp(term, Math.max(0, clockAt(early)));
}

/** Steps towards the wanted number of open shards, as large as Kinesis takes them. */
async function reshard(
  site: Site,
  name: string,
  wanted: number,
  before: StreamDescription,
): Promise<readonly ReplicaShard[]> {
  let description = before;
  // A stream takes one change at a time, and may take a while for it: the next step is for the next round.
  for (let step = 0; step < MAX_STEPS && description.changing !== true; step += 1) {
    const { length } = openShards(description);
    if (length === wanted) break;
    try {
      await site.streams.resize(name, stepTowards(length, wanted));
    } catch (error) {
      // It was busy after all, or changed too often today: nothing was done.
      if (error instanceof PortThrottled) break;
      throw error;
    }
    description = (await site.streams.describe(name)) ?? description;
  }
  return openShards(description);
}

function openShards(description: StreamDescription): ReplicaShard[] {
  return description.shards
    .filter((shard) => shard.open)
    .map(({ shardId, hashRange }) => ({ shardId, from: toHex(hashRange.from), to: toHex(hashRange.to) }))
    .sort((a, b) => (a.from < b.from ? -1 : 1));
}

async function tellReplica(site: Site, { name }: StreamDefinition, shards: readonly ReplicaShard[]): Promise<void> {
  const ids = (list: readonly ReplicaShard[]) => list.map((shard) => shard.shardId).join();
  const state = site.behind.has(name) ? 'creating' : 'ready';
  await site.registry.change(name, (before) => {
    const replica = before?.replicas[site.name];
    if (!before || !replica) throw new Error(`stream ${name} lost its replica at ${site.name}`);
    // Ready once is ready: a backlog later on makes it lag, not new.
    const next = replica.state === 'ready' ? 'ready' : state;
    if (replica.state === next && ids(replica.shards) === ids(shards)) return before;
    return { ...before, replicas: { ...before.replicas, [site.name]: { ...replica, state: next, shards } } };
  });
}
