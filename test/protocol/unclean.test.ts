import type { ConflictRule, Reconciliation } from '../../src/core/api.js';
import { timestamp } from '../../src/core/timestamp.js';
import { expectRest } from '../support/invariants.js';
import { decidedAlone, keyOf, leave } from '../support/scenes.js';
import { type World, digestOf, event, openWorld } from '../support/world.js';

const keyed = (key: string, data: string, time?: string) =>
  event(data, { key, ...(time === undefined ? {} : { time }) });

/** West is left; east decides alone, and is lost; an operator forces west to go on without knowing any of it. */
async function lostAlone(
  by: ConflictRule,
  alone: (world: World) => Promise<unknown>,
  both: (world: World) => Promise<void> = () => Promise.resolve(),
): Promise<World> {
  const world = await openWorld({ streams: { orders: { conflict: { policy: 'last-write-wins', by } } } });
  await world.commit('east', 'T0', keyed('a', 'before'));
  await world.run(world.node('east').close());
  await both(world);
  world.lose('west');
  await world.run(world.node('east').watch());
  await alone(world);
  world.lose('east');
  await world.run(world.node('west').service.moveHome({ to: 'west', force: true }));
  return world;
}

const conflictsOf = async (world: World) => (await world.run(world.node('west').service.listConflicts({}))).conflicts;

const committed = async (world: World, site: string, id: string) => (await world.standing(site)).status(id);

describe('unclean takeover', () => {
  it('forced: only then, and it says so', async () => {
    const world = await openWorld();
    world.lose('west');
    await world.run(world.node('east').watch());
    world.lose('east');
    const { service } = world.node('west');
    expect(await world.outcome(service.moveHome({ to: 'west' }))).toBe('ReplicaBehind');
    expect(await world.outcome(service.moveHome({ to: 'west', force: true }))).toMatchObject({
      kind: 'unclean-takeover',
    });
  });

  it('taken over: what was acknowledged alone is decided anew, and names the old decision', async () => {
    const world = await lostAlone('commit', (it) => it.commit('east', 'T1', keyed('b', 'alone')));
    const old = (await world.standing('east')).decided('T1')?.at;
    await expectRest(world, { committed: ['T0', 'T1'] });
    expect((await world.standing('west')).decided('T1')).toMatchObject({ takenFrom: old });
    expect(await conflictsOf(world)).toEqual([]);
  });

  it('taken over: again, it names the decision that it takes over and the first of all', async () => {
    const world = await openWorld();
    await world.commit('east', 'T1');
    const entry = (await world.standing('east')).decided('T1');
    if (!entry) throw new Error('not decided');
    const [first, second] = [timestamp(1, 1), timestamp(1, 2)];
    const lives = [
      { ...entry, id: 'T2', at: second, takenFrom: first },
      { ...entry, id: 'T3', at: second, takenFrom: timestamp(1, 3), firstDecided: first },
    ];
    for (const life of lives) await world.run(world.node('east').agent.takeOver({ entry: life }));
    for (const site of world.sites) {
      const { decided, parts } = await world.standing(site);
      for (const id of ['T2', 'T3']) {
        const names = { takenFrom: second, firstDecided: first };
        expect(decided(id)).toMatchObject(names);
        expect(parts.find(({ transactionId }) => transactionId === id)).toMatchObject(names);
      }
    }
  });

  it('conflict: a commit whose id home has aborted meanwhile is recorded, not lost without a trace', async () => {
    const write = keyed('b', 'open');
    const world = await lostAlone(
      'commit',
      (it) => it.run(it.node('east').service.commit('T1', { digests: [digestOf(write)] })),
      async (it) => {
        const { service } = it.node('east');
        await it.run(service.begin({ id: 'T1', streams: ['orders'] }));
        await it.run(service.write('T1', { events: [write] }));
      },
    );
    // West knows it open, and nobody comes back for it there.
    await world.clock.advance(120_000);
    await world.run(world.node('west').sweep());
    expect(await committed(world, 'west', 'T1')).toBe('aborted');
    await expectRest(world, { committed: ['T0'] });
    expect(await conflictsOf(world)).toMatchObject([
      {
        stream: 'orders',
        key: 'b',
        winner: { transactionId: 'T1', events: [] },
        loser: { transactionId: 'T1', events: [{ data: 'open' }] },
      },
    ]);
  });

  it('conflict: the later commit wins, and the loser is recorded with both', async () => {
    const world = await lostAlone('commit', (it) => it.commit('east', 'T1', keyed('a', 'alone')));
    await world.clock.advance(1000);
    world.faults({ site: 'east', kind: 'down' });
    await world.commit('west', 'T2', keyed('a', 'later'));
    await expectRest(world, { committed: ['T0', 'T2'] });
    expect(await committed(world, 'west', 'T1')).toBe('none');
    expect(await conflictsOf(world)).toMatchObject([
      { policy: 'last-write-wins by commit', winner: { transactionId: 'T2' }, loser: { transactionId: 'T1' } },
    ]);
  });

  it('conflict: by event, the later time that the clients gave wins', async () => {
    const world = await lostAlone('event', async (it) => {
      await it.commit('east', 'T1', keyed('a', 'alone', '2026-01-03T00:00:00.000Z'));
    });
    await world.clock.advance(1000);
    await world.commit('west', 'T2', keyed('a', 'later', '2026-01-02T00:00:00.000Z'));
    await expectRest(world, { committed: ['T0', 'T1', 'T2'] });
    expect(await conflictsOf(world)).toMatchObject([
      { policy: 'last-write-wins by event', winner: { transactionId: 'T1' }, loser: { transactionId: 'T2' } },
    ]);
  });

  it('conflict: by ingest, the one that began later wins', async () => {
    const both = async (world: World) => {
      const { service } = world.node('east');
      await world.run(service.begin({ id: 'T2', streams: ['orders'] }));
      await world.run(service.write('T2', { events: [keyed('a', 'early')] }));
      await world.clock.advance(1000);
    };
    const world = await lostAlone('ingest', (it) => it.commit('east', 'T1', keyed('a', 'alone')), both);
    await world.clock.advance(1000);
    // Begun before T1, committed after it.
    await world.run(world.node('west').service.commit('T2', { digests: [digestOf(keyed('a', 'early'))] }));
    await expectRest(world, { committed: ['T0', 'T1', 'T2'] });
    expect(await conflictsOf(world)).toMatchObject([
      { policy: 'last-write-wins by ingest', winner: { transactionId: 'T1' }, loser: { transactionId: 'T2' } },
    ]);
  });

  it('again: a return that crashed and begins again records each conflict once', async () => {
    const world = await lostAlone('commit', async (it) => {
      await it.commit('east', 'T1', keyed('a', 'alone'));
      await it.commit('east', 'T3', keyed('c', 'alone'));
    });
    await world.clock.advance(1000);
    await world.commit('west', 'T2', keyed('a', 'later'));
    world.heal();
    const east = await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', to: 'west', method: 'takeOver' }, 'after');
    void world.start(east.watch());
    await world.run(held.reached);
    world.hooks.crash('east/2');
    await expectRest(world, { committed: ['T0', 'T2', 'T3'] });
    expect(await conflictsOf(world)).toHaveLength(1);
  });

  it('untold: conflicts that an attempt has recorded before it broke off are in the proof of the next one', async () => {
    const world = await lostAlone('commit', (it) => it.commit('east', 'T1', keyed('a', 'alone')));
    await world.clock.advance(1000);
    world.faults({ site: 'east', kind: 'down' });
    await world.commit('west', 'T2', keyed('a', 'later'));
    world.heal();
    const end = world.hooks.fail({ by: 'east', to: 'west', method: 'raise' });
    await world.round('east');
    end();
    expect(await committed(world, 'east', 'T1')).toBe('none');
    await world.round('east');
    const [conflict] = await conflictsOf(world);
    const proofs = world.hooks.calls.flatMap(
      ({ args }) => (args[2] as Partial<Reconciliation> | undefined)?.proof ?? [],
    );
    expect(proofs).toMatchObject([{ conflicts: [conflict?.id] }]);
    await expectRest(world, { committed: ['T0', 'T2'] });
  });

  it('gap: a reader that followed one history is told when another one, which it had left, goes on', async () => {
    const world = await lostAlone('commit', (it) => it.commit('east', 'T1', keyed('b', 'alone')));
    await world.commit('west', 'T2', keyed('c', 'there'));
    const { service } = world.node('west');
    const { events, checkpoint } = await world.run(service.readEvents({ stream: 'orders' }));
    expect(events.map(({ transactionid }) => transactionid)).toEqual(['T0', 'T2']);
    // East is forced to go on from before west was: T1 stands after all, earlier than what the reader has closed.
    world.lose('west');
    await world.run(world.node('east').service.moveHome({ to: 'east', force: true }));
    await expectRest(world, { committed: ['T0', 'T1', 'T2'] });
    const read = (at: string, from: object) =>
      world.outcome(world.node(at).service.readEvents({ stream: 'orders', ...from }));
    expect(await read('east', { checkpoint })).toBe('Gap');
    expect(await read('west', { checkpoint })).toBe('Gap');
    expect(await read('west', {})).toMatchObject({ events: [{ id: 'T0:0' }, { id: 'T1:0' }, { id: 'T2:0' }] });
  });

  it('taken over: a reader knows it again, also where home was forced in the middle of a page', async () => {
    const world = await openWorld({ options: { readMarginMs: 100 } });
    const read = (by: string, from: object) =>
      world.start(world.node(by).service.readEvents({ stream: 'orders', site: by, ...from }));
    await world.commit('east', 'T0', keyed('a', 'before'));
    await leave(world, 'west');
    await world.commit('east', 'T1', keyed('b', 'alone'));
    await world.clock.advance(1000);
    await world.run(world.node('east').close());
    const first = await world.run(read('east', {}));
    expect(first.events.map(({ transactionid }) => transactionid)).toEqual(['T0', 'T1']);
    const held = world.hooks.hold({ by: 'west', to: 'east', method: 'closeNow' });
    const page = read('west', { checkpoint: first.checkpoint });
    await world.run(held.reached);
    world.lose('east');
    const other = await world.coordinator('west/2');
    await world.run(other.service.moveHome({ to: 'west', force: true }));
    await world.run(other.close());
    held.release();
    const { checkpoint } = await world.run(page);
    await world.settle();
    expect((await world.standing('west')).decided('T1')).toMatchObject({ takenFrom: expect.any(String) as string });
    expect((await world.run(read('west', { checkpoint }))).events).toEqual([]);
  });

  describe('after a clean takeover', () => {
    /** East decides T1 alone; west takes over without it, decides T2, and closes beyond both; east is forced to go on. */
    async function turned(
      t1 = keyed('a', 'alone'),
      atWest: (world: World) => Promise<void> = () => Promise.resolve(),
    ): Promise<World> {
      const streams = { orders: {}, audit: {} };
      const world = await openWorld({ streams, options: { readMarginMs: 100 } });
      await world.commit('east', 'T0', event('before', { stream: 'audit' }), keyed('z', 'before'));
      await world.run(world.node('east').close());
      await decidedAlone(world, 'T1', [t1]);
      await world.takeover('west');
      await world.clock.advance(1000);
      await world.commit('west', 'T2', keyed('b', 'later'));
      for (let round = 0; round < 2; round += 1) await world.run(world.node('west').close());
      await atWest(world);
      world.lose('west');
      await world.run(world.node('east').service.moveHome({ to: 'east', force: true }));
      return world;
    }

    it('closed: what was closed in one history is copied from the other', async () => {
      const world = await turned();
      await expectRest(world, { committed: ['T0', 'T1', 'T2'] });
    });

    it('closed: a replica that was closed beyond what it is given later begins anew', async () => {
      const world = await turned(event('alone', { stream: 'audit' }));
      await expectRest(world, { committed: ['T0', 'T1', 'T2'] });
      const read = world.node('west').service.readEvents({ stream: 'audit', site: 'west' });
      expect((await world.run(read)).events.map(({ transactionid }) => transactionid)).toEqual(['T0', 'T1']);
    });

    it('gap: what it had left may be back, and readers that went on with it are told', async () => {
      const from: { checkpoint?: string } = {};
      const world = await turned(keyed('a', 'alone'), async (it) => {
        const { events, checkpoint } = await it.run(it.node('west').service.readEvents({ stream: 'orders' }));
        expect(events.map(({ transactionid }) => transactionid)).toEqual(['T0', 'T2']);
        from.checkpoint = checkpoint;
      });
      await expectRest(world, { committed: ['T0', 'T1', 'T2'] });
      for (const site of world.sites) {
        const { service } = world.node(site);
        expect(await world.outcome(service.readEvents({ stream: 'orders', ...from }))).toBe('Gap');
        const again = await world.run(service.readEvents({ stream: 'orders' }));
        expect(again.events.map(({ transactionid }) => transactionid)).toEqual(['T0', 'T1', 'T2']);
      }
    });

    /** East decides T1, and is lost; west takes over, and is lost; north, left long ago, is forced to be home. */
    async function leftBehind(decide: (world: World) => Promise<unknown>): Promise<World> {
      const world = await openWorld({ sites: ['east', 'west', 'north'] });
      await world.commit('east', 'T0', keyed('z', 'before'));
      await leave(world, 'north');
      await decide(world);
      expect((await world.standing('east')).marks.get('T1')).toMatchObject({ state: 'pending' });
      world.faults({ site: 'east', kind: 'down' }, { site: 'north', kind: 'down' });
      await world.run(world.node('west').watch());
      await world.run(world.node('west').close());
      world.faults({ site: 'east', kind: 'down' }, { site: 'west', kind: 'down' });
      await world.run(world.node('north').service.moveHome({ to: 'north', force: true }));
      expect(await world.route()).toMatchObject({ home: 'north', inSync: ['north'] });
      // East is back, west is not yet.
      world.lose('west');
      await world.round('east');
      expect((await world.route()).inSync).toEqual(['north', 'east']);
      return world;
    }

    it('left behind: a decision that the takeover did not adopt is overruled, whatever came after', async () => {
      const world = await leftBehind((it) => decidedAlone(it, 'T1', [keyed('a', 'alone')]));
      expect(await committed(world, 'north', 'T1')).toBe('none');
      const { incidents } = await world.run(world.node('north').service.listIncidents({}));
      expect(JSON.stringify(incidents)).toContain('1 decisions were overruled');
      await expectRest(world, { committed: ['T0'] });
      expect(await committed(world, 'north', 'T1')).toBe('none');
    });

    it('left behind: one that it did adopt comes with the site that has it', async () => {
      const world = await leftBehind(async (it) => {
        // Acknowledged, and its mark is about to go.
        it.hooks.fail({ by: 'east', method: 'writeEach', when: (call) => keyOf(call).pk.startsWith('mark#') }, 1);
        await it.commit('east', 'T1', keyed('a', 'both'));
      });
      expect(await committed(world, 'north', 'T1')).toBe('none');
      await expectRest(world, { committed: ['T0', 'T1'] });
      const { parts } = await world.standing('north');
      expect(parts.filter(({ transactionId }) => transactionId === 'T1')).toMatchObject([
        { takenFrom: expect.any(String) as string },
      ]);
    });
  });
});
