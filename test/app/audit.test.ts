import { MemoryStore } from '../../src/adapters/embedded/memory-store.js';
import { VirtualClock, seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import type { Audit } from '../../src/core/api.js';
import { encodeRecords } from '../../src/core/record.js';
import { NEVER } from '../../src/core/timestamp.js';
import { type EmbeddedLockstep, openEmbedded } from '../../src/embedded/index.js';
import type { PortWraps } from '../../src/embedded/engine.js';
import type { PutRecord } from '../../src/ports/streams.js';
import { pastEntry, writePast } from '../support/history.js';

const EACH = 1000;
const ENTRIES = 3 * EACH + 500;

/** The first thousand are lost on the stream, the next stand twice, the next are altered, the rest are well. */
const KINDS = ['lost', 'doubled', 'altered'] as const;
const kindOf = (index: number) => KINDS[Math.floor(index / EACH)];

interface Corrupted {
  readonly engine: EmbeddedLockstep;
  readonly clock: VirtualClock;
}

/** Every way in which one member of a record may be altered. */
function altered(text: string, index: number): string {
  const ways = [
    (it: string) => it.replace(`${index}/x`, `${index}/y`),
    (it: string) => it.replace('"type":"set"', '"type":"get"'),
    (it: string) => it.replace('"number":0', '"number":1'),
    (it: string) => it.replace('"parts":1', '"parts":2'),
    (it: string) => it.replace('"subject":"key-', '"subject":"kex-'),
  ];
  return (ways[index % ways.length] as (it: string) => string)(text);
}

async function corrupted(): Promise<Corrupted> {
  const clock = new VirtualClock();
  const engine = await openEmbedded({ clock, random: seededRandom(5), background: false });
  await clock.run(engine.service.putStream('orders', { shards: 2 }));
  for (const node of engine.nodes.values()) await clock.run(node.tend());
  const site = engine.nodes.get('west')?.site;
  if (!site) throw new Error('no west');
  const put = site.streams.put.bind(site.streams);
  let next = 0;
  // Underneath: as the records are put on west's replica, each becomes what it is to be.
  site.streams.put = (name, records) => {
    const worse = records.flatMap((record): PutRecord[] => {
      const index = next++;
      const kind = kindOf(index);
      if (kind === 'lost') return [];
      if (kind === 'doubled') return [record, record];
      const text = Buffer.from(record.data).toString();
      return [kind === 'altered' ? { ...record, data: Buffer.from(altered(text, index)) } : record];
    });
    return worse.length === 0
      ? Promise.resolve([])
      : put(name, worse.slice(0, 500)).then(() => put(name, worse.slice(500)));
  };
  await clock.run(writePast(engine, { entries: ENTRIES, bytes: 12 }));
  site.streams.put = put;
  return { engine, clock };
}

async function audited({ engine, clock }: Corrupted, site: string, repair = false): Promise<Audit> {
  const { id } = await clock.run(engine.service.audit({ site, repair }));
  for (;;) {
    const audit = await clock.run(engine.service.getAudit(id));
    if (audit.status !== 'running') return audit;
    await clock.advance(50);
  }
}

describe('an audit', () => {
  it('finds every record that is lost, doubled or altered, says which, and puts again what is lost', async () => {
    const deployment = await corrupted();
    const audit = await audited(deployment, 'west');
    expect(audit).toMatchObject({ status: 'done', repaired: 0 });
    // A key that was altered is a part that no transaction has, and the part that it was is lost.
    const rekeyed = EACH / 5;
    expect(audit.counts).toEqual({
      lost: EACH + rekeyed,
      doubled: EACH,
      altered: EACH - rekeyed,
      foreign: rekeyed,
      unreadable: 0,
    });
    // As many as fit one record of the control store.
    expect(audit.findings.length).toBeGreaterThan(500);
    expect(Buffer.byteLength(JSON.stringify(audit.findings))).toBeLessThan(301_000);
    for (const { kind, transactionId = '', sequence, outcome } of audit.findings) {
      const seeded = kindOf(Number(transactionId.slice('past-'.length)));
      expect(kind === seeded || seeded === 'altered').toBe(true);
      expect(sequence === undefined).toBe(kind === 'lost');
      expect(outcome).toBe(
        kind === 'lost' || kind === 'altered' ? 'can be put again' : 'stays: a stream is never rewritten',
      );
    }
    // The other site is well, and stays so.
    const counts = { lost: 0, doubled: 0, altered: 0, foreign: 0, unreadable: 0 };
    expect(await audited(deployment, 'east')).toMatchObject({ status: 'done', counts, findings: [] });
    expect(await audited(deployment, 'west', true)).toMatchObject({ repaired: 2 * EACH });
    const again = await audited(deployment, 'west');
    expect(again.counts).toMatchObject({ lost: 0, doubled: EACH, altered: EACH - rekeyed, foreign: rekeyed });
    expect(again.findings.every(({ outcome }) => outcome.startsWith('stays'))).toBe(true);
  }, 120_000);

  /** West's replica lacks all entries. */
  async function lacking(entries: number): Promise<Corrupted> {
    const clock = new VirtualClock();
    const engine = await openEmbedded({ clock, random: seededRandom(5), background: false });
    await clock.run(engine.service.putStream('orders', {}));
    for (const node of engine.nodes.values()) await clock.run(node.tend());
    const site = engine.nodes.get('west')?.site;
    if (!site) throw new Error('no west');
    const put = site.streams.put.bind(site.streams);
    site.streams.put = () => Promise.resolve([]);
    await clock.run(writePast(engine, { entries }));
    site.streams.put = put;
    return { engine, clock };
  }

  it('says "put again" only of what is', async () => {
    const deployment = await lacking(5);
    const site = deployment.engine.nodes.get('west')?.site;
    const put = site?.streams.put.bind(site.streams);
    if (!site || !put) throw new Error('no west');
    site.streams.put = (_name, records) =>
      Promise.resolve(records.map(() => ({ ok: false, reason: 'unavailable' as const })));
    const audit = await audited(deployment, 'west', true);
    expect(audit).toMatchObject({ status: 'done', counts: { lost: 5 }, repaired: 0 });
    expect(audit.findings.every(({ outcome }) => outcome.startsWith('waits'))).toBe(true);
    site.streams.put = put;
    await deployment.clock.advance(10_000);
    await deployment.clock.run(deployment.engine.nodes.get('west')?.tend() ?? Promise.resolve());
    expect(await audited(deployment, 'west')).toMatchObject({ counts: { lost: 0 } });
  });

  it('that ended with its process is told to have failed', async () => {
    const stores = new Map<string, MemoryStore>();
    const storeOf = (name: string): MemoryStore => {
      const store = stores.get(name) ?? new MemoryStore();
      stores.set(name, store);
      return store;
    };
    const clock = new VirtualClock();
    const given = { clock, random: seededRandom(5), background: false, storeOf };
    const never = () => new Promise<never>(() => undefined);
    const peers: PortWraps['peers'] = (_site, { agent }) => ({ agent: (to) => ({ ...agent(to), closeNow: never }) });
    const first = await openEmbedded({ ...given, wrap: { peers } });
    const { id } = await clock.run(first.service.audit({ site: 'west' }));
    await clock.advance(100);
    const engine = await openEmbedded(given);
    expect(await clock.run(engine.service.getAudit(id))).toMatchObject({ status: 'running' });
    for (const node of engine.nodes.values()) await clock.run(node.resume());
    expect(await clock.run(engine.service.getAudit(id))).toMatchObject({ status: 'failed' });
  });

  it('finds what nobody has decided, and what is no record at all', async () => {
    const clock = new VirtualClock();
    const engine = await openEmbedded({ clock, random: seededRandom(5), background: false });
    await clock.run(engine.service.putStream('orders', {}));
    const startMs = await clock.run(writePast(engine, { entries: 10 }));
    const site = engine.nodes.get('east')?.site;
    const name = site?.registry.localReplica('orders')?.physicalName ?? '';
    const [stranger] = encodeRecords(pastEntry(11, startMs), 'lockstep', () => NEVER);
    await clock.run(
      site?.streams.put(name, [
        { partitionKey: stranger?.key ?? '', data: stranger?.data ?? Buffer.of(1) },
        { partitionKey: 'k', data: Buffer.from('not ours') },
      ]) ?? Promise.resolve([]),
    );
    expect(await audited({ engine, clock }, 'east')).toMatchObject({
      counts: { lost: 0, foreign: 1, unreadable: 1 },
      findings: [{ kind: 'foreign', transactionId: 'past-11' }, { kind: 'unreadable' }],
    });
  });
});
