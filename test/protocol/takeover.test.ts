import { expectInvariants, expectRest } from '../support/invariants.js';
import { almostJoined, decidedAlone, leave, versioned } from '../support/scenes.js';
import { type World, event, openWorld } from '../support/world.js';

const THREE = ['east', 'west', 'north'];

describe('takeover', () => {
  it('fence: no write of an older term succeeds at a site that was fenced', async () => {
    const world = await openWorld();
    const late = await decidedAlone(world, 'T1');
    await world.takeover('west');
    await world.run(late.get('west')?.() ?? Promise.reject(new Error('nothing was sent')));
    expect((await world.standing('west')).status('T1')).toBe('none');
    await expectInvariants(world);
    await expectRest(world);
  });

  it('fence: nor does a decision of the deposed home', async () => {
    const world = await openWorld();
    await world.coordinator('east/2');
    await world.run(world.node('west').service.moveHome({ to: 'west' }));
    // An old coordinator that cannot ask anybody what has changed.
    world.hooks.fail({ by: 'east/2', port: 'control' });
    world.hooks.fail({ by: 'east/2', port: 'peers' });
    const { end } = await world.startCommit('east/2', 'T1');
    expect(await world.outcome(end)).toBe('Unavailable');
    expect((await world.standing('east')).status('T1')).toBe('none');
  });

  it('fence: every copy of the guard counts', async () => {
    const world = await openWorld({ options: { guardCopies: 4 } });
    await world.takeover('west');
    const west = await world.standing('west');
    expect(west.guards.map(({ term, open }) => [term, open])).toEqual(Array.from({ length: 4 }, () => [2, true]));
    await world.round('east');
    const east = await world.standing('east');
    expect(east.guards.map(({ term, open }) => [term, open])).toEqual(Array.from({ length: 4 }, () => [2, false]));
  });

  it('fence: a change counts only when all copies are rewritten', async () => {
    const world = await openWorld();
    const held = world.hooks.hold({ by: 'east', port: 'tables', method: 'transact' });
    let told = false;
    const closing = world.start(
      world
        .node('east')
        .agent.closeNow()
        .then(() => (told = true)),
    );
    await world.run(held.reached);
    await world.run(world.clock.sleep(1));
    const bars = new Set((await world.standing('east')).guards.map(({ bar }) => bar));
    expect([told, bars.size]).toEqual([false, 2]);
    held.release();
    await world.run(closing);
    expect(new Set((await world.standing('east')).guards.map(({ bar }) => bar)).size).toBe(1);
  });

  it('fenceFirst: every follower in sync is fenced before anything is adopted', async () => {
    const world = await openWorld({ sites: THREE });
    // T1 is on its way to both when home is lost.
    const late = await decidedAlone(world, 'T1');
    world.lose('east');
    const held = world.hooks.hold({ by: 'west', to: 'north', method: 'fence' });
    const taking = world.start(world.node('west').watch());
    await world.run(held.reached);
    await world.run(world.clock.sleep(1));
    expect(world.hooks.count({ by: 'west', method: 'pending' })).toBe(0);
    held.release();
    await world.run(taking);
    world.heal();
    for (const arrive of late.values()) await world.run(arrive());
    expect((await world.standing('north')).status('T1')).toBe('none');
    await expectInvariants(world);
    await expectRest(world);
  });

  it('fenceFirst: one that does not answer the fence is left', async () => {
    const world = await openWorld({ sites: THREE });
    world.lose('east');
    world.hooks.fail({ by: 'west', to: 'north', method: 'fence' }, 3);
    await world.run(world.node('west').watch());
    expect(await world.route()).toMatchObject({ phase: 'serving', home: 'west', inSync: ['west'] });
    await expectRest(world);
  });

  it('adopt: what any of them has pending is taken into all', async () => {
    const world = await openWorld({ sites: THREE });
    await decidedAlone(world, 'T1', [versioned('a', 0)], { reaching: ['north'] });
    expect((await world.standing('west')).status('T1')).toBe('none');
    await world.takeover('west');
    for (const site of ['west', 'north']) expect((await world.standing(site)).status('T1')).toBe('committed');
    expect((await world.standing('west')).versions.get('orders/k')).toMatchObject({ version: 1, id: 'T1' });
    await expectInvariants(world);
    await expectRest(world, { committed: ['T1'] });
  });

  it('adopt: in version order', async () => {
    const world = await openWorld({ sites: THREE });
    await world.commit('east', 'T1', versioned('a', 0));
    await decidedAlone(world, 'T2', [versioned('b', 1)], { reaching: ['north'] });
    await decidedAlone(world, 'A3', [event('free')], { reaching: ['west'] });
    await world.takeover('north');
    for (const site of ['west', 'north']) {
      expect((await world.standing(site)).versions.get('orders/k')).toMatchObject({ version: 2, id: 'T2' });
      expect((await world.standing(site)).status('A3')).toBe('committed');
    }
    await expectRest(world, { committed: ['T1', 'T2', 'A3'] });
  });

  it('followerMark: what one follower alone holds is found by its mark', async () => {
    const world = await openWorld({ sites: THREE });
    await decidedAlone(world, 'T1', [event(1)], { reaching: ['west'] });
    expect((await world.standing('west')).marks.get('T1')).toMatchObject({ state: 'pending' });
    await world.takeover('north');
    expect((await world.standing('north')).status('T1')).toBe('committed');
    await expectRest(world, { committed: ['T1'] });
  });

  it('joiningOut: a takeover takes everybody out of joining', async () => {
    const world = await openWorld({ sites: THREE });
    await leave(world, 'north');
    const { gate, end } = await almostJoined(world, 'north');
    // T1 reaches west only: north would be in sync without it.
    await decidedAlone(world, 'T1', [event(1)], { reaching: ['west'] });
    world.lose('east');
    // As soon as west serves, and before it tells anybody anything.
    const opening = world.hooks.hold({ by: 'west', method: 'raise' });
    const taking = world.start(world.node('west').watch());
    await world.run(opening.reached);
    expect(await world.route()).toMatchObject({ phase: 'serving', home: 'west' });
    expect((await world.route()).joining).toEqual({});
    world.heal();
    gate.release();
    await world.outcome(end);
    expect((await world.route()).inSync).toEqual(['west']);
    await expectInvariants(world);
    opening.release();
    await world.run(taking);
    await expectRest(world, { committed: ['T1'] });
  });

  it('serveLast: nobody serves before all is adopted; who crashes before is followed by another', async () => {
    const world = await openWorld({ sites: THREE });
    await decidedAlone(world, 'T1', [event(1)], { reaching: ['north'] });
    world.lose('east');
    const west = await world.coordinator('west/2');
    const held = world.hooks.hold({ by: 'west/2', method: 'adopt', to: 'west' });
    void world.start(west.watch());
    await world.run(held.reached);
    world.hooks.crash('west/2');
    expect(await world.route()).toMatchObject({ phase: 'taking-over', home: 'west', term: 2 });
    expect((await world.standing('west')).guards.map(({ open }) => open)).toEqual([false, false]);
    await world.run(world.node('north').watch());
    expect(await world.route()).toMatchObject({ phase: 'serving', home: 'west', term: 2 });
    expect((await world.standing('west')).status('T1')).toBe('committed');
    await expectInvariants(world);
    await expectRest(world, { committed: ['T1'] });
  });

  it('serveLast: the guards of the new home open last', async () => {
    const world = await openWorld();
    world.lose('east');
    const held = world.hooks.hold({ by: 'west', method: 'raise' });
    const taking = world.start(world.node('west').watch());
    await world.run(held.reached);
    expect((await world.route()).phase).toBe('serving');
    expect((await world.standing('west')).guards.map(({ open }) => open)).toEqual([false, false]);
    held.release();
    await world.run(taking);
    expect(await world.commit('west', 'T1')).toMatchObject({ atRisk: true });
  });

  it('own probe: a site takes over only after a probe of its own failed', async () => {
    const world = await openWorld();
    // Requests that west passes on are lost; home is well.
    world.hooks.fail({ by: 'west', to: 'east', method: 'perform' });
    expect(await world.outcome(world.commit('west', 'T1'))).toBe('NotHome');
    expect(await world.route()).toMatchObject({ term: 1, home: 'east' });
  });

  it('witness: not while another site sees home', async () => {
    const world = await openWorld({ sites: THREE });
    world.faults({ site: 'west', kind: 'partition', peer: 'east' });
    await world.run(world.node('west').watch());
    expect(await world.outcome(world.commit('west', 'T1'))).toBe('NotHome');
    expect(await world.route()).toMatchObject({ term: 1, home: 'east' });
    world.lose('east');
    await world.run(world.node('west').watch());
    expect(await world.route()).toMatchObject({ term: 2, home: 'west' });
  });

  it('the request that met the failure takes over, and is answered', async () => {
    const world = await openWorld();
    world.lose('east');
    expect(await world.commit('west', 'T1')).toMatchObject({ status: 'committed', atRisk: true });
    await expectRest(world, { committed: ['T1'] });
  });

  it('planned move: the old home stays in sync', async () => {
    const world = await openWorld();
    await decidedAlone(world, 'T1');
    await world.run(world.node('west').service.moveHome({ to: 'west' }));
    expect(await world.route()).toMatchObject({ home: 'west', inSync: ['west', 'east'], term: 2 });
    // Fenced and adopted from like the others: what it alone had is kept.
    expect((await world.standing('west')).status('T1')).toBe('committed');
    await expectRest(world, { committed: ['T1'] });
  });

  it('passed on: a deposed home passes its request on with the same id', async () => {
    const world = await openWorld();
    await world.coordinator('east/2');
    await world.run(world.node('west').service.moveHome({ to: 'west' }));
    expect(await world.commit('east/2', 'T1')).toMatchObject({ id: 'T1', replicas: 2 });
    const passed = world.hooks.calls.find(({ by, method }) => by === 'east/2' && method === 'perform');
    expect(passed).toMatchObject({ to: 'west', args: [{ operation: 'commitOnce', args: [{ id: 'T1' }] }] });
    await expectRest(world, { committed: ['T1'] });
  });

  it('passed on: also where it had been decided and was overruled, with one effect', async () => {
    const world = await openWorld();
    const held = world.hooks.hold({ by: 'east/2', to: 'west', method: 'replicate' });
    const { end } = await world.startCommit('east/2', 'T1', versioned('a', 0));
    await world.run(held.reached);
    await world.takeover('west');
    held.release();
    expect(await world.outcome(end)).toMatchObject({ id: 'T1', status: 'committed' });
    await expectRest(world, { committed: ['T1'] });
    expect((await world.standing('east')).decided('T1')?.at.startsWith('00000002')).toBe(true);
  });

  describe('a deposed home that does not know it', () => {
    /** East is cut off, west has taken over; an old process of east works on with the route that it knows. */
    async function cutOff(): Promise<World> {
      const world = await openWorld();
      await world.coordinator('east/2');
      world.faults({ site: 'east', kind: 'partition' });
      await world.run(world.node('west').watch());
      expect(await world.route()).toMatchObject({ term: 2, home: 'west' });
      return world;
    }

    it('refuses nothing on sight: a retry of what was committed elsewhere is no conflict of versions', async () => {
      const world = await cutOff();
      const first = event('first', { expectedVersion: 0 });
      // Taken by the cut-off home, which brings it nowhere: to be overruled.
      const { service } = await world.coordinator('east/2');
      expect(await world.outcome(service.commitOnce({ id: 'T0', events: [first] }))).toBe('Undetermined');
      await world.commit('west', 'T1', first);
      expect(await world.outcome(service.commitOnce({ id: 'T1', events: [first] }))).toBe('Unavailable');
      await world.run(world.node('west').service.begin({ id: 'T2', streams: ['orders'] }));
      expect(await world.outcome(service.commit('T2', { digests: [] }))).toBe('Unavailable');
      await expectRest(world, { committed: ['T1'] });
    });

    it('refused on sight only by home: what the route denies once it is read again is passed on', async () => {
      const world = await cutOff();
      const first = event('first', { expectedVersion: 0 });
      const { service } = await world.coordinator('east/2');
      expect(await world.outcome(service.commitOnce({ id: 'T0', events: [first] }))).toBe('Undetermined');
      await world.commit('west', 'T1', first);
      await world.run(world.node('west').service.begin({ id: 'T2', streams: ['orders'] }));
      // The control store answers again, and nobody has fenced east yet.
      world.faults();
      expect(await world.outcome(service.commitOnce({ id: 'T1', events: [first] }))).toMatchObject({ id: 'T1' });
      expect(await world.outcome(service.getTransaction('T2'))).toMatchObject({ status: 'open' });
      await expectRest(world, { committed: ['T1'] });
    });

    it('says to no reader that it is caught up', async () => {
      const world = await cutOff();
      await world.commit('west', 'T1');
      const { service } = await world.coordinator('east/2');
      const page = await world.run(service.readEvents({ stream: 'orders', site: 'east' }));
      expect(page).toMatchObject({ events: [], caughtUp: false });
    });
  });
});
