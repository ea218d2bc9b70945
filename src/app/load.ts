import { loadKey, loadPk } from '../core/items.js';
import type { OutRecord } from '../core/record.js';
import { KEPT_MINUTES, modeOf } from '../core/scaling/rules.js';
import { minutesOf } from '../core/scaling/measured.js';
import { MINUTE_MS, type MinuteLoad } from '../core/scaling/signals.js';
import type { Row } from '../core/table.js';
import type { PutOutcome } from '../ports/streams.js';
import type { Site } from './site.js';

/** Only where somebody wants to know: what is counted has to be written. */
export const isMeasured = (site: Site, stream: string): boolean =>
  modeOf(site.registry.known(stream)?.policy.scaling) !== 'off';

/** Counts the records of one committed transaction, whether or not the replica here takes them. */
export function measureOffered(site: Site, records: readonly OutRecord[]): void {
  const nowMs = site.clock.now();
  const counted = new Set<string>();
  for (const { stream, key, data } of records) {
    if (!isMeasured(site, stream)) continue;
    const share = site.load.share(stream, nowMs);
    share.bytes += data.length + key.length;
    share.records += 1;
    if (!counted.has(stream)) share.transactions += 1;
    counted.add(stream);
  }
  if (counted.size > 0 && site.load.isDue(nowMs)) site.ports.later(flushLoad(site));
}

/** Counts what shards took of an offer, and what was refused for load. */
export function measureTaken(
  site: Site,
  stream: string,
  records: readonly OutRecord[],
  outcomes: readonly PutOutcome[],
): void {
  if (!isMeasured(site, stream)) return;
  const share = site.load.share(stream, site.clock.now());
  outcomes.forEach((outcome, index) => {
    if (!outcome.ok) {
      if (outcome.reason === 'throttled') share.throttled += 1;
      return;
    }
    const { key = '', data = '' } = records[index] ?? {};
    const [bytes, count] = share.shards.get(outcome.shardId) ?? [0, 0];
    share.shards.set(outcome.shardId, [bytes + data.length + key.length, count + 1]);
  });
}

/** Writes down what this process has counted. What cannot be written is forgotten: it is load, not truth. */
export async function flushLoad(site: Site): Promise<void> {
  const writes = site.load.take(site.clock.now(), () => site.newId());
  if (writes.length === 0) return;
  await site.tables.writeEach(writes).catch((error: unknown) => {
    site.note('load not written', { why: String(error) });
  });
}

/** The load of the minutes from one on up to another, which is not in it. */
export async function readLoad(site: Site, stream: string, from: number, to: number): Promise<readonly MinuteLoad[]> {
  const rows = await loadRows(site, stream, from, to);
  return minutesOf(
    rows.map(({ key, item }) => ({ minute: Number(key.sk.split('/')[0]), item })),
    from,
    to,
  );
}

/** Forgets what is older than any rule looks back. */
export async function trimLoad(site: Site, stream: string): Promise<void> {
  const rows = await loadRows(site, stream, 0, Math.floor(site.clock.now() / MINUTE_MS) - KEPT_MINUTES);
  if (rows.length > 0) await site.tables.writeEach(rows.map(({ key }) => ({ kind: 'delete', key })));
}

async function loadRows(site: Site, stream: string, from: number, to: number): Promise<readonly Row[]> {
  const range = { pk: loadPk(stream), from: loadKey(stream, from, '').sk, to: loadKey(stream, Math.max(0, to), '').sk };
  const found: Row[] = [];
  for (let after: string | undefined; ;) {
    const { rows, next } = await site.tables.query({ ...range, ...(after === undefined ? {} : { after }) });
    found.push(...rows);
    if (next === undefined) return found;
    after = next;
  }
}
