import { keyWithin } from '../core/hash-range.js';
import { encodeHeartbeat } from '../core/record.js';
import { clockAt, termOf, timestamp } from '../core/timestamp.js';
import { type Site, shardTarget } from './site.js';

/**
 * Tells on the stream itself how far it is closed, on every open shard: soon after records, seldom while idle. It is the
 * active probe of idle shards as well.
 */
export async function heartbeat(site: Site, stream: string): Promise<void> {
  const replica = site.registry.localReplica(stream);
  const nowMs = site.clock.now();
  const due = site.dirty.has(stream) || nowMs - (site.beatAtMs.get(stream) ?? 0) >= site.options.heartbeatIdleMs;
  if (!replica || !due) return;
  site.dirty.delete(stream);
  site.beatAtMs.set(stream, nowMs);
  const closed = site.closedAt(stream);
  const at = timestamp(termOf(closed), clockAt(nowMs));
  const data = encodeHeartbeat(site.ports.deployment.name, stream, site.name, at, closed);
  const records = replica.shards.map((shard) => ({ partitionKey: keyWithin(shard), data }));
  if (records.length === 0) return;
  try {
    const outcomes = await site.streams.put(replica.physicalName, records);
    outcomes.forEach((outcome, index) => {
      const shardId = outcome.shardId ?? replica.shards[index]?.shardId ?? '';
      if (outcome.ok || outcome.reason === 'unavailable') {
        site.observe(shardTarget(stream, shardId), outcome.ok ? 'well' : 'failed');
      }
    });
  } catch {
    for (const { shardId } of replica.shards) site.observe(shardTarget(stream, shardId), 'failed');
  }
}
