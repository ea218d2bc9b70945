import { decidedAlone, keyOf, leave } from '../support/scenes.js';
import { event, openWorld } from '../support/world.js';

/** Counterexamples that the specification found (docs/spec/README.md), each named after the rule that was missing. */
describe('findings of the specification', () => {
  it('retryGuard: a retry at a process with an old route is answered only when every site in sync has the event', async () => {
    const world = await openWorld();
    // West is left. A second process of home learns that, and nothing after it.
    await leave(world, 'west');
    const old = await world.coordinator('east/2');
    const { service } = world.node('east');
    await world.run(service.begin({ id: 'T1', streams: ['orders'] }));
    world.heal();
    await world.round('west');
    expect((await world.route()).inSync).toEqual(['east', 'west']);
    // The write is staged at home; its process dies before it reaches west.
    const held = world.hooks.hold({ by: 'east', port: 'peers', to: 'west', method: 'stage' });
    void world.start(service.write('T1', { events: [event(1, { id: 'e1' })] }));
    await world.run(held.reached);
    await world.run(world.clock.sleep(1));
    held.fail();
    world.hooks.crash('east');
    // The client tries again and reaches the other process: home knows the event, so no guard is asked.
    const answer = await world.outcome(old.service.write('T1', { events: [event(1, { id: 'e1' })] }));
    expect(answer).toMatchObject({ events: [{ number: 0 }] });
    expect((await world.standing('west')).staged.get('T1') ?? []).toHaveLength(1);
  });

  it('freshRound: a second attempt to return does not forget what the first one has copied', async () => {
    const world = await openWorld();
    const { service } = world.node('east');
    await world.run(service.begin({ id: 'T1', streams: ['orders'] }));
    await world.run(service.write('T1', { events: [event(1)] }));
    await leave(world, 'west');
    // The first attempt has copied everything and is about to be in sync.
    const ending = world.hooks.hold({
      by: 'west',
      port: 'control',
      method: 'compareAndSet',
      when: (call) => call.args[0] === 'route' && (call.args[2] as { inSync: string[] }).inSync.includes('west'),
    });
    const first = world.start(world.node('west').watch());
    await world.run(ending.reached);
    // Another process of the same site begins, at the very epoch of that joining; it is stopped before it joins.
    const second = await world.coordinator('west/2');
    const cleaned = world.hooks.hold({
      by: 'west/2',
      port: 'control',
      method: 'compareAndSet',
      when: (call) => call.args[0] === 'route',
    });
    void world.start(second.watch());
    await world.run(cleaned.reached);
    ending.release();
    await world.outcome(first);
    expect((await world.route()).inSync).toEqual(['east', 'west']);
    // A write that returned is staged at every site in sync.
    expect((await world.standing('west')).staged.get('T1') ?? []).toHaveLength(1);
  });

  it('takenIsOurs: a resolution that crashed does not take what it has taken over for a conflict', async () => {
    const world = await openWorld();
    await leave(world, 'west');
    // Two decisions of east alone, on one key; west, forced to be home, changes nothing.
    await world.commit('east', 'T1', event('first', { key: 'a' }));
    await world.commit('east', 'T2', event('second', { key: 'a' }));
    world.lose('east');
    await world.run(world.node('west').service.moveHome({ to: 'west', force: true }));
    await world.clock.advance(1000);
    world.heal();
    const east = await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', to: 'west', method: 'takeOver' }, 'after');
    void world.start(east.watch());
    await world.run(held.reached);
    world.hooks.crash('east/2');
    await world.settle();
    expect((await world.run(world.node('west').service.listConflicts({}))).conflicts).toEqual([]);
    expect((await world.standing('west')).status('T2')).toBe('committed');
  });

  it('fenceJoinFirst: no chunks of a new decision are taken away between the joining and its fence', async () => {
    const world = await openWorld();
    const large = event('x'.repeat(500_000));
    await decidedAlone(world, 'T1', [large]);
    await world.takeover('west');
    // The decision is deleted; its chunks are about to be.
    const east = await world.coordinator('east/2');
    const sleeper = world.hooks.hold({
      by: 'east/2',
      port: 'tables',
      method: 'transact',
      when: (call) => keyOf(call, 1).sk.startsWith('chunk#'),
    });
    void world.start(east.watch());
    await world.run(sleeper.reached);
    // Another process begins the joining, and is slow to fence its site to it.
    const joining = world.hooks.hold(
      {
        by: 'east',
        port: 'control',
        method: 'compareAndSet',
        when: (call) => call.args[0] === 'route' && 'east' in (call.args[2] as { joining: object }).joining,
      },
      'after',
    );
    const first = world.start(world.node('east').watch());
    await world.run(joining.reached);
    // Home learns of the joining, and the client's retry is decided anew there: east is sent it as well.
    await world.run(world.node('west').watch());
    await world.commit('west', 'T1', large);
    sleeper.release();
    await world.run(world.clock.sleep(10));
    joining.release();
    await world.outcome(first);
    await world.settle();
    // East is in sync: it has to be able to go on alone.
    expect((await world.route()).inSync).toContain('east');
    world.lose('west');
    await world.run(world.node('east').watch());
    expect(await world.outcome(world.node('east').service.commitOnce({ id: 'T1', events: [large] }))).toMatchObject({
      status: 'committed',
    });
  });
});
