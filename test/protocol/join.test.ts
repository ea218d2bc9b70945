import { expectInvariants, expectRest } from '../support/invariants.js';
import { almostJoined, leave, versioned } from '../support/scenes.js';
import { digestOf, event, openWorld } from '../support/world.js';

describe('joining', () => {
  it('guardsBeforeCopy: home’s guards demand the epoch of the joining before anything is copied', async () => {
    const world = await openWorld();
    await leave(world, 'west');
    // Its route knows nothing of a joining.
    await world.coordinator('east/2');
    const { gate, end } = await almostJoined(world, 'west');
    const { joining } = await world.route();
    const guards = (await world.standing('east')).guards.map(({ epoch }) => epoch >= (joining['west'] ?? Infinity));
    expect(guards).toEqual([true, true]);
    // West has copied what there was: what is decided now has to be sent to it. Time passes: the bar is not what refuses.
    await world.clock.advance(100);
    await world.commit('east/2', 'T1');
    gate.release();
    await world.run(end);
    expect((await world.route()).inSync).toContain('west');
    await expectInvariants(world, { committed: ['T1'] });
    await expectRest(world, { committed: ['T1'] });
  });

  it('guardEpoch: who decides under a route of before the join is refused, and looks again', async () => {
    const world = await openWorld();
    await leave(world, 'west');
    await world.coordinator('east/2');
    await world.round('west');
    // Time passes: the bar is not what refuses.
    await world.clock.advance(100);
    expect(await world.commit('east/2', 'T1')).toMatchObject({ replicas: 2 });
    await expectInvariants(world, { committed: ['T1'] });
  });

  it('joiningMiss: who misses a decision is taken out of joining before it is put anywhere', async () => {
    const world = await openWorld();
    await leave(world, 'west');
    const { gate, end } = await almostJoined(world, 'west');
    const ends = world.hooks.fail({ by: 'east', to: 'west', method: 'replicate' });
    await world.commit('east', 'T1');
    expect((await world.route()).joining).toEqual({});
    ends();
    gate.release();
    await world.outcome(end);
    expect((await world.route()).inSync).toEqual(['east']);
    await expectInvariants(world, { committed: ['T1'] });
    await expectRest(world, { committed: ['T1'] });
  });

  it('joinIncarnation: a copy makes in sync only in the joining that it began with', async () => {
    const world = await openWorld();
    await leave(world, 'west');
    const first = await almostJoined(world, 'west/2');
    // West misses T1, is left, and another process of it begins to join anew: it has not copied anything yet.
    const ends = world.hooks.fail({ by: 'east', to: 'west', method: 'replicate' });
    await world.commit('east', 'T1');
    ends();
    const copying = world.hooks.hold({ by: 'west', to: 'east', method: 'closeNow' });
    const second = world.start(world.node('west').watch());
    await world.run(copying.reached);
    expect(Object.keys((await world.route()).joining)).toEqual(['west']);
    first.gate.release();
    await world.outcome(first.end);
    expect((await world.route()).inSync).toEqual(['east']);
    await expectInvariants(world, { committed: ['T1'] });
    copying.release();
    await world.outcome(second);
    await expectRest(world, { committed: ['T1'] });
  });

  it('joining: later decisions go there too, and wait for it', async () => {
    const world = await openWorld();
    await leave(world, 'west');
    const { gate, end } = await almostJoined(world, 'west');
    await world.commit('east', 'T1');
    expect((await world.standing('west')).status('T1')).toBe('committed');
    gate.release();
    await world.run(end);
    await expectRest(world, { committed: ['T1'] });
  });

  it('copy: versions arrive while older ones are still being copied, and stay in order', async () => {
    const world = await openWorld();
    await leave(world, 'west');
    await world.commit('east', 'T1', versioned('a', 0));
    await world.commit('east', 'T2', versioned('b', 1));
    const held = world.hooks.hold({ by: 'west', to: 'east', method: 'fetch' });
    const end = world.start(world.node('west').watch());
    await world.run(held.reached);
    await world.commit('east', 'T3', versioned('c', 2));
    held.release();
    await world.run(end);
    await expectRest(world, { committed: ['T1', 'T2', 'T3'] });
    expect((await world.standing('west')).versions.get('orders/k')).toMatchObject({ version: 3, id: 'T3' });
  });

  it('ids: they are kept while a site is missing, however old', async () => {
    const world = await openWorld({ options: { logRetentionMs: 60_000 } });
    await leave(world, 'west');
    const first = await world.commit('east', 'T1', versioned('a', 0));
    await world.clock.advance(3_600_000);
    await world.run(world.node('east').close());
    await world.run(world.node('east').expire());
    expect(await world.commit('east', 'T1', versioned('a', 0))).toEqual(first);
    await expectRest(world, { committed: ['T1'] });
    // Nobody is missing any more.
    await world.clock.advance(3_600_000);
    await world.run(world.node('east').close());
    await world.run(world.node('east').expire());
    expect((await world.standing('east')).status('T1')).toBe('none');
  });

  it('ids: one that home forgot and was asked for again is decided anew, also where the first decision still stands', async () => {
    const world = await openWorld({ options: { logRetentionMs: 60_000 } });
    await world.commit('east', 'T1', event('a'));
    await world.clock.advance(3_600_000);
    for (const site of world.sites) await world.run(world.node(site).close());
    // Home forgets it; west is left before it does.
    await world.run(world.node('east').expire());
    await leave(world, 'west');
    expect((await world.standing('west')).status('T1')).toBe('committed');
    await world.commit('east', 'T1', event('b'));
    await world.settle();
    expect((await world.route()).inSync).toContain('west');
    const [east, west] = [await world.standing('east'), await world.standing('west')];
    expect(west.decided('T1')).toEqual(east.decided('T1'));
    const put = ({ parts }: typeof west) => parts.map(({ at }) => at);
    expect(put(west)).toEqual(put(east));
    expect(put(west)).toContain(west.decided('T1')?.at);
  });

  it('copied over a late staging: no mark of an open transaction is left, and it comes back again', async () => {
    const world = await openWorld();
    const { service } = world.node('east');
    const staged = event(1);
    const late = world.hooks.hold({ by: 'east', to: 'west', method: 'stage' });
    await world.run(service.begin({ id: 'T1', streams: ['orders'] }));
    void world.start(service.write('T1', { events: [staged] }, 'request'));
    await world.run(late.reached);
    world.lose('west');
    await world.run(world.node('east').watch());
    await world.run(service.commit('T1', { digests: [digestOf(staged)] }));
    world.heal();
    // The staging lands when west has cleaned itself, before it copies what was decided.
    const joining = world.hooks.hold({ by: 'west', to: 'east', method: 'raise' });
    void world.start(world.node('west').watch());
    await world.run(joining.reached);
    late.release();
    await world.clock.advance(1);
    expect((await world.standing('west')).status('T1')).toBe('open');
    joining.release();
    await expectRest(world, { committed: ['T1'] });
    expect([...(await world.standing('west')).marks.keys()]).toEqual([]);
    world.lose('west');
    await world.run(world.node('east').watch());
    await expectRest(world, { committed: ['T1'] });
  });

  it('logs first: a joining site puts nothing on its streams that another log still lacks', async () => {
    const world = await openWorld({ sites: ['east', 'west', 'north'] });
    await leave(world, 'north');
    world.heal();
    // North is joining, and takes what is decided from now on; west does not have it yet.
    const joining = world.hooks.hold({ by: 'north', to: 'east', method: 'stagings' });
    const end = world.start(world.node('north').watch());
    await world.run(joining.reached);
    const slow = world.hooks.hold({ by: 'east', to: 'west', method: 'replicate' });
    const commit = await world.startCommit('east', 'T1');
    await world.run(slow.reached);
    joining.release();
    await world.run(end);
    expect((await world.standing('north')).status('T1')).toBe('committed');
    expect((await world.standing('west')).status('T1')).toBe('none');
    expect((await world.standing('north')).on('orders')).toEqual([]);
    slow.release();
    await world.run(commit.end);
    await expectRest(world, { committed: ['T1'] });
  });

  it('logs first: nor does a new replica, filled from the log', async () => {
    const world = await openWorld({ streams: { orders: { mirrors: { count: 1, create: 'on-begin' } } } });
    const slow = world.hooks.hold({ by: 'east', to: 'west', method: 'replicate' }, 'before');
    const commit = await world.startCommit('east', 'T1');
    await world.run(slow.reached);
    // East begins its own replica anew, as after an unclean takeover.
    const { site } = world.node('east');
    await world.run(
      site.registry.change('orders', (before) => {
        const { replicas, ...rest } = before!;
        const east = { ...replicas['east']!, physicalName: 'lockstep-east-2-orders', state: 'creating' as const };
        return { ...rest, replicas: { ...replicas, east } };
      }),
    );
    await world.run(world.node('east').tend());
    expect((await world.standing('east')).on('orders')).toEqual([]);
    slow.release();
    await world.run(commit.end);
    await expectRest(world, { committed: ['T1'] });
  });
});
