import { MemoryStore } from '../../src/adapters/embedded/memory-store.js';
import type { OrderedStore } from '../../src/adapters/embedded/ordered-store.js';
import { VirtualClock, seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import type { Reconciliation } from '../../src/core/api.js';
import { areEqual, sealOf } from '../../src/core/proof.js';
import { type EmbeddedLockstep, type EmbeddedOptions, openEmbedded } from '../../src/embedded/index.js';
import { bytesOf, countingPeers, pastEntry, writePast } from '../support/history.js';

interface Deployment {
  readonly engine: EmbeddedLockstep;
  readonly clock: VirtualClock;
}

async function deploy(given: EmbeddedOptions = {}): Promise<Deployment> {
  const clock = new VirtualClock();
  const engine = await openEmbedded({ clock, random: seededRandom(3), background: false, ...given });
  await clock.run(engine.service.putStream('orders', { shards: 2 }));
  for (const node of engine.nodes.values()) await clock.run(node.tend());
  return { engine, clock };
}

async function reconciled({ engine, clock }: Deployment, site = 'west'): Promise<Reconciliation> {
  const { id } = await clock.run(engine.service.reconcile({ site }));
  return followed({ engine, clock }, id);
}

async function followed({ engine, clock }: Deployment, id: string): Promise<Reconciliation> {
  let progress = 0;
  for (;;) {
    const state = await clock.run(engine.service.getReconciliation(id));
    expect(state.progress).toBeGreaterThanOrEqual(progress);
    progress = state.progress;
    if (state.status !== 'running') return state;
    await clock.advance(50);
  }
}

const isEqual = ({ proof }: Reconciliation): boolean =>
  proof?.windows.every(({ after }) => areEqual(proof.sites.map((site) => after[site]))) === true;

describe('a long history', () => {
  const ENTRIES = 6000;

  it('moves less than a fiftieth of it where a thousandth differs, and everything that differs', async () => {
    const { moved, wrap } = countingPeers();
    const deployment = await deploy({ wrap: wrap ? { peers: wrap } : {} });
    const startMs = await deployment.clock.run(
      writePast(deployment.engine, { entries: ENTRIES, lacks: (site, index) => site === 'west' && index % 1000 === 7 }),
    );
    moved.clear();
    const first = await reconciled(deployment);
    expect(first).toMatchObject({ status: 'done', copied: ENTRIES / 1000 });
    expect(isEqual(first)).toBe(true);
    const bytes = [...moved.values()].reduce((sum, each) => sum + each, 0);
    expect(bytes / (bytesOf(pastEntry(ENTRIES - 1, startMs)) * ENTRIES)).toBeLessThan(0.02);
    // Again, there is nothing to do: no line is asked for, and no entry.
    moved.clear();
    const again = await reconciled(deployment);
    expect(again).toMatchObject({ status: 'done', proof: { copied: 0 } });
    expect([...moved.keys()]).not.toEqual(expect.arrayContaining(['lines']));
    expect(moved.has('fetch')).toBe(false);
    expect(isEqual(again)).toBe(true);
  }, 60_000);

  it('copies all of it to a site that has none', async () => {
    const deployment = await deploy();
    await deployment.clock.run(
      writePast(deployment.engine, { entries: 3000, bytes: 10, lacks: (site) => site === 'west' }),
    );
    const state = await reconciled(deployment);
    expect(state).toMatchObject({ status: 'done', proof: { copied: 3000 } });
    expect(isEqual(state)).toBe(true);
  }, 60_000);
});

describe('a reconciliation', () => {
  it('is refused at a site that is out of sync, and while another one is under way', async () => {
    const deployment = await deploy();
    const { engine, clock } = deployment;
    const both = [engine.service.reconcile({ site: 'west' }), engine.service.reconcile({ site: 'west' })];
    const ends = await clock.run(Promise.allSettled(both));
    const started = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value.id] : []));
    expect(started).toHaveLength(1);
    expect(ends).toContainEqual({
      status: 'rejected',
      reason: expect.objectContaining({ code: 'ReconciliationRunning' }) as unknown,
    });
    await followed(deployment, started[0] ?? '');
    expect((await reconciled(deployment)).status).toBe('done');
    engine.controls.setFaults([{ site: 'west', kind: 'down' }]);
    await clock.run(engine.nodes.get('east')?.watch() ?? Promise.resolve());
    await expect(clock.run(engine.service.reconcile({ site: 'west' }))).rejects.toMatchObject({ code: 'Unavailable' });
    engine.controls.setFaults([]);
    await expect(clock.run(engine.service.reconcile({ site: 'west' }))).rejects.toMatchObject({
      code: 'SiteNotInSync',
    });
  });

  it('is sealed: whatever is changed in its proof, the seal does not fit any more', async () => {
    const deployment = await deploy();
    await deployment.clock.run(writePast(deployment.engine, { entries: 20 }));
    const { proof } = await reconciled(deployment);
    if (!proof) throw new Error('no proof');
    expect(proof.seal).toBe(sealOf(JSON.parse(JSON.stringify(proof)) as typeof proof));
    const [window] = proof.windows;
    if (!window) throw new Error('no window');
    for (const change of [
      { copied: 1 },
      { overruled: ['T1'] },
      { windows: proof.windows.slice(1) },
      { windows: [{ ...window, after: window.before, to: window.from }, ...proof.windows.slice(1)] },
    ]) {
      expect(sealOf({ ...proof, ...change })).not.toBe(proof.seal);
    }
  });

  it('names what it could not compare, where retention has cut', async () => {
    const deployment = await deploy({ options: { logRetentionMs: 60_000 } });
    const { clock } = deployment;
    await clock.advance(200_000);
    const { proof } = await reconciled(deployment);
    expect(proof?.gaps).toMatchObject([{ stream: 'orders' }]);
    const [gap] = proof?.gaps ?? [];
    expect(proof?.windows.every(({ from }) => from >= (gap?.to ?? ''))).toBe(true);
    expect(gap && gap.from < gap.to).toBe(true);
  });

  it('goes on under its own id where its process ended half-way', async () => {
    const stores = new Map<string, OrderedStore>();
    const storeOf = (name: string): OrderedStore => {
      const store = stores.get(name) ?? new MemoryStore();
      stores.set(name, store);
      return store;
    };
    const clock = new VirtualClock();
    const open = (given: EmbeddedOptions = {}) =>
      openEmbedded({ clock, random: seededRandom(3), background: false, storeOf, ...given });
    // The other side never answers what is asked of it.
    const isSilent = { value: true };
    const first = await open({
      wrap: {
        peers: (_site, { agent }) => ({
          agent: (to) => ({
            ...agent(to),
            digests: (request) => (isSilent.value ? new Promise(() => undefined) : agent(to).digests(request)),
          }),
        }),
      },
    });
    await clock.run(first.service.putStream('orders', {}));
    for (const node of first.nodes.values()) await clock.run(node.tend());
    await clock.run(writePast(first, { entries: 50, lacks: (site, index) => site === 'west' && index === 3 }));
    const { id } = await clock.run(first.service.reconcile({ site: 'west' }));
    await clock.advance(100);
    const engine = await open();
    const west = engine.nodes.get('west');
    if (!west) throw new Error('no west');
    await clock.run(west.resume());
    expect(await followed({ engine, clock }, id)).toMatchObject({ status: 'done', proof: { copied: 1 } });
  });
});
