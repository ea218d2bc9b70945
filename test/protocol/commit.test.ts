import { checkTerm, clearMark } from '../../src/core/plan.js';
import { WriteConflict } from '../../src/ports/tables.js';
import { decidedAlone, isDecisionOn, keyOf, leave, versioned } from '../support/scenes.js';
import { expectInvariants, expectRest } from '../support/invariants.js';
import { event, openWorld } from '../support/world.js';

const THREE = ['east', 'west', 'north'];

describe('deciding', () => {
  it('identity first: the id of a committed transaction never gets VersionConflict', async () => {
    const world = await openWorld();
    const first = await world.commit('east', 'T1', versioned('a', 0));
    expect(await world.commit('east/2', 'T1', versioned('a', 0))).toEqual(first);
    expect(await world.outcome(world.commit('east', 'T2', versioned('b', 0)))).toBe('VersionConflict');
    await expectRest(world, { committed: ['T1'] });
  });

  it('first decision: its events count, others get IdempotencyMismatch', async () => {
    const world = await openWorld();
    await world.commit('east', 'T1', event('first'));
    expect(await world.outcome(world.commit('east/2', 'T1', event('second')))).toBe('IdempotencyMismatch');
    for (const site of world.sites) {
      expect((await world.standing(site)).decided('T1')?.events.map(({ data }) => data)).toEqual(['"first"']);
    }
  });

  it('unknown outcome: a decision whose answer was lost has one effect', async () => {
    const world = await openWorld();
    await world.coordinator('east/2');
    world.hooks.lose({ by: 'east/2', port: 'tables', method: 'transact', when: isDecisionOn('T1') }, 1);
    const first = await world.commit('east/2', 'T1', versioned('a', 0));
    expect(await world.commit('east', 'T1', versioned('a', 0))).toEqual(first);
    expect((await world.standing('west')).parts.map((part) => part.transactionId)).toEqual(['T1']);
    await expectRest(world, { committed: ['T1'] });
  });

  it('unknown outcome: a decision on a committed id does not replace it', async () => {
    const world = await openWorld();
    const first = await world.commit('east', 'T1');
    // A process that looked before T1 was there.
    expect(await world.commit('east/2', 'T1')).toEqual(first);
    const ats = (await Promise.all(world.sites.map((site) => world.standing(site)))).map((it) => it.decided('T1')?.at);
    expect(new Set(ats).size).toBe(1);
  });

  it('WriteConflict: a decision that met another one is tried again', async () => {
    const world = await openWorld();
    await world.coordinator('east/2');
    const conflict = () => new WriteConflict('injected');
    world.hooks.fail({ by: 'east/2', port: 'tables', method: 'transact' }, 2, conflict);
    expect(await world.commit('east/2', 'T1')).toMatchObject({ replicas: 2 });
  });

  it('WriteConflict: so is one at a follower', async () => {
    const world = await openWorld();
    const conflict = () => new WriteConflict('injected');
    world.hooks.fail({ by: 'west', port: 'tables', method: 'transact' }, 2, conflict);
    expect(await world.commit('east', 'T1')).toMatchObject({ replicas: 2 });
    expect((await world.route()).inSync).toEqual(['east', 'west']);
    expect(world.hooks.count({ by: 'east', method: 'replicate' })).toBe(1);
  });

  it('WriteConflict: so are a begin and a write', async () => {
    const world = await openWorld();
    const { service } = await world.coordinator('east/2');
    const conflict = () => new WriteConflict('injected');
    world.hooks.fail({ by: 'east/2', port: 'tables', method: 'transact' }, 2, conflict);
    await world.run(service.begin({ id: 'T1', streams: ['orders'] }));
    world.hooks.fail({ by: 'east/2', port: 'tables', method: 'transact' }, 2, conflict);
    expect(await world.run(service.write('T1', { events: [event(1)] }))).toMatchObject({ events: [{ number: 0 }] });
  });

  it('batch: outcomes are independent', async () => {
    const world = await openWorld();
    const { service } = world.node('east');
    const { results } = await world.run(
      service.commitBatch({
        commits: [
          { id: 'T1', events: [event(1)] },
          { id: 'T2', events: [versioned('b', 7, 'other')] },
          { id: 'T3', events: [event(3)] },
        ],
      }),
    );
    expect(results).toMatchObject([
      { status: 'committed' },
      { problem: { code: 'VersionConflict' } },
      { status: 'committed' },
    ]);
    await expectRest(world, { committed: ['T1', 'T3'] });
    expect((await world.standing('west')).status('T2')).toBe('none');
  });

  it('batch: one that cannot be applied holds none of the others up', async () => {
    const world = await openWorld();
    world.hooks.meet({ by: 'east', to: 'west', method: 'replicate' }, async (call, effect) => {
      const { entries } = call.args[0] as { entries: readonly { id: string }[] };
      if (!entries.some(({ id }) => id === 'T1')) return effect();
      return { outcomes: entries.map(() => ({ kind: 'early' })), behind: [], nowMs: world.clock.now() };
    });
    const { results } = await world.run(
      world.node('east').service.commitBatch({
        commits: [
          { id: 'T1', events: [event(1)] },
          { id: 'T2', events: [event(2, { key: 'other' })] },
        ],
      }),
    );
    expect(results).toMatchObject([{ problem: { code: 'Undetermined' } }, { status: 'committed' }]);
  });

  it('NotEnoughReplicas: only before the decision', async () => {
    const world = await openWorld({ options: { minInSync: 2 } });
    // A takeover alone leaves fewer than that.
    world.lose('east');
    await world.run(world.node('west').watch());
    expect(await world.outcome(world.commit('west', 'T1'))).toBe('NotEnoughReplicas');
    expect((await world.standing('west')).status('T1')).toBe('none');
    await world.settle();
    expect(await world.commit('west', 'T1')).toMatchObject({ replicas: 2 });
  });

  it('NotEnoughReplicas: nor where an earlier home had decided it', async () => {
    const world = await openWorld({ sites: THREE, options: { minInSync: 2 } });
    await decidedAlone(world, 'T1', [event('T1')], { reaching: ['north'] });
    // East and west do not answer; north takes over alone, with what east had told it.
    world.faults({ site: 'east', kind: 'down' }, { site: 'west', kind: 'down' });
    await world.run(world.node('north').watch());
    expect(await world.commit('north', 'T1', event('T1'))).toMatchObject({ status: 'committed', replicas: 1 });
    expect(await world.outcome(world.commit('north', 'T2'))).toBe('NotEnoughReplicas');
    await expectRest(world, { committed: ['T1'] });
  });

  it('Undetermined: what is decided is never refused', async () => {
    const world = await openWorld({ options: { minInSync: 2, applyAttempts: 3 } });
    world.lose('west');
    expect(await world.outcome(world.commit('east', 'T1'))).toBe('Undetermined');
    expect((await world.standing('east')).status('T1')).toBe('committed');
    await expectRest(world, { committed: ['T1'] });
  });

  it('minInSync: a follower is left only while enough stay in sync', async () => {
    const world = await openWorld({ options: { minInSync: 2, applyAttempts: 4 } });
    world.lose('west');
    await world.outcome(world.commit('east', 'T1'));
    await world.run(world.node('east').watch());
    expect((await world.route()).inSync).toEqual(['east', 'west']);
    // With a third one there is somebody to spare.
    const larger = await openWorld({ sites: THREE, options: { minInSync: 2 } });
    larger.lose('north');
    expect(await larger.commit('east', 'T1')).toMatchObject({ replicas: 2 });
    expect((await larger.route()).inSync).toEqual(['east', 'west']);
  });

  it('bar: no decision at or below it', async () => {
    const world = await openWorld();
    await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', port: 'tables', when: isDecisionOn('T1') });
    const { end } = await world.startCommit('east/2', 'T1');
    await world.run(held.reached);
    await world.clock.advance(50);
    await world.run(world.node('east').close());
    const closed = (await world.standing('east')).closed.get('orders') ?? '';
    held.release();
    await world.run(end);
    // Else a reader that has passed the closed timestamp would never get it.
    expect((await world.standing('east')).decided('T1')?.at.localeCompare(closed)).toBe(1);
    const { guards } = await world.standing('east');
    expect(guards.every(({ bar }) => bar >= closed)).toBe(true);
  });

  it('upward: bar, epoch and term of a guard never go down', async () => {
    const world = await openWorld();
    await world.takeover('west');
    await world.settle();
    const { guards } = await world.standing('west');
    const { agent } = world.node('west');
    const { term } = await world.route();
    await world.run(agent.raise({ term, epoch: 1, open: true }));
    expect((await world.standing('west')).guards).toEqual(guards);
    expect(await world.run(agent.fence({ term: 1, epoch: 1 }))).toBe('stale');
    expect((await world.standing('west')).guards).toEqual(guards);
  });

  it('predecessor first: one that is still pending is applied before its successor is decided', async () => {
    const world = await openWorld();
    await decidedAlone(world, 'T1', [versioned('a', 0)]);
    expect(await world.commit('east', 'T2', versioned('b', 1))).toMatchObject({ replicas: 2 });
    const west = await world.standing('west');
    expect([west.status('T1'), west.status('T2')]).toEqual(['committed', 'committed']);
    expect(west.on('orders')).toEqual(['T1', 'T2']);
    expect(west.decided('T2')?.events[0]?.after?.id).toBe('T1');
    await expectRest(world, { committed: ['T1', 'T2'] });
  });

  it('follow on: a follower takes no version without the one before it', async () => {
    const world = await openWorld();
    await world.commit('east', 'T1', versioned('a', 0));
    const { term, epoch } = await world.route();
    const first = (await world.standing('west')).decided('T1');
    if (!first) throw new Error('T1 is not there');
    const entry = { ...first, id: 'T9', events: first.events.map((one) => ({ ...one, version: 3 })) };
    const { agent } = world.node('west');
    const { outcomes } = await world.run(agent.replicate({ term, epoch, entries: [entry], put: true, joining: false }));
    expect(outcomes).toEqual([{ kind: 'early' }]);
    expect((await world.standing('west')).status('T9')).toBe('none');
  });

  it('chunks: they stand before the decision that names them', async () => {
    const world = await openWorld();
    const large = event('x'.repeat(500_000));
    await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', port: 'tables', when: isDecisionOn('T1') });
    const { end } = await world.startCommit('east/2', 'T1', large);
    await world.run(held.reached);
    const before = world.hooks.calls.filter((call) => call.by === 'east/2' && call.method === 'transact');
    expect(before.slice(0, -1).map((call) => keyOf(call, 1).sk.split('#')[0])).toEqual(['chunk', 'chunk']);
    expect((await world.standing('east')).status('T1')).toBe('none');
    held.release();
    await world.run(end);
    for (const site of world.sites) {
      expect((await world.standing(site)).decided('T1')?.events[0]?.data).toHaveLength(500_002);
    }
    await expectRest(world, { committed: ['T1'] });
  });
});

describe('applying', () => {
  it('logsFirst: nothing is on any stream before every log in sync has it', async () => {
    const world = await openWorld();
    await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', to: 'west', method: 'replicate' });
    const { end } = await world.startCommit('east/2', 'T1');
    await world.run(held.reached);
    await expectInvariants(world);
    for (const site of world.sites) expect((await world.standing(site)).on('orders')).toEqual([]);
    held.release();
    await world.run(end);
    for (const site of world.sites) expect((await world.standing(site)).on('orders')).toEqual(['T1']);
  });

  it('mirrorLogsFirst: with several followers, none puts before the others have it too', async () => {
    const world = await openWorld({ sites: THREE });
    await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', to: 'north', method: 'replicate' });
    const { end } = await world.startCommit('east/2', 'T1');
    await world.run(held.reached);
    await world.run(world.clock.sleep(1));
    expect((await world.standing('west')).status('T1')).toBe('committed');
    await expectInvariants(world);
    expect((await world.standing('west')).on('orders')).toEqual([]);
    held.release();
    await world.run(end);
    await expectRest(world, { committed: ['T1'] });
  });

  it('ackApplied: whoever tells that it is committed has seen it everywhere, or brings it there', async () => {
    const world = await openWorld();
    await decidedAlone(world, 'T1');
    expect(await world.run(world.node('east').service.getTransaction('T1'))).toMatchObject({ status: 'committed' });
    await expectInvariants(world, { committed: ['T1'] });
    await decidedAlone(world, 'T2');
    await world.commit('east/3', 'T2');
    await expectInvariants(world, { committed: ['T1', 'T2'] });
  });

  it('ackApplied: nor is it told while that is not done', async () => {
    const world = await openWorld();
    const held = world.hooks.hold({ by: 'east', to: 'west', method: 'replicate' });
    const { end } = await world.startCommit('east', 'T1');
    await world.run(held.reached);
    let told = false;
    const asked = world.start(
      world
        .node('east')
        .service.getTransaction('T1')
        .then(() => (told = true)),
    );
    await world.clock.advance(0);
    expect(told).toBe(false);
    held.release();
    await world.run(Promise.all([end, asked]));
    await expectInvariants(world, { committed: ['T1'] });
  });

  it('putRoute: nobody puts under a route older than the mark', async () => {
    const world = await openWorld();
    await leave(world, 'west');
    // Its route is of now: west is out. It learns nothing of what follows.
    const { service } = await world.coordinator('east/2');
    await world.round('west');
    expect((await world.route()).inSync).toEqual(['east', 'west']);
    await decidedAlone(world, 'T1');
    expect(await world.run(service.getTransaction('T1'))).toMatchObject({ status: 'committed' });
    await expectInvariants(world, { committed: ['T1'] });
    expect((await world.standing('west')).on('orders')).toEqual(['T1']);
  });

  it('clearRoute: nor clears a mark where the newer route cannot be read', async () => {
    const world = await openWorld();
    await leave(world, 'west');
    const { service } = await world.coordinator('east/2');
    await world.round('west');
    await decidedAlone(world, 'T1');
    world.hooks.fail({ by: 'east/2', port: 'control' });
    expect(await world.outcome(service.getTransaction('T1'))).toBe('Undetermined');
    expect((await world.standing('east')).marks.get('T1')).toMatchObject({ state: 'pending' });
    await expectInvariants(world);
    await expectRest(world, { committed: ['T1'] });
  });

  it('mark: it is deleted only if it is the one that was read', async () => {
    const world = await openWorld();
    await decidedAlone(world, 'T1');
    const { site } = world.node('east');
    const mark = (await world.standing('east')).marks.get('T1');
    const { epoch } = await world.route();
    expect(mark).toMatchObject({ state: 'pending', epoch });
    // Late, of a reader that saw an older mark of the same id.
    await world.run(site.tables.writeEach([clearMark('T1', epoch - 1, site.copies)]));
    expect((await world.standing('east')).marks.get('T1')).toEqual(mark);
    await world.run(site.tables.writeEach([clearMark('T1', epoch, site.copies)]));
    expect((await world.standing('east')).marks.has('T1')).toBe(false);
  });

  it('followerMark: a follower keeps its mark until home says that all is applied', async () => {
    const world = await openWorld();
    await world.commit('east', 'T1');
    expect((await world.standing('west')).marks.get('T1')).toMatchObject({ state: 'pending' });
    await world.run(world.node('east').close());
    expect((await world.standing('west')).marks.has('T1')).toBe(false);
  });

  it('term: every write into a log checks the guard for its writer’s term', () => {
    expect(checkTerm(0, 3)).toMatchObject({ kind: 'check', when: [[{ attribute: 'term', is: '=', value: 3 }]] });
  });
});
