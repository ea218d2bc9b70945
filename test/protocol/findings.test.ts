import { decidedAlone, foresee, keyOf, leave, stageForeseen } from '../support/scenes.js';
import { digestOf, event, openWorld } from '../support/world.js';

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

  it('ownNumber: a write that lost a race at a lost home does not keep the number of the one that won it', async () => {
    const world = await openWorld();
    const { service } = world.node('east');
    await world.run(service.begin({ id: 'T1', streams: ['orders'] }));
    // It is staged at west; before it is at home, its process dies, and another write gets its number there.
    const loser = await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', port: 'tables', method: 'transact' });
    const lost = event('lost', { id: 'e1' });
    void world.start(loser.service.write('T1', { events: [lost] }));
    await world.run(held.reached);
    await world.run(world.clock.sleep(1));
    held.fail();
    world.hooks.crash('east/2');
    const won = await world.run(service.write('T1', { events: [event('won')] }));
    await world.takeover('west');
    // West has both. A client names its events by their numbers: two with one number would be one.
    const west = world.node('west').service;
    const again = await world.run(west.write('T1', { events: [lost] }));
    expect([...won.events, ...again.events].map(({ number }) => number)).toEqual([0, 1]);
    expect((await world.run(west.getTransaction('T1'))).events.map(({ number }) => number)).toEqual([0, 1]);
    const digests = [event('won'), lost].map(digestOf);
    expect(await world.run(west.commit('T1', { digests }))).toMatchObject({ events: 2 });
  });

  it('ownNumber: nor one that was answered with it because west had foreseen it, and was never told', async () => {
    const world = await openWorld();
    const { service } = world.node('east');
    await world.run(service.begin({ id: 'T1', streams: ['orders'] }));
    await world.run(service.write('T1', { events: [event('first')] }));
    await foresee(world, 'west', 'T1', event('won'));
    const loser = await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', port: 'tables', method: 'transact' });
    const lost = event('lost', { id: 'e1' });
    void world.start(loser.service.write('T1', { events: [lost] }));
    await world.run(held.reached);
    await world.run(world.clock.sleep(1));
    held.fail();
    world.hooks.crash('east/2');
    world.hooks.fail({ by: 'east', to: 'west', method: 'stage' });
    const won = await world.run(service.write('T1', { events: [event('won')] }));
    expect(won.events).toMatchObject([{ number: 1, foreseen: ['west'] }]);
    await world.takeover('west');
    const west = world.node('west').service;
    const again = await world.run(west.write('T1', { events: [lost] }));
    expect(again.events[0]?.number).not.toBe(1);
    const digests = [event('first'), event('won'), lost].map(digestOf);
    expect(await world.run(west.commit('T1', { digests }))).toMatchObject({ events: 3 });
  });

  it('forgetSame: a follower does not forget what was begun anew while home was asked', async () => {
    const world = await openWorld({ sites: ['east', 'west', 'north'] });
    const { service } = world.node('east');
    await world.run(service.begin({ id: 'T1', streams: ['orders'], deadlineMs: 1000 }));
    // North alone holds a write, and west becomes home.
    const end = world.hooks.fail({ by: 'east', to: 'west', method: 'stage' });
    await world.outcome(service.write('T1', { events: [event(1)] }));
    end();
    await world.takeover('west');
    const north = world.node('north');
    await world.run(north.watch());
    await world.clock.advance(2000);
    // West says that it does not know it; then it is begun there again, and written to, before north hears that.
    const answered = world.hooks.hold({ by: 'north', to: 'west', method: 'lookup' }, 'after');
    const swept = world.start(north.sweep());
    await world.run(answered.reached);
    const west = world.node('west').service;
    await world.run(west.begin({ id: 'T1', streams: ['orders'] }));
    await world.run(west.write('T1', { events: [event('anew')] }));
    answered.release();
    await world.run(swept);
    // A write that returned is staged at every site in sync.
    const staged = (await world.standing('north')).staged.get('T1') ?? [];
    expect(staged.map(({ digest }) => digest)).toContain(digestOf(event('anew')));
  });

  it('candidatesGrow: a process that slept takes no number back that another one of its site keeps free', async () => {
    const world = await openWorld();
    const { service } = world.node('east');
    await world.run(service.begin({ id: 'T1', streams: ['orders'] }));
    await world.run(service.write('T1', { events: [event(1)] }));
    // Asleep before it keeps its candidate; another one keeps the same one further ahead, and announces it.
    const held = world.hooks.hold({ by: 'west/2', port: 'tables', method: 'transact' });
    const asleep = stageForeseen(world, 'west/2', 'T1', event('next'));
    await world.run(held.reached);
    await world.run(service.write('T1', { events: [event(2), event(3)] }));
    await foresee(world, 'west', 'T1', event('next'));
    const before = (await world.standing('west')).candidates.get('T1');
    held.release();
    expect((await asleep).stands).toBe(false);
    expect((await world.standing('west')).candidates.get('T1')).toEqual(before);
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
