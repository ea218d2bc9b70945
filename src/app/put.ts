import type { DecidedEntry } from '../core/entry.js';
import { backlogKey, replicaKey } from '../core/items.js';
import { type OutRecord, encodeRecords } from '../core/record.js';
import type { Write } from '../core/table.js';
import type { PutOutcome } from '../ports/streams.js';
import { measureOffered, measureTaken } from './load.js';
import { type Site, shardTarget, streamTarget } from './site.js';

/** Kinesis takes so much in one call. */
const MAX_RECORDS = 500;
const MAX_BYTES = 10 * 1024 * 1024;
/** A throttled shard takes more within a second; what it does not take by then waits in the backlog. */
const THROTTLED_ROUNDS = 5;
const THROTTLED_PAUSE_MS = 40;
/** A flaky stream is offered records so often; what is left then waits in the backlog. */
const OFFERS = 8;
/** Of the time that another site waits for its answer. A slow stream must not make a site look lost that has logged. */
const OFFERING_SHARE = 1 / 3;

/**
 * Puts the records of committed entries on this site's replicas, those that all logs are known to have.
 *
 * A stream that does not take its records does not hold the others up: they join its backlog here, new ones behind them,
 * and the applier drains it in order.
 *
 * @returns the streams of these entries that lag behind here
 * @throws PortUnavailable where a backlog could not be written: nothing may be taken as put
 */
export async function putHere(site: Site, entries: readonly DecidedEntry[]): Promise<readonly string[]> {
  await learnReplicas(site, new Set(entries.flatMap((entry) => entry.streams)));
  const byStream = new Map<string, { entry: DecidedEntry; records: OutRecord[] }[]>();
  for (const entry of entries) {
    if (entry.status !== 'committed') continue;
    const encoded = encodeRecords(entry, site.ports.deployment.name, (stream) => site.closedAt(stream));
    measureOffered(site, encoded);
    for (const record of encoded) {
      if (!keepsHere(site, record.stream)) continue;
      const list = byStream.get(record.stream) ?? [];
      if (list.length === 0) byStream.set(record.stream, list);
      const last = list.at(-1);
      if (last?.entry === entry) last.records.push(record);
      else list.push({ entry, records: [record] });
    }
  }
  const behind = await Promise.all(
    [...byStream].map(async ([stream, items]) => ((await putStream(site, stream, items)) ? [] : [stream])),
  );
  return behind.flat();
}

/**
 * Streams and replicas that another process has made: not to know one is not to lack it. These entries are in the log
 * here. Whoever fills a replica says so in the tables before it reads the log: either it has met them there, or it is
 * met here.
 */
async function learnReplicas(site: Site, streams: ReadonlySet<string>): Promise<void> {
  if (!site.registry.knowsAll([...streams])) await site.registry.require(streams);
  const without = [...streams].filter((stream) => site.registry.localReplica(stream) === undefined);
  if (without.length === 0) return;
  const told = await site.tables.get(without.map(replicaKey));
  if (told.some((item) => item !== undefined)) await site.registry.refresh();
}

/** A stream is kept where it has a replica, and where it is active without one yet: then it waits in the backlog. */
function keepsHere(site: Site, stream: string): boolean {
  return site.registry.localReplica(stream) !== undefined || site.routes.known.active[stream] === site.name;
}

/** The streams of these entries whose replica here is not level, so far as this process knows. */
export function laggingHere(site: Site, entries: readonly DecidedEntry[]): readonly string[] {
  const streams = new Set(entries.flatMap((entry) => entry.streams));
  return [...streams].filter((stream) => isWaiting(site, stream));
}

const isWaiting = (site: Site, stream: string): boolean =>
  site.behind.has(stream) ||
  site.refilling.has(stream) ||
  site.registry.localReplica(stream)?.state !== 'ready' ||
  !site.admits(streamTarget(stream));

type Item = { readonly entry: DecidedEntry; readonly records: readonly OutRecord[] };

/** @returns whether the stream took them all */
async function putStream(site: Site, stream: string, items: readonly Item[]): Promise<boolean> {
  site.dirty.add(stream);
  const refused = isWaiting(site, stream) ? items : await offer(site, stream, items);
  if (refused.length === 0) return true;
  await joinBacklog(site, stream, refused);
  return false;
}

/** Offers records to the stream. @returns the items of which it did not take every record */
export async function offer(site: Site, stream: string, items: readonly Item[]): Promise<readonly Item[]> {
  const name = site.registry.localReplica(stream)?.physicalName;
  if (name === undefined) return items;
  let waiting = items.flatMap((item) => item.records.map((record) => ({ item, record })));
  const untilMs = site.clock.now() + site.options.callTimeoutMs * OFFERING_SHARE;
  for (let round = 0, throttled = 0; round < OFFERS && waiting.length > 0; round += 1) {
    const outcomes = await putChunks(
      site,
      name,
      stream,
      waiting.map(({ record }) => record),
    );
    waiting = waiting.filter((_, index) => !outcomes[index]?.ok);
    if (waiting.length === 0) break;
    const failed = outcomes.some((outcome) => !outcome.ok && outcome.reason === 'unavailable');
    if (failed && (site.isFailed(streamTarget(stream)) || site.clock.now() >= untilMs)) break;
    if (!failed) {
      throttled += 1;
      if (throttled >= THROTTLED_ROUNDS) break;
      await site.clock.sleep(THROTTLED_PAUSE_MS * throttled * (0.5 + site.ports.random.next()));
    }
  }
  const left = new Set(waiting.map(({ item }) => item));
  return items.filter((item) => left.has(item));
}

async function putChunks(
  site: Site,
  name: string,
  stream: string,
  records: readonly OutRecord[],
): Promise<readonly PutOutcome[]> {
  const outcomes: PutOutcome[] = [];
  for (const chunk of chunked(records)) {
    const ended = await putChunk(site, name, stream, chunk);
    outcomes.push(...ended);
  }
  return outcomes;
}

async function putChunk(
  site: Site,
  name: string,
  stream: string,
  chunk: readonly OutRecord[],
): Promise<readonly PutOutcome[]> {
  try {
    const outcomes = await site.streams.put(
      name,
      chunk.map(({ key, data }) => ({ partitionKey: key, data })),
    );
    observeOutcomes(site, stream, outcomes);
    measureTaken(site, stream, chunk, outcomes);
    return outcomes;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // Whether they were taken is unknown: they are offered again, and readers drop what they have met.
    site.observe(streamTarget(stream), 'failed');
    site.note('put failed', { stream, why: error.message });
    return chunk.map(() => ({ ok: false, reason: 'unavailable' }));
  }
}

/** A replica fails when one of its shards does: half a stream cannot be read, and is left as a whole. */
function observeOutcomes(site: Site, stream: string, outcomes: readonly PutOutcome[]): void {
  let failed = false;
  for (const outcome of outcomes) {
    if (outcome.ok || outcome.reason === 'throttled') continue;
    failed = true;
    if (outcome.shardId !== undefined) site.observe(shardTarget(stream, outcome.shardId), 'failed');
  }
  site.observe(streamTarget(stream), failed ? 'failed' : 'well');
}

function* chunked(records: readonly OutRecord[]): Generator<readonly OutRecord[]> {
  let chunk: OutRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = record.data.length + record.key.length * 4;
    if (chunk.length === MAX_RECORDS || (chunk.length > 0 && bytes + size > MAX_BYTES)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(record);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}

async function joinBacklog(site: Site, stream: string, items: readonly Item[]): Promise<void> {
  if (!site.behind.has(stream)) {
    site.behind.add(stream);
    site.note('stream falls behind', { stream });
  }
  const writes = items.map(({ entry }): Write => ({
    kind: 'put',
    key: backlogKey(stream, entry.at, entry.id),
    item: { id: entry.id },
  }));
  await site.tables.writeEach(writes);
}
