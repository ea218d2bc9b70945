import { putHere } from '../../src/app/put.js';
import { expectInvariants, expectRest } from '../support/invariants.js';
import { arrivals } from '../support/scenes.js';
import { type World, event, openWorld } from '../support/world.js';

const down = (world: World, site: string): void => world.faults({ site, stream: 'orders', kind: 'down' });

describe('streams', () => {
  it('backlog: a mirror that takes nothing does not block the commit', async () => {
    const world = await openWorld();
    down(world, 'west');
    expect(await world.commit('east', 'T1')).toMatchObject({ status: 'committed', replicas: 2 });
    expect((await world.standing('west')).backlog.get('orders')).toEqual(['T1']);
    expect((await world.route()).active['orders']).toBe('east');
    await expectInvariants(world, { committed: ['T1'] });
    await expectRest(world, { committed: ['T1'] });
  });

  it('backlog: new records join behind it, and it is drained in order', async () => {
    const world = await openWorld();
    down(world, 'west');
    await world.commit('east', 'T2');
    await world.commit('east', 'T1');
    world.heal();
    // The breaker would let it through by now.
    await world.clock.advance(5000);
    await world.commit('east', 'T3');
    expect(await arrivals(world, 'west')).toEqual([]);
    expect((await world.standing('west')).backlog.get('orders')).toEqual(['T2', 'T1', 'T3']);
    await world.run(world.node('west').tend());
    expect(await arrivals(world, 'west')).toEqual(['T2', 'T1', 'T3']);
    await expectRest(world, { committed: ['T1', 'T2', 'T3'] });
  });

  it('backlog: a mirror that is slow to fail does not make its site look lost', async () => {
    const world = await openWorld();
    const orders = { site: 'west', stream: 'orders' };
    world.faults({ ...orders, kind: 'slow', delayMs: 150 }, { ...orders, kind: 'flaky', rate: 1 });
    expect(await world.commit('east', 'T1')).toMatchObject({ status: 'committed', replicas: 2 });
    // It answers before home gives it up, and asks again.
    expect(world.hooks.calls.filter(({ method }) => method === 'replicate')).toHaveLength(1);
    expect((await world.standing('west')).backlog.get('orders')).toEqual(['T1']);
    await expectRest(world, { committed: ['T1'] });
  });

  it('backlog: a commit that no replica takes drains the one at home, as soon as that takes records again', async () => {
    const world = await openWorld();
    world.faults(...world.sites.map((site) => ({ site, stream: 'orders', kind: 'throttle' }) as const));
    expect(await world.outcome(world.commit('east', 'T1'))).toBe('Undetermined');
    world.heal();
    expect(await world.commit('east', 'T2')).toMatchObject({ status: 'committed' });
    expect(await arrivals(world, 'east')).toEqual(['T1', 'T2']);
    await expectRest(world, { committed: ['T1', 'T2'] });
  });

  it('backlog: whoever asks is told of one that another process has left', async () => {
    const world = await openWorld();
    const early = await world.coordinator('west/2');
    down(world, 'west');
    await world.commit('east', 'T1');
    expect((await world.run(early.agent.probe())).behind).toEqual(['orders']);
    await expectRest(world, { committed: ['T1'] });
  });

  it('backlog: another process of the site learns of it, and of its end', async () => {
    const world = await openWorld();
    const early = await world.coordinator('west/2');
    down(world, 'west');
    await world.commit('east', 'T1');
    const late = await world.coordinator('west/3');
    expect([early.site.behind.size, late.site.behind.size]).toEqual([0, 1]);
    await world.run(early.recall());
    expect([...early.site.behind]).toEqual(['orders']);
    world.heal();
    await world.clock.advance(5000);
    await world.run(world.node('west').tend());
    for (const node of [early, late]) await world.run(node.recall());
    expect([early.site.behind.size, late.site.behind.size]).toEqual([0, 0]);
  });

  it('anew: a stream that somebody deleted is made anew, and filled from the log', async () => {
    const world = await openWorld();
    for (const id of ['T1', 'T2', 'T3']) await world.commit('east', id);
    await world.settle();
    const { physicalName } = world.node('west').site.registry.localReplica('orders') ?? { physicalName: '' };
    await world.run(world.node('west').site.streams.remove(physicalName));
    // Nobody may have noticed: all that is told of it is that it is closed further and further.
    await world.run(world.node('east').close());
    for (let round = 0; round < 4; round += 1) await world.run(world.node('west').tend());
    await world.commit('east', 'T4');
    await world.settle();
    expect(new Set(await arrivals(world, 'west'))).toEqual(new Set(['T1', 'T2', 'T3', 'T4']));
    const page = await world.run(world.node('west').service.readEvents({ stream: 'orders', site: 'west' }));
    expect(page.events.map(({ transactionid }) => transactionid)).toEqual(['T1', 'T2', 'T3', 'T4']);
    await expectRest(world, { committed: ['T1', 'T2', 'T3', 'T4'] });
  });

  it('anew: a reader that meets a deleted stream has it read elsewhere', async () => {
    const world = await openWorld();
    await world.commit('east', 'T1');
    await world.settle();
    const { physicalName } = world.node('east').site.registry.localReplica('orders') ?? { physicalName: '' };
    await world.run(world.node('east').site.streams.remove(physicalName));
    const page = await world.run(world.node('east').service.readEvents({ stream: 'orders' }));
    expect(page.events.map(({ transactionid }) => transactionid)).toEqual(['T1']);
    expect((await world.route()).active['orders']).toBe('west');
    // Who asks for that very replica is told to come back.
    const there = world.outcome(world.node('east').service.readEvents({ stream: 'orders', site: 'east' }));
    expect(await world.run(there)).toBe('Unavailable');
  });

  it('closed: it never passes a backlog', async () => {
    const world = await openWorld();
    down(world, 'west');
    await world.commit('east', 'T1');
    await world.run(world.node('east').close());
    const at = (await world.standing('east')).decided('T1')?.at ?? '';
    const closed = async (site: string) => (await world.standing(site)).closed.get('orders') ?? '';
    expect((await closed('east')) >= at).toBe(true);
    expect((await closed('west')) < at).toBe(true);
    world.heal();
    await world.settle();
    expect((await closed('west')) >= at).toBe(true);
  });

  it('closed: not before all at or below it is applied', async () => {
    const world = await openWorld();
    await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', to: 'west', method: 'replicate' });
    await world.startCommit('east/2', 'T1');
    await world.run(held.reached);
    const here = world.hooks.hold({ by: 'east', to: 'west', method: 'replicate' });
    const closing = world.start(world.node('east').close());
    await world.run(here.reached);
    const at = (await world.standing('east')).decided('T1')?.at ?? '';
    expect(((await world.standing('east')).closed.get('orders') ?? '') < at).toBe(true);
    here.release();
    await world.run(closing);
    expect(((await world.standing('east')).closed.get('orders') ?? '') >= at).toBe(true);
    expect(await arrivals(world, 'east')).toEqual(['T1']);
  });

  it('switchover: the request that met the failure moves the stream, and goes on', async () => {
    const world = await openWorld();
    down(world, 'east');
    expect(await world.commit('east', 'T1')).toMatchObject({ status: 'committed' });
    expect((await world.route()).active['orders']).toBe('west');
    expect(await arrivals(world, 'west')).toEqual(['T1']);
    await expectInvariants(world, { committed: ['T1'] });
    await expectRest(world, { committed: ['T1'] });
  });

  it('switchover: only to a replica that is level', async () => {
    const world = await openWorld();
    down(world, 'west');
    await world.commit('east', 'T1');
    world.faults({ site: 'west', stream: 'orders', kind: 'down' }, { site: 'east', stream: 'orders', kind: 'down' });
    expect(await world.outcome(world.commit('east', 'T2'))).toBe('Undetermined');
    expect((await world.route()).active['orders']).toBe('east');
    await expectInvariants(world, { committed: ['T1'] });
    await expectRest(world, { committed: ['T1', 'T2'] });
  });

  it('switchover: to a replica that was made since this process looked', async () => {
    const policy = { mirrors: { count: 1, create: 'on-begin' } } as const;
    const world = await openWorld({ streams: { orders: policy }, creationMs: 1000 });
    const begun = world.engine.service.begin({ streams: ['orders'] });
    await world.clock.advance(500);
    const stale = await world.coordinator('east/2');
    await world.clock.advance(1000);
    await begun;
    await world.run(world.node('west').tend());
    down(world, 'east');
    const commit = stale.service.commitOnce({ id: 'T1', events: [event(1)] });
    expect(await world.run(commit)).toMatchObject({ status: 'committed' });
    expect((await world.route()).active['orders']).toBe('west');
    await expectRest(world, { committed: ['T1'] });
  });

  it('switchover: an operator is refused while no replica is level', async () => {
    const world = await openWorld();
    down(world, 'west');
    await world.commit('east', 'T1');
    const { service } = world.node('east');
    expect(await world.outcome(service.switchover('orders', { to: 'west' }))).toBe('ReplicaBehind');
    await world.settle();
    expect(await world.outcome(service.switchover('orders', { to: 'west' }))).toMatchObject({ kind: 'switchover' });
    await world.commit('east', 'T2');
    expect(await arrivals(world, 'west')).toEqual(['T1', 'T2']);
  });

  it('shrink: streams active at a site that is left become active at home', async () => {
    const world = await openWorld();
    const { service } = world.node('east');
    await world.run(service.switchover('orders', { to: 'west' }));
    world.lose('west');
    await world.commit('east', 'T1');
    expect(await world.route()).toMatchObject({ inSync: ['east'], active: { orders: 'east' } });
    expect(await arrivals(world, 'east')).toEqual(['T1']);
    await expectRest(world, { committed: ['T1'] });
  });

  it('shards: parts of one transaction are all on the replicas, or wait there together', async () => {
    const world = await openWorld({ streams: { orders: { shards: 2 }, other: {} } });
    world.faults({ site: 'west', stream: 'other', kind: 'down' });
    await world.commit('east', 'T1', event(1, { key: 'a' }), event(2, { stream: 'other' }));
    expect(await arrivals(world, 'west', 'orders')).toEqual(['T1']);
    expect((await world.standing('west')).backlog.get('other')).toEqual(['T1']);
    await expectRest(world, { committed: ['T1'] });
  });

  it('replica: a process that does not know of it yet leaves no hole in it', async () => {
    const world = await openWorld({ streams: { orders: { mirrors: { count: 1, create: 'on-begin' } } } });
    const stale = await world.coordinator('west/2');
    await world.commit('east', 'T1');
    await world.run(world.engine.service.begin({ streams: ['orders'] }));
    await world.run(world.node('west').tend());
    // The replica is filled and ready; the process that takes what comes next has never heard of it.
    expect((await world.standing('west')).on('orders')).toEqual(['T1']);
    expect(stale.site.registry.localReplica('orders')).toBeUndefined();
    await world.commit('east', 'T2');
    const entries = [(await world.standing('west')).decided('T2')!];
    expect(await world.run(putHere(stale.site, entries))).toEqual([]);
    expect(stale.site.registry.localReplica('orders')).toBeDefined();
    await expectRest(world, { committed: ['T1', 'T2'] });
  });

  it('creating: a stream that takes long is answered for while it is made, and takes commits', async () => {
    const world = await openWorld({ streams: {}, creationMs: 60_000 });
    const { service } = world.node('east');
    const startedAt = world.clock.now();
    const put = await world.run(service.putStream('orders', { shards: 2 }));
    // API Gateway waits for 29 s, a client for 10.
    expect(world.clock.now() - startedAt).toBeLessThan(9_000);
    expect(put).toMatchObject({ status: 'creating', shards: [], mirrors: [{ site: 'west', status: 'creating' }] });
    expect(await world.commit('east', 'T1')).toMatchObject({ status: 'committed', replicas: 2 });
    await world.clock.advance(60_000);
    await world.settle();
    // Asked once more, as a client does that got no answer.
    expect(await world.run(service.putStream('orders', { shards: 2 }))).toMatchObject({
      status: 'in-sync',
      shards: [expect.any(String), expect.any(String)],
      mirrors: [{ site: 'west', status: 'in-sync' }],
    });
    for (const site of ['east', 'west']) expect(await arrivals(world, site)).toEqual(['T1']);
    await expectRest(world, { committed: ['T1'] });
  });

  it('creating: nor does it wait for a site that does not answer', async () => {
    const world = await openWorld({ streams: {} });
    world.hooks.hold({ by: 'east', port: 'peers', to: 'west', method: 'tend' });
    const put = await world.run(world.node('east').service.putStream('orders', {}));
    expect(put).toMatchObject({ status: 'in-sync', mirrors: [{ site: 'west', status: 'creating' }] });
  });

  it('throttled: a reader is told so, not that something broke', async () => {
    const world = await openWorld();
    await world.commit('east', 'T1');
    world.faults({ site: 'east', part: 'streams', kind: 'throttle' });
    expect(await world.outcome(world.node('east').service.readEvents({ stream: 'orders' }))).toBe('Throttled');
    expect(await world.outcome(world.node('west').service.readEvents({ stream: 'orders' }))).toBe('Throttled');
  });

  it('mirrors that could not be made when a transaction wanted them come later', async () => {
    const world = await openWorld({ streams: { orders: { mirrors: { count: 1, create: 'on-begin' } } } });
    const end = world.hooks.fail({
      by: 'east',
      port: 'control',
      when: (call) => String(call.args[0]).startsWith('stream/'),
    });
    await world.commit('east', 'T1');
    await world.clock.advance(100);
    end();
    const replicas = async () =>
      Object.keys(
        (await world.run(world.node('west').site.registry.refresh()),
        world.node('west').site.registry.known('orders')?.replicas ?? {}),
      );
    expect(await replicas()).toEqual(['east']);
    // Nobody names the stream again.
    await world.run(world.node('east').sweep());
    expect(await replicas()).toEqual(['east', 'west']);
    await world.settle();
    expect((await world.standing('west')).on('orders')).toEqual(['T1']);
    await expectRest(world, { committed: ['T1'] });
  });

  it('a reconciliation that cannot be planned lets the backlogs drain', async () => {
    const world = await openWorld();
    const end = world.hooks.fail({ by: 'west', to: 'east', method: 'closeNow' });
    const { service, site } = world.node('west');
    const { id } = await world.run(service.reconcile({ site: 'west' }));
    await world.clock.advance(5000);
    expect(await world.run(service.getReconciliation(id))).toMatchObject({ status: 'failed' });
    end();
    world.faults({ site: 'west', stream: 'orders', kind: 'down' });
    await world.commit('east', 'T1');
    expect(site.behind.has('orders')).toBe(true);
    world.heal();
    await world.settle();
    expect((await world.standing('west')).on('orders')).toEqual(['T1']);
  });
});
