import { violations, violationsAtRest } from '../support/invariants.js';
import { digestOf, event, openWorld } from '../support/world.js';

/** Found by reading the code against the design: each failed when it was written. */
describe('counterexamples', () => {
  it('A: a follower that was left during a close is not told the bar', async () => {
    const world = await openWorld();
    // T1 is decided, its coordinator crashes before it reaches west.
    const held = world.hooks.hold({ by: 'east/2', port: 'peers', to: 'west', method: 'replicate' });
    await world.startCommit('east/2', 'T1');
    await world.run(held.reached);
    world.hooks.crash('east/2');
    // Home closes: west does not answer while T1 is applied, is left, and answers again when it is told the bar.
    const silent = (method: string) => world.hooks.fail({ by: 'east', port: 'peers', to: 'west', method });
    const ends = [silent('replicate'), silent('probe')];
    const close = world.start(world.node('east').close());
    await world.run(close);
    expect((await world.route()).inSync).toEqual(['east']);
    for (const end of ends) end();
    await world.settle();
    expect(await violationsAtRest(world)).toEqual([]);
  });

  it('A2: a home with an old route does not tell the bar to a site that was left', async () => {
    const world = await openWorld();
    const old = await world.coordinator('east/2');
    world.lose('west');
    await world.commit('east', 'T1');
    await world.run(world.node('east').close());
    expect((await world.route()).inSync).toEqual(['east']);
    world.heal();
    await world.run(old.close());
    await world.settle();
    expect(await violationsAtRest(world, { committed: ['T1'] })).toEqual([]);
  });

  it('B: a coordinator that sleeps over two changes of home does not bring an overruled decision back', async () => {
    const world = await openWorld();
    const held = world.hooks.hold({ by: 'east/2', port: 'tables', method: 'transact' }, 'after');
    const { end } = await world.startCommit('east/2', 'T1');
    await world.run(held.reached);
    await world.takeover('west');
    for (let i = 0; i < 3; i += 1) await world.round('east');
    expect((await world.standing('east')).status('T1')).toBe('none');
    await world.run(world.node('east').service.moveHome({ to: 'east' }));
    held.release();
    const answer = await world.outcome(end);
    expect(await violations(world, typeof answer === 'string' ? {} : { committed: ['T1'] })).toEqual([]);
    await world.settle();
    expect(await violationsAtRest(world)).toEqual([]);
  });

  it('C: a process that does not know a stream yet does not drop its records', async () => {
    const world = await openWorld();
    const other = await world.coordinator('east/2');
    await world.run(world.node('east').service.putStream('new', {}));
    const held = world.hooks.hold({ by: 'east', port: 'streams', method: 'put' });
    await world.startCommit('east', 'T1', event(1, { stream: 'new' }));
    await world.run(held.reached);
    world.hooks.crash('east');
    await world.run(other.sweep());
    expect((await world.standing('east')).marks.size).toBe(0);
    expect((await world.standing('east')).on('new')).toEqual(['T1']);
  });

  it('D: a late replicate of a deposed home leaves the stagings of an open transaction alone', async () => {
    const world = await openWorld();
    const { service } = await world.coordinator('east/2');
    await world.run(service.begin({ id: 'T1', streams: ['orders'] }));
    await world.run(service.write('T1', { events: [event(1)] }));
    const held = world.hooks.hold({ by: 'east/2', port: 'peers', to: 'west', method: 'replicate' });
    const end = world.start(service.commit('T1', { digests: [digestOf(event(1))] }));
    await world.run(held.reached);
    await world.takeover('west');
    held.release();
    await world.run(world.clock.sleep(1));
    expect((await world.standing('west')).staged.get('T1')).toHaveLength(1);
    expect(await world.outcome(end)).toMatchObject({ status: 'committed' });
  });

  it('E: a join does not go on while the guards of home are shut', async () => {
    const world = await openWorld({ sites: ['east', 'west', 'north'] });
    // A takeover stops between serving and opening the guards.
    const opening = world.hooks.hold({ by: 'west', port: 'peers', to: 'west', method: 'raise' });
    world.lose('east');
    const taking = world.start(world.node('west').watch());
    await world.run(opening.reached);
    world.heal();
    // An old coordinator of the new term, with the route of before the join.
    const old = await world.coordinator('west/2');
    const copying = world.hooks.hold({ by: 'east', port: 'peers', to: 'west', method: 'closeNow' });
    const end = world.start(world.node('east').watch());
    await world.run(Promise.race([copying.reached, end.catch(() => undefined)]));
    opening.release();
    await world.run(taking);
    copying.release();
    await world.outcome(end);
    // The old coordinator decides under its epoch: it may not, or east has to get it.
    await world.clock.advance(10);
    const told = await world.outcome(old.service.commitOnce({ id: 'T1', events: [event(1)] }));
    expect(await violations(world, typeof told === 'string' ? {} : { committed: ['T1'] })).toEqual([]);
    await world.settle();
    expect(await violationsAtRest(world)).toEqual([]);
  });

  it('F: what a takeover adopts late, after another one has finished it, is not adopted any more', async () => {
    const world = await openWorld({ sites: ['east', 'west', 'north'] });
    // T1 is decided at east and reaches north only.
    const held = world.hooks.hold({ by: 'east/2', port: 'peers', to: 'west', method: 'replicate' });
    await world.startCommit('east/2', 'T1', event(1, { expectedVersion: 0 }));
    await world.run(held.reached);
    await world.run(world.clock.sleep(1));
    world.hooks.crash('east/2');
    expect((await world.standing('north')).status('T1')).toBe('committed');
    // North begins to finish the takeover of west: it has found T1, and tells west late.
    world.lose('east');
    const first = world.hooks.hold({ by: 'west', port: 'peers', to: 'west', method: 'fence' });
    const taking = world.start(world.node('west').watch());
    await world.run(first.reached);
    const late = world.hooks.hold({ by: 'north', port: 'peers', to: 'west', method: 'adopt' });
    void world.start(world.node('north').watch());
    await world.run(late.reached);
    // West does not reach north, leaves it, serves without it, and gives the version to another transaction.
    const silent = world.hooks.fail({ by: 'west', port: 'peers', to: 'north' });
    first.release();
    await world.outcome(taking);
    await world.round('west');
    expect(await world.route()).toMatchObject({ phase: 'serving', inSync: ['west'] });
    await world.commit('west', 'T2', event(2, { expectedVersion: 0 }));
    late.release();
    silent();
    world.heal();
    await world.run(world.clock.sleep(10));
    expect(await violations(world, { committed: ['T2'] })).toEqual([]);
    await world.settle();
    expect(await violationsAtRest(world, { committed: ['T2'] })).toEqual([]);
  });

  it('G: ids of an earlier term are kept as long as the log is', async () => {
    const world = await openWorld();
    await world.commit('east', 'T1');
    await world.takeover('west');
    await world.settle();
    for (const site of world.sites) await world.run(world.node(site).expire());
    expect((await world.standing('west')).status('T1')).toBe('committed');
    await world.commit('west', 'T1');
    const { parts } = await world.standing('west');
    expect(new Set(parts.map((part) => part.at)).size).toBe(1);
  });

  it('H1: a request finishes the takeover that its own site began', async () => {
    const world = await openWorld();
    world.lose('east');
    const west = await world.coordinator('west/2');
    const held = world.hooks.hold({ by: 'west/2', port: 'peers', to: 'west', method: 'fence' });
    void world.start(west.service.commitOnce({ id: 'T1', events: [event(1)] }));
    await world.run(held.reached);
    world.hooks.crash('west/2');
    expect(await world.route()).toMatchObject({ phase: 'taking-over', home: 'west' });
    const { service } = world.node('west');
    expect(await world.outcome(service.commitOnce({ id: 'T2', events: [event(2)] }))).toMatchObject({ replicas: 1 });
  });

  it('H3: so does one whose process knows of it already', async () => {
    const world = await openWorld();
    world.lose('east');
    const west = await world.coordinator('west/2');
    const held = world.hooks.hold({ by: 'west/2', port: 'peers', to: 'west', method: 'fence' });
    void world.start(west.service.commitOnce({ id: 'T1', events: [event(1)] }));
    await world.run(held.reached);
    world.hooks.crash('west/2');
    const { site, service } = world.node('west');
    await world.run(site.routes.refresh());
    expect(await world.outcome(service.commitOnce({ id: 'T2', events: [event(2)] }))).toMatchObject({ replicas: 1 });
  });

  it('H2: the deposed home takes an unfinished takeover back', async () => {
    const world = await openWorld();
    world.lose('east');
    const west = await world.coordinator('west/2');
    const held = world.hooks.hold({ by: 'west/2', port: 'peers', to: 'west', method: 'fence' });
    void world.start(west.service.commitOnce({ id: 'T1', events: [event(1)] }));
    await world.run(held.reached);
    world.hooks.crash('west/2');
    world.lose('west');
    await world.round('east');
    await world.round('east');
    expect(await world.route()).toMatchObject({ home: 'east', phase: 'serving' });
  });

  it('I: where the tables of home fail, the request that meets it takes over', async () => {
    const world = await openWorld();
    world.faults({ site: 'east', part: 'tables', kind: 'down' });
    const answer = world.engine.service.commitOnce({ id: 'T1', events: [event(1)] });
    expect(await world.outcome(answer)).toMatchObject({ status: 'committed' });
    expect((await world.route()).home).toBe('west');
  });

  it('J1: a retry that is frozen over a return does not tell an overruled decision', async () => {
    const world = await openWorld();
    // T1 is decided at east and nowhere else.
    const first = world.hooks.hold({ by: 'east/2', port: 'peers', to: 'west', method: 'replicate' });
    await world.startCommit('east/2', 'T1');
    await world.run(first.reached);
    world.hooks.crash('east/2');
    // A retry has read the entry, and is about to read its mark.
    const held = world.hooks.hold({
      by: 'east/3',
      port: 'tables',
      method: 'get',
      when: ({ args }) => (args[0] as { pk: string }[])[0]?.pk.startsWith('mark#') === true,
    });
    const { end } = await world.startCommit('east/3', 'T1');
    await world.run(held.reached);
    await world.takeover('west');
    for (let i = 0; i < 3; i += 1) await world.round('east');
    expect((await world.standing('east')).status('T1')).toBe('none');
    held.release();
    const answer = await world.outcome(end);
    expect(await violations(world, typeof answer === 'string' ? {} : { committed: ['T1'] })).toEqual([]);
  });

  it('J2: nobody is told TransactionCommitted before it is applied', async () => {
    const world = await openWorld();
    const held = world.hooks.hold({ by: 'east/2', port: 'peers', to: 'west', method: 'replicate' });
    await world.startCommit('east/2', 'T1');
    await world.run(held.reached);
    world.hooks.crash('east/2');
    const { service } = world.node('east');
    expect(await world.outcome(service.write('T1', { events: [event(2)] }))).toBe('TransactionCommitted');
    expect((await world.standing('west')).status('T1')).toBe('committed');
  });

  it('J3: nor by begin, nor by the mismatch of an interactive commit', async () => {
    const world = await openWorld();
    for (const id of ['T1', 'T2']) {
      const held = world.hooks.hold({ by: `east/${id}`, port: 'peers', to: 'west', method: 'replicate' });
      await world.startCommit(`east/${id}`, id);
      await world.run(held.reached);
      world.hooks.crash(`east/${id}`);
    }
    const { service } = world.node('east');
    expect(await world.outcome(service.begin({ id: 'T1', streams: ['orders'] }))).toBe('TransactionCommitted');
    expect((await world.standing('west')).status('T1')).toBe('committed');
    expect(await world.outcome(service.commit('T2', { digests: ['0'.repeat(64)] }))).toBe('IdempotencyMismatch');
    expect((await world.standing('west')).status('T2')).toBe('committed');
  });

  it('K: with three sites, too, a stream moves only to a replica that is level', async () => {
    const world = await openWorld({ sites: ['east', 'west', 'north'] });
    world.faults({ site: 'west', stream: 'orders', kind: 'down' });
    await world.commit('east', 'T1');
    await world.run(world.clock.sleep(1000));
    expect((await world.standing('west')).backlog.get('orders')).toEqual(['T1']);
    world.faults({ site: 'west', stream: 'orders', kind: 'down' }, { site: 'east', stream: 'orders', kind: 'down' });
    // West is told to put T2 only later: it is not on the way of the commit.
    world.hooks.hold({ by: 'east', to: 'west', method: 'settle' });
    await world.commit('east', 'T2');
    expect((await world.route()).active['orders']).toBe('north');
  });

  it('L: a site that takes over without a replica of a stream keeps its records and gets one', async () => {
    const world = await openWorld({ sites: ['east', 'west', 'north'], streams: { orders: { mirrors: { count: 1 } } } });
    await world.commit('east', 'T1');
    await world.takeover('north');
    world.lose('east');
    await world.commit('north', 'T2');
    for (let i = 0; i < 3; i += 1) {
      await world.round('north');
      await world.round('west');
    }
    const active = (await world.route()).active['orders'] ?? '';
    expect((await world.standing(active)).on('orders')).toEqual(['T1', 'T2']);
  });

  it('M: a chunked commit at a deposed home is passed on', async () => {
    const world = await openWorld();
    const old = await world.coordinator('east/2');
    await world.run(world.node('west').service.moveHome({ to: 'west' }));
    const large = event('x'.repeat(500_000));
    const end = old.service.commitOnce({ id: 'T1', events: [large] });
    expect(await world.outcome(end)).toMatchObject({ status: 'committed' });
  });

  it('N: a secondary index that lags hides nothing from a join', async () => {
    const world = await openWorld();
    world.lose('west');
    await world.run(world.node('east').watch());
    await world.commit('east', 'T1');
    world.heal();
    const end = world.hooks.meet({ by: 'east', port: 'tables', method: 'queryIndex' }, () =>
      Promise.resolve({ rows: [] }),
    );
    await world.outcome(world.node('west').watch());
    end();
    await world.settle();
    expect(await violationsAtRest(world, { committed: ['T1'] })).toEqual([]);
  });

  it('O: a staging that comes late does not give a number twice', async () => {
    const world = await openWorld();
    const { service } = await world.coordinator('east/2');
    await world.run(service.begin({ id: 'T1', streams: ['orders'] }));
    // The first write reaches west twice: once now, once late.
    const late = world.hooks.meet({ by: 'east/2', to: 'west', method: 'stage' }, async (_call, effect) => {
      await effect();
      again = effect;
      return 'staged';
    });
    let again: () => Promise<unknown> = () => Promise.resolve();
    await world.run(service.write('T1', { events: [event(1)] }));
    late();
    await world.run(service.write('T1', { events: [event(2)] }));
    await world.run(again());
    await world.takeover('west');
    const west = world.node('west').service;
    await world.run(west.write('T1', { events: [event(3)] }));
    const staged = (await world.standing('west')).staged.get('T1');
    expect(staged?.map(({ data }) => data)).toEqual(['1', '2', '3']);
  });

  it('P: a route that is asked for is not older than the question', async () => {
    const world = await openWorld();
    const { site } = await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', port: 'control', method: 'get' }, 'after');
    const first = world.start(site.routes.refresh());
    await world.run(held.reached);
    await world.run(world.node('west').service.moveHome({ to: 'west' }));
    const second = world.start(site.routes.refresh());
    held.release();
    await world.run(first);
    expect((await world.run(second)).term).toBe(2);
  });

  it('Q: two writes at the same time are both mirrored', async () => {
    const world = await openWorld();
    const a = (await world.coordinator('east/2')).service;
    const b = (await world.coordinator('east/3')).service;
    await world.run(a.begin({ id: 'T1', streams: ['orders'] }));
    const slow = world.hooks.hold({ by: 'east/2', to: 'west', method: 'stage' });
    const here = world.hooks.hold({ by: 'east/2', port: 'tables', method: 'transact' });
    const first = world.start(a.write('T1', { events: [event('a')] }));
    await world.run(slow.reached);
    await world.run(here.reached);
    await world.run(b.write('T1', { events: [event('b')] }));
    slow.release();
    here.release();
    await world.run(first);
    const staged = (await world.standing('west')).staged.get('T1')?.map(({ data }) => data);
    expect(staged).toEqual(expect.arrayContaining(['"a"', '"b"']));
  });

  it('R: a write at a deposed home is passed on', async () => {
    const world = await openWorld();
    const old = await world.coordinator('east/2');
    await world.run(old.service.begin({ id: 'T1', streams: ['orders'] }));
    await world.run(old.service.write('T1', { events: [event(1)] }));
    await world.run(world.node('west').service.moveHome({ to: 'west' }));
    expect(await world.outcome(old.service.write('T1', { events: [event(2)] }))).toMatchObject({
      events: [{ number: 1 }],
    });
  });
});
