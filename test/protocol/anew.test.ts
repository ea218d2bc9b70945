import { expectRest } from '../support/invariants.js';
import { arrivals } from '../support/scenes.js';
import { type World, event, openWorld } from '../support/world.js';

async function deleteStream(world: World, at: string): Promise<void> {
  const { site } = world.node(at);
  await world.run(site.streams.remove(site.registry.localReplica('orders')?.physicalName ?? ''));
}

/** What the last return of a site has proved. */
async function proofOf(world: World, home: string) {
  const { service } = world.node(home);
  const { incidents } = await world.run(service.listIncidents({}));
  const said = incidents.filter(({ kind }) => kind === 'return').map(({ timeline }) => JSON.stringify(timeline));
  const id = said.flatMap((text) => /reconciliation (\w+)/.exec(text)?.[1] ?? []).at(0) ?? '';
  return (await world.run(service.getReconciliation(id))).proof;
}

describe('a stream that is made anew', () => {
  it('is filled by whoever comes along, who may have filled the one before', async () => {
    const world = await openWorld();
    for (const id of ['T1', 'T2']) await world.commit('east', id);
    await world.settle();
    const other = await world.coordinator('west/2');
    await deleteStream(world, 'west');
    await world.run(other.tend());
    await world.run(world.node('west').tend());
    await world.settle();
    expect(new Set(await arrivals(world, 'west'))).toEqual(new Set(['T1', 'T2']));
    await expectRest(world, { committed: ['T1', 'T2'] });
  });

  it('is proved equal after its site was lost and came back', async () => {
    const world = await openWorld({ options: { guardCopies: 2, callTimeoutMs: 400, arrivalMarginMs: 1000 } });
    const committed: string[] = [];
    const commit = async (at: string, count: number) => {
      for (let n = 0; n < count; n += 1) {
        const id = `T${committed.length}`;
        await world.commit(at, id, event(id, { key: id }));
        committed.push(id);
        await world.clock.advance(300);
        if (n % 5 === 4) await world.run(world.node(at).close());
      }
    };
    await commit('east', 12);
    await world.run(world.node('east').close());
    await deleteStream(world, 'east');
    await commit('east', 10);
    expect((await world.route()).active['orders']).toBe('west');
    for (let n = 0; n < 4; n += 1) await world.run(world.node('east').tend());
    await commit('east', 8);
    world.lose('east');
    await world.run(world.node('west').watch());
    await commit('west', 10);
    world.heal();
    await world.settle();
    const windows = (await proofOf(world, 'west'))?.windows ?? [];
    expect(windows.length).toBeGreaterThan(0);
    for (const { after } of windows) expect(after['east']).toEqual(after['west']);
    await expectRest(world, { committed });
  });
});
