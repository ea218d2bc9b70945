import type { ForwardedRequest } from '../../src/ports/mirror-agent.js';
import { PortUnavailable } from '../../src/ports/failures.js';
import { expectRest } from '../support/invariants.js';
import { decidedAlone, keyOf, leave, versioned } from '../support/scenes.js';
import { type World, digestOf, event, openWorld } from '../support/world.js';

/** Processes that sleep through the return of their site, or through a change of the route. */
describe('late sleepers', () => {
  it('replicas: a retry at a coordinator with an old route is told how many sites really hold it', async () => {
    const world = await openWorld();
    await world.coordinator('east/2');
    await leave(world, 'west');
    expect(await world.commit('east', 'T1')).toMatchObject({ replicas: 1, atRisk: true });
    // It is applied already, so nothing makes this process look at the route.
    expect(await world.commit('east/2', 'T1')).toMatchObject({ replicas: 1, atRisk: true });
  });

  it('clean: one that wakes after another process has returned the site forgets no open transaction', async () => {
    const world = await openWorld();
    const { service } = world.node('east');
    await world.run(service.begin({ id: 'T1', streams: ['orders'] }));
    await world.run(service.write('T1', { events: [event(1)] }));
    await leave(world, 'west');
    // It is about to forget what is open here; it will come again with the copy.
    const west = await world.coordinator('west/2');
    const held = world.hooks.hold({
      by: 'west/2',
      port: 'tables',
      method: 'transact',
      when: (call) => keyOf(call, 1).pk === 'tx#T1',
    });
    void world.start(west.watch());
    await world.run(held.reached);
    await world.round('west');
    expect((await world.route()).inSync).toEqual(['east', 'west']);
    expect((await world.standing('west')).staged.get('T1')).toHaveLength(1);
    held.release();
    await world.run(world.clock.sleep(10));
    // A write that returned is staged at every site in sync: the transaction survives the loss of home.
    expect((await world.standing('west')).staged.get('T1')).toHaveLength(1);
    await world.takeover('west');
    const commit = world.node('west').service.commit('T1', { digests: [digestOf(event(1))] });
    expect(await world.outcome(commit)).toMatchObject({ status: 'committed' });
  });

  it('sweep: one that wakes after home has moved leaves the guards of a follower shut', async () => {
    const world = await openWorld();
    const old = await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', port: 'tables', method: 'query' });
    const sweep = world.start(old.sweep());
    await world.run(held.reached);
    await world.run(world.node('west').service.moveHome({ to: 'west' }));
    await world.run(old.site.routes.refresh());
    held.release();
    await world.outcome(sweep);
    expect((await world.standing('east')).guards).toMatchObject([{ open: false }, { open: false }]);
    // Shut guards are what a return begins with.
    await leave(world, 'east');
    await expectRest(world);
  });

  it.each([
    ['meanwhile', () => Promise.resolve()],
    [
      'even where home has come back',
      async (world: World) => {
        await world.settle();
        await world.run(world.node('east').service.moveHome({ to: 'east' }));
      },
    ],
  ] as const)('passed on: what came too late is not committed after its refusal: %s', async (_, after) => {
    const world = await openWorld();
    const old = await world.coordinator('east/2');
    // West passes a commit on to home, where it is slow to come in; west takes over, and refuses it itself.
    let late: ForwardedRequest | undefined;
    world.hooks.meet({ by: 'west', to: 'east', method: 'perform' }, (call) => {
      late = call.args[0] as ForwardedRequest;
      return Promise.reject(new PortUnavailable('no answer'));
    });
    world.lose('east');
    expect(await world.outcome(world.commit('west', 'T1', versioned('a', 1)))).toBe('VersionConflict');
    await world.commit('west', 'T2', versioned('b', 0));
    world.heal();
    await after(world);
    expect(late).toMatchObject({ operation: 'commitOnce', term: 1 });
    if (late) await world.outcome(old.agent.perform(late));
    expect((await world.standing('west')).status('T1')).toBe('none');
    await expectRest(world, { committed: ['T2'] });
  });

  it('overrule: one that wakes after the retry was decided anew takes none of its chunks away', async () => {
    const world = await openWorld();
    const large = event('x'.repeat(500_000));
    await decidedAlone(world, 'T1', [large]);
    await world.takeover('west');
    // The decision is deleted; its chunks are about to be.
    const east = await world.coordinator('east/2');
    const held = world.hooks.hold({
      by: 'east/2',
      port: 'tables',
      method: 'transact',
      when: (call) => keyOf(call, 1).sk.startsWith('chunk#'),
    });
    void world.start(east.watch());
    await world.run(held.reached);
    await world.round('east');
    expect((await world.route()).inSync).toEqual(['west', 'east']);
    await world.commit('west', 'T1', large);
    expect((await world.standing('east')).status('T1')).toBe('committed');
    held.release();
    await world.run(world.clock.sleep(10));
    // East is in sync: it has to be able to go on alone.
    world.lose('west');
    await world.run(world.node('east').watch());
    expect(await world.commit('east', 'T1', large)).toMatchObject({ status: 'committed' });
  });
});
