import { VirtualClock, seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import type { Reconciliation } from '../../src/core/api.js';
import { entryLines, rangeDigest } from '../../src/core/compare.js';
import { WHOLE_RANGE } from '../../src/core/hash-range.js';
import { digestsAt } from '../../src/app/digests.js';
import { END } from '../../src/app/log-compare.js';
import { encodeRecords } from '../../src/core/record.js';
import { NEVER } from '../../src/core/timestamp.js';
import { areEqual } from '../../src/core/proof.js';
import { PortUnavailable } from '../../src/ports/failures.js';
import { type EmbeddedLockstep, openEmbedded } from '../../src/embedded/index.js';
import type { LinePage } from '../../src/ports/mirror-agent.js';
import type { PortWraps } from '../../src/embedded/engine.js';
import { pastEntry, writePast } from '../support/history.js';

/** So many rows are looked at in one call; entries and records count eight each. */
const ROWS = 40;
const PIECEMEAL = new Set(['buckets', 'lines', 'digests']);

interface Watched {
  readonly engine: EmbeddedLockstep;
  readonly clock: VirtualClock;
  /** By method, what the calls of one site to another read in the tables and on the streams of that one. */
  readonly calls: Map<string, number[]>;
  /** Ids of lines that travelled. */
  readonly lines: string[];
}

/** Counts what each call of a comparison makes the site read that is asked. */
async function watched(fails: (call: number) => boolean = () => false): Promise<Watched> {
  const clock = new VirtualClock();
  const calls = new Map<string, number[]>();
  const read = new Map<string, number>();
  const lines: string[] = [];
  let made = 0;
  const count = (site: string, rows: number) => read.set(site, (read.get(site) ?? 0) + rows);
  const wrap: PortWraps = {
    tables: (site, tables) => ({
      ...tables,
      scan: async (range) => {
        const page = await tables.scan(range);
        count(site, page.rows.length);
        return page;
      },
    }),
    streams: (site, streams) => ({
      ...streams,
      read: async (...asked) => {
        const page = await streams.read(...asked);
        count(site, page.records.length);
        return page;
      },
    }),
    peers: (from, { agent }) => ({
      agent: (to) => {
        const all = agent(to) as unknown as Record<string, (request?: unknown) => Promise<unknown>>;
        const counted = Object.entries(all).map(([method, call]) => {
          if (from === to || !PIECEMEAL.has(method)) return [method, call];
          const measured = async (request?: unknown): Promise<unknown> => {
            read.set(to, 0);
            made += 1;
            if (fails(made)) throw new PortUnavailable('nobody knows');
            const answer = await call(request);
            if (method === 'lines') lines.push(...(answer as LinePage).lines.map(({ id }) => id));
            calls.set(method, [...(calls.get(method) ?? []), read.get(to) ?? 0]);
            return answer;
          };
          return [method, measured];
        });
        return Object.fromEntries(counted) as ReturnType<typeof agent>;
      },
    }),
  };
  const engine = await openEmbedded({
    clock,
    random: seededRandom(3),
    background: false,
    wrap,
    options: { compareRows: ROWS },
  });
  await clock.run(engine.service.putStream('orders', { shards: 2 }));
  for (const node of engine.nodes.values()) await clock.run(node.tend());
  return { engine, clock, calls, lines };
}

async function reconciled({ engine, clock }: Watched): Promise<Reconciliation> {
  const { id } = await clock.run(engine.service.reconcile({ site: 'west' }));
  for (;;) {
    const state = await clock.run(engine.service.getReconciliation(id));
    if (state.status !== 'running') return state;
    await clock.advance(50);
  }
}

const isEqual = ({ proof }: Reconciliation): boolean =>
  proof?.windows.every(({ after }) => areEqual(proof.sites.map((site) => after[site]))) === true;

describe('a log that is long for one call', () => {
  it.each([100, 400])(
    'of %d entries is compared in calls that do no more each, and made equal',
    async (entries) => {
      const world = await watched();
      await world.clock.run(
        writePast(world.engine, { entries, bytes: 10, lacks: (site, at) => site === 'west' && at % 3 > 0 }),
      );
      const state = await reconciled(world);
      expect(state).toMatchObject({ status: 'done', proof: { copied: entries - Math.ceil(entries / 3) } });
      expect(isEqual(state)).toBe(true);
      for (const [method, rows] of world.calls) {
        // The last page of a call may go beyond what is enough, by less than another one.
        expect([method, Math.max(...rows) <= 2 * ROWS]).toEqual([method, true]);
      }
      // Nearly everything differs, and still each side is read once: sums, lines.
      const calls = Math.ceil(entries / ROWS);
      expect(world.calls.get('buckets')?.length).toBeLessThanOrEqual(calls + 1);
      expect(world.calls.get('lines')?.length).toBeLessThanOrEqual(calls + 1);
      // Again, nothing differs in any piece.
      world.calls.clear();
      expect(await reconciled(world)).toMatchObject({ status: 'done', proof: { copied: 0 } });
      expect(world.calls.has('buckets')).toBe(true);
      expect(world.calls.has('lines')).toBe(false);
    },
    60_000,
  );

  it('is as equal as its streams are: of what stands twice, and of what is lost, in whatever piece', async () => {
    const world = await watched();
    const startMs = await world.clock.run(
      writePast(world.engine, { entries: 100, bytes: 10, lacks: (site, at) => site === 'west' && at % 9 === 0 }),
    );
    for (const { site } of world.engine.nodes.values()) {
      const name = site.registry.localReplica('orders')?.physicalName ?? '';
      const again = [3, 4, 99].flatMap((at) =>
        encodeRecords(pastEntry(at, startMs, 10), site.ports.deployment.name, () => NEVER),
      );
      await world.clock.run(
        site.streams.put(
          name,
          again.map(({ key, data }) => ({ partitionKey: key, data })),
        ),
      );
    }
    const state = await reconciled(world);
    expect(isEqual(state)).toBe(true);
    // What was lacking was told before it was copied.
    expect(state.proof?.windows.some(({ before }) => before['west']?.log !== before['east']?.log)).toBe(true);
  }, 60_000);

  it('misses nothing where both sides lack as many: the sums of all pieces count', async () => {
    const world = await watched();
    const lacking = { west: 0, east: 5 } as const;
    await world.clock.run(
      writePast(world.engine, {
        entries: 200,
        bytes: 10,
        lacks: (site, at) => at % 10 === lacking[site as keyof typeof lacking],
      }),
    );
    expect(await reconciled(world)).toMatchObject({ status: 'done', proof: { copied: 20 } });
  });

  it('has the digests that the whole of it has', async () => {
    const world = await watched();
    const startMs = await world.clock.run(writePast(world.engine, { entries: 100, bytes: 10 }));
    const { site } = world.engine.nodes.get('west') ?? {};
    if (!site) throw new Error('no west');
    const ranges = [{ stream: 'orders', from: NEVER, to: END, hashFrom: WHOLE_RANGE.from, hashTo: WHOLE_RANGE.to }];
    const lines = Array.from({ length: 100 }, (_, at) => entryLines(pastEntry(at, startMs, 10))).flat();
    const whole = rangeDigest(lines.map(({ line }) => line));
    expect(await world.clock.run(digestsAt(site, site.peers.agent('east'), ranges))).toEqual([
      { log: whole, stream: whole },
    ]);
  });

  it('goes on where some of many calls fail: it does not begin anew', async () => {
    const world = await watched((call) => call % 5 === 0);
    await world.clock.run(
      writePast(world.engine, { entries: 200, bytes: 10, lacks: (site, at) => site === 'west' && at % 50 === 0 }),
    );
    const state = await reconciled(world);
    expect(state).toMatchObject({ status: 'done', proof: { copied: 4 } });
    expect(isEqual(state)).toBe(true);
    expect(world.calls.get('buckets')?.length).toBeLessThanOrEqual(200 / ROWS + 1);
    // Four of sixteen buckets differ at the most.
    expect(world.lines.length).toBeLessThan(100);
  }, 60_000);
});
