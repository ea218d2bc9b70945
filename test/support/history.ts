import type { DecidedEntry } from '../../src/core/entry.js';
import { encodeDecided, entryKey } from '../../src/core/items.js';
import { prepareEvent } from '../../src/core/event.js';
import { encodeRecords } from '../../src/core/record.js';
import { NEVER, clockAt, timestamp } from '../../src/core/timestamp.js';
import type { Site } from '../../src/app/site.js';
import type { EmbeddedLockstep } from '../../src/embedded/index.js';
import type { PortWraps } from '../../src/embedded/engine.js';
import type { MirrorAgent } from '../../src/ports/mirror-agent.js';
import type { Write } from '../../src/ports/tables.js';

/** A long history that nobody had to live through: entries in the logs of sites, their records on the replicas. */

const TOGETHER = 400;

export interface Past {
  readonly entries: number;
  /** Its data has so many bytes. */
  readonly bytes?: number;
  /** Whether a site lacks an entry, in its log and on its replica. */
  readonly lacks?: (site: string, index: number) => boolean;
}

/** The entry of this index: one event on `orders`, a millisecond after the one before. */
export function pastEntry(index: number, startMs: number, bytes = 256): DecidedEntry {
  const text = `${index}/`.padEnd(bytes, 'x');
  return {
    id: `past-${index}`,
    status: 'committed',
    at: timestamp(1, clockAt(startMs + index)),
    streams: ['orders'],
    startedAtMs: startMs + index,
    expiresAtMs: startMs + index + 60_000,
    events: [
      { ...prepareEvent({ stream: 'orders', key: `key-${index % 5000}`, type: 'set', data: { text } }), number: 0 },
    ],
  };
}

/** Writes it at every site; the stream `orders` is there. @returns when it began, milliseconds since 1970 */
export async function writePast(engine: EmbeddedLockstep, { entries, bytes, lacks }: Past): Promise<number> {
  const nowMs = [...engine.nodes.values()][0]?.site.clock.now() ?? 0;
  const startMs = nowMs - entries - 60_000;
  for (let from = 0; from < entries; from += TOGETHER) {
    const count = Math.min(TOGETHER, entries - from);
    const chunk = Array.from({ length: count }, (_, offset) => pastEntry(from + offset, startMs, bytes));
    for (const [name, { site }] of engine.nodes) {
      const mine = chunk.filter((_, offset) => lacks?.(name, from + offset) !== true);
      await Promise.all([log(site, mine), put(site, mine)]);
    }
  }
  return startMs;
}

async function log(site: Site, entries: readonly DecidedEntry[]): Promise<void> {
  const writes = entries.map((entry): Write => ({
    kind: 'put',
    key: entryKey(entry.id),
    item: encodeDecided(entry, site.copies, site.tables.maxItemBytes).item,
  }));
  await site.tables.writeEach(writes);
}

async function put(site: Site, entries: readonly DecidedEntry[]): Promise<void> {
  const name = site.registry.localReplica('orders')?.physicalName ?? '';
  const records = entries.flatMap((entry) => encodeRecords(entry, site.ports.deployment.name, () => NEVER));
  await site.streams.put(
    name,
    records.map(({ key, data }) => ({ partitionKey: key, data })),
  );
}

/** What a copy of the whole log would move, as JSON. */
export const bytesOf = (entry: DecidedEntry): number => Buffer.byteLength(JSON.stringify({ entry }));

/** Counts what travels between the sites: requests and answers, as JSON. */
export function countingPeers(): { readonly wrap: PortWraps['peers']; readonly moved: Map<string, number> } {
  const moved = new Map<string, number>();
  const count = (method: string, value: unknown): void => {
    const bytes = value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));
    moved.set(method, (moved.get(method) ?? 0) + bytes);
  };
  const counted = (agent: MirrorAgent): MirrorAgent =>
    new Proxy(agent, {
      get: (target, method: keyof MirrorAgent) => async (request: never) => {
        count(method, request);
        const answer: unknown = await target[method](request);
        count(method, answer);
        return answer;
      },
    });
  return { moved, wrap: (_site, { agent }) => ({ agent: (to) => counted(agent(to)) }) };
}
