import { clearMark } from '../../src/core/plan.js';
import type { Call } from '../support/hooks.js';
import { versioned } from '../support/scenes.js';
import { type World, type WorldOptions, digestOf, event, openWorld } from '../support/world.js';

const THREE = ['east', 'west', 'north'];
const DISTANCE_MS = 100;

/** How many things each call names: writes of a transact, records of a put, items of single writes. */
function sizes(world: World, site: string, port: 'tables' | 'streams', method: string): readonly number[] {
  const isMeant = (call: Call) => call.by === site && call.port === port && call.method === method;
  return world.hooks.calls.filter(isMeant).map((call) => {
    const named = call.args[port === 'streams' ? 1 : 0];
    return Array.isArray(named) ? named.length : 0;
  });
}

const callsBetween = (world: World): readonly string[] =>
  world.hooks.calls.flatMap((call) =>
    call.port === 'peers' && call.to !== call.by ? [`${call.by}>${call.to ?? ''} ${call.method}`] : [],
  );

/** Virtual time that something takes, in round trips between sites. */
async function roundTrips(world: World, work: () => Promise<unknown>): Promise<number> {
  const startMs = world.clock.now();
  await world.run(work());
  return (world.clock.now() - startMs) / DISTANCE_MS;
}

/** What the commit itself costs: the first one of a process also learns of streams. */
async function warm(given: WorldOptions = {}): Promise<World> {
  const world = await openWorld(given);
  await world.commit('east', 'T0', event('warm', { key: 'warm' }));
  await world.run(world.node('east').close());
  world.hooks.calls.length = 0;
  return world;
}

describe('what it costs', () => {
  it('one-shot: per site one transact of three items, one delete; a guard is checked', async () => {
    const world = await warm();
    await world.commit('east', 'T1');
    await world.run(world.clock.sleep(1));
    for (const site of world.sites) {
      // The guard that is checked, the entry, the mark.
      expect([site, sizes(world, site, 'tables', 'transact')]).toEqual([site, [3]]);
      expect([site, sizes(world, site, 'streams', 'put')]).toEqual([site, [1]]);
    }
    expect(sizes(world, 'east', 'tables', 'writeEach')).toEqual([1]);
    expect(sizes(world, 'west', 'tables', 'writeEach')).toEqual([]);
    for (const site of world.sites) {
      for (const method of ['get', 'query', 'scan', 'queryIndex'] as const) {
        expect([site, method, world.hooks.count({ by: site, port: 'tables', method })]).toEqual([site, method, 0]);
      }
    }
  });

  it('one-shot: followers delete their marks together', async () => {
    const world = await warm();
    for (const id of ['T1', 'T2', 'T3']) await world.commit('east', id);
    world.hooks.calls.length = 0;
    await world.run(world.node('east').close());
    const { copies } = world.node('west').site;
    const deletes = world.hooks.calls.filter(
      ({ by, method, args }) => by === 'west' && method === 'writeEach' && JSON.stringify(args).includes('"delete"'),
    );
    expect(deletes).toHaveLength(1);
    const [marks] = deletes[0]?.args as [readonly unknown[]];
    const { epoch } = await world.route();
    expect(marks).toHaveLength(3);
    expect(marks).toEqual(expect.arrayContaining(['T1', 'T2', 'T3'].map((id) => clearMark(id, epoch, copies))));
  });

  it('expected versions: one item more for each', async () => {
    const world = await warm();
    await world.commit('east', 'T1', versioned('a', 0, 'a'), versioned('b', 0, 'b'));
    for (const site of world.sites) expect(sizes(world, site, 'tables', 'transact')).toEqual([5]);
  });

  it('parts: one record for each (stream, key), however many events', async () => {
    const world = await warm({ streams: { orders: {}, other: {} } });
    const events = [event(1), event(2), event(3, { key: 'b' }), event(4, { stream: 'other' })];
    await world.commit('east', 'T1', ...events);
    for (const site of world.sites) {
      expect([...sizes(world, site, 'streams', 'put')].sort()).toEqual([1, 2]);
    }
  });

  it('followers: one call of its agent each', async () => {
    const world = await warm();
    await world.commit('east', 'T1');
    expect(callsBetween(world)).toEqual(['east>west replicate']);
  });

  it('followers: with more than one, a second one tells them to put', async () => {
    const world = await warm({ sites: THREE });
    await world.commit('east', 'T1');
    await world.run(world.clock.sleep(1));
    expect([...callsBetween(world)].sort()).toEqual([
      'east>north replicate',
      'east>north settle',
      'east>west replicate',
      'east>west settle',
    ]);
  });

  it('batch: one guard, one call of each follower, one put of each site’s stream', async () => {
    const world = await warm();
    const commits = ['T1', 'T2', 'T3', 'T4'].map((id) => ({ id, events: [event(id, { key: id })] }));
    await world.run(world.node('east').service.commitBatch({ commits }));
    for (const site of world.sites) {
      expect([site, sizes(world, site, 'tables', 'transact')]).toEqual([site, [9]]);
      expect([site, sizes(world, site, 'streams', 'put')]).toEqual([site, [4]]);
    }
    expect(callsBetween(world)).toEqual(['east>west replicate']);
  });

  it('interactive: of a commit, one query per site for what was staged', async () => {
    const world = await warm();
    const { service } = world.node('east');
    await world.run(service.begin({ id: 'T1', streams: ['orders'] }));
    await world.run(service.write('T1', { events: [event(1)] }));
    world.hooks.calls.length = 0;
    await world.run(service.commit('T1', { digests: [digestOf(event(1))] }));
    await world.run(world.clock.sleep(1));
    // Each has read it once before, for what the decision names.
    const queries = (site: string) => world.hooks.count({ by: site, port: 'tables', method: 'query' });
    expect(world.sites.map((site) => [site, queries(site)])).toEqual([
      ['east', 2],
      ['west', 2],
    ]);
    for (const site of world.sites) expect((await world.standing(site)).staged.get('T1') ?? []).toEqual([]);
  });

  it('route: it is not on the path of a transaction', async () => {
    const world = await warm();
    await world.commit('east', 'T1');
    expect(world.hooks.count({ port: 'control' })).toBe(0);
  });
});

describe('round trips', () => {
  const far = (given: WorldOptions = {}) => warm({ roundTripMs: DISTANCE_MS, ...given });

  it('none to begin', async () => {
    const world = await far();
    const { service } = world.node('east');
    expect(await roundTrips(world, () => service.begin({ id: 'T1', streams: ['orders'] }))).toBe(0);
  });

  it('one for each interactive write, none at commit', async () => {
    const world = await far();
    const { service } = world.node('east');
    for (const [id, replication, expected] of [
      ['T1', 'eager', 1],
      ['T2', 'at-commit', 0],
    ] as const) {
      await world.run(service.begin({ id, streams: ['orders'], replication }));
      for (const data of [1, 2]) {
        expect(await roundTrips(world, () => service.write(id, { events: [event(data)] }))).toBe(expected);
      }
    }
  });

  it('one for a commit, of one shot and of an interactive transaction', async () => {
    const world = await far();
    const { service } = world.node('east');
    expect(await roundTrips(world, () => service.commitOnce({ id: 'T1', events: [event(1)] }))).toBe(1);
    await world.run(service.begin({ id: 'T2', streams: ['orders'] }));
    await world.run(service.write('T2', { events: [event(2)] }));
    expect(await roundTrips(world, () => service.commit('T2', { digests: [digestOf(event(2))] }))).toBe(1);
  });

  it('one with three sites, too, where the stream is active at home', async () => {
    const world = await far({ sites: THREE });
    const { service } = world.node('east');
    expect(await roundTrips(world, () => service.commitOnce({ id: 'T1', events: [event(1)] }))).toBe(1);
  });

  it('one with two sites, wherever the stream is active', async () => {
    const world = await far();
    const { service } = world.node('east');
    await world.run(service.switchover('orders', { to: 'west' }));
    expect(await roundTrips(world, () => service.commitOnce({ id: 'T1', events: [event(1)] }))).toBe(1);
  });

  it('two with three sites, where a stream is active away from home', async () => {
    const world = await far({ sites: THREE });
    const { service } = world.node('east');
    await world.run(service.switchover('orders', { to: 'west' }));
    expect(await roundTrips(world, () => service.commitOnce({ id: 'T1', events: [event(1)] }))).toBe(2);
    expect((await world.standing('west')).on('orders')).toContain('T1');
  });
});
