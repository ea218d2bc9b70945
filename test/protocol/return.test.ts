import type { Reconciliation } from '../../src/core/api.js';
import type { Route } from '../../src/core/route.js';
import { RECONCILIATION } from '../../src/workflows/reconciliation.js';
import { expectInvariants, expectRest } from '../support/invariants.js';
import type { Call } from '../support/hooks.js';
import { arrivals, decidedAlone, isDecisionOn, leave, versioned } from '../support/scenes.js';
import { type World, digestOf, event, openWorld } from '../support/world.js';

describe('return', () => {
  it('overrule: what the lost home alone had decided is deleted and reported', async () => {
    const world = await openWorld();
    await decidedAlone(world, 'T1');
    await world.takeover('west');
    await world.round('east');
    expect((await world.standing('east')).status('T1')).toBe('none');
    expect((await world.standing('east')).marks.has('T1')).toBe(false);
    const { incidents } = await world.run(world.node('west').service.listIncidents({}));
    expect(JSON.stringify(incidents)).toContain('1 decisions were overruled');
    await expectRest(world);
  });

  it('overrule: not what home has', async () => {
    const world = await openWorld();
    // Its mark is still there: it was never cleared.
    const end = world.hooks.fail({ by: 'east', port: 'tables', method: 'writeEach' });
    await world.commit('east', 'T1');
    end();
    await world.takeover('west');
    await expectRest(world, { committed: ['T1'] });
  });

  it('overrule: the newest first, where two follow on each other', async () => {
    const world = await openWorld();
    // Predecessors are applied first, so this cannot come about: the order is a second lock. West lies.
    const logged = () => Promise.resolve({ outcomes: [{ kind: 'logged' }], behind: [], nowMs: world.clock.now() });
    const ends = [
      world.hooks.meet({ by: 'east', to: 'west', method: 'replicate' }, logged),
      world.hooks.fail({ by: 'east', port: 'tables', method: 'writeEach' }),
      // Nor are they taken for pending, and told again.
      world.hooks.meet({ by: 'east', port: 'streams', method: 'put' }, (call) =>
        Promise.resolve((call.args[1] as readonly unknown[]).map(() => ({ ok: true }))),
      ),
    ];
    await world.commit('east', 'T1', versioned('a', 0));
    await world.commit('east', 'T2', versioned('b', 1));
    expect((await world.standing('west')).status('T1')).toBe('none');
    await world.takeover('west');
    for (const end of ends) end();
    await world.round('east');
    const east = await world.standing('east');
    expect([east.status('T1'), east.status('T2'), east.versions.size]).toEqual(['none', 'none', 0]);
    await expectRest(world);
  });

  it('selfFence: before it cleans itself, nothing of an older term is written there any more', async () => {
    const world = await openWorld();
    await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', port: 'tables', when: isDecisionOn('T1') });
    await world.startCommit('east/2', 'T1');
    await world.run(held.reached);
    await world.takeover('west');
    await world.round('east');
    expect((await world.route()).inSync).toEqual(['west', 'east']);
    world.hooks.crash('east/2');
    held.release();
    await world.run(world.clock.sleep(10));
    expect((await world.standing('east')).status('T1')).toBe('none');
    await expectRest(world);
  });

  it('in sync: an attempt that comes when another one has ended cleans nothing away', async () => {
    const world = await openWorld();
    const { service } = world.node('east');
    await leave(world, 'west');
    const late = await world.coordinator('west/2');
    const held = world.hooks.hold({ by: 'west/2', to: 'east', method: 'probe' });
    const end = world.start(late.watch());
    await world.run(held.reached);
    await world.round('west');
    expect((await world.route()).inSync).toContain('west');
    await world.run(service.begin({ id: 'T1', streams: ['orders'] }));
    await world.run(service.write('T1', { events: [event(1)] }));
    held.release();
    await world.outcome(end);
    const [mirrored] = (await world.standing('west')).staged.get('T1') ?? [];
    expect(mirrored?.digest).toBe(digestOf(event(1)));
  });

  it('cleanFirst: it cleans itself before it joins', async () => {
    const world = await openWorld();
    await decidedAlone(world, 'T1', [versioned('lost', 0)]);
    await world.takeover('west');
    const cleaning = world.hooks.hold({ by: 'east', to: 'west', method: 'lookup' });
    const end = world.start(world.node('east').watch());
    await world.run(cleaning.reached);
    expect((await world.route()).joining).toEqual({});
    // The version that east has given away comes anew.
    await world.commit('west', 'T2', versioned('kept', 0));
    cleaning.release();
    await world.outcome(end);
    expect((await world.standing('east')).versions.get('orders/k')).toMatchObject({ version: 1, id: 'T2' });
    await expectRest(world, { committed: ['T2'] });
  });

  it('versionBack: versions of overruled decisions go back, the newest first', async () => {
    const world = await openWorld();
    await world.commit('east', 'T1', versioned('a', 0));
    // Two that follow on each other, in one transaction, and no replica of either.
    await decidedAlone(world, 'T2', [versioned('b', 1), event('c', { expectedVersion: 2 })]);
    await world.takeover('west');
    await world.round('east');
    expect((await world.standing('east')).versions.get('orders/k')).toMatchObject({ version: 1, id: 'T1' });
    await world.commit('east', 'T3', versioned('d', 1));
    await expectRest(world, { committed: ['T1', 'T3'] });
  });

  it('versionBack: a first version is gone altogether', async () => {
    const world = await openWorld();
    await decidedAlone(world, 'T1', [versioned('a', 0)]);
    await world.takeover('west');
    await world.round('east');
    expect((await world.standing('east')).versions.size).toBe(0);
    await expectRest(world);
  });

  it('stagings: those of a lost home are forgotten, those still open come with the copy', async () => {
    const world = await openWorld();
    const { service } = world.node('east');
    await world.run(service.begin({ id: 'T1', streams: ['orders'] }));
    await world.run(service.write('T1', { events: [event(1)] }));
    await world.run(service.begin({ id: 'T2', streams: ['orders'] }));
    await world.takeover('west');
    const west = world.node('west').service;
    await world.run(west.commit('T1', { digests: [digestOf(event(1))] }));
    await world.round('east');
    // Nobody but east knew T2: nothing of it had been written.
    expect((await world.standing('east')).status('T2')).toBe('none');
    await expectRest(world, { committed: ['T1'] });
  });

  it('term: a retry after the return is decided once more, and once only', async () => {
    const world = await openWorld();
    await decidedAlone(world, 'T1', [versioned('a', 0)]);
    await world.takeover('west');
    await world.settle();
    await world.commit('east', 'T1', versioned('a', 0));
    await world.commit('west', 'T1', versioned('a', 0));
    await expectInvariants(world, { committed: ['T1'] });
    await expectRest(world, { committed: ['T1'] });
  });

  it('refilling: however an attempt ends, the streams here take records again', async () => {
    const world = await openWorld();
    // The control store is away from the plan on: neither can be told that it was made, nor that it was given up.
    let isAway = false;
    world.hooks.meet({ by: 'west', to: 'east', method: 'closeNow' }, (_call, effect) => {
      isAway = true;
      return effect();
    });
    const isRecord = ({ args: [name] }: Call) => isAway && typeof name === 'string' && /^(audit|reconcil)/.test(name);
    const end = world.hooks.fail({ by: 'west', port: 'control', when: isRecord });
    await world.outcome(world.node('west').service.reconcile({ site: 'west' }));
    await world.clock.advance(30_000);
    expect(isAway).toBe(true);
    await world.commit('east', 'T1');
    await world.run(world.node('west').tend());
    expect(await arrivals(world, 'west')).toEqual(['T1']);
    end();
    await expectRest(world, { committed: ['T1'] });
  });

  /** What was proved so far, the oldest first. */
  const proofs = (world: World) =>
    world.hooks.calls.flatMap(({ method, args }) =>
      method === 'compareAndSet' && String(args[0]).startsWith('reconciliation/')
        ? ((args[2] as Reconciliation).proof ?? [])
        : [],
    );

  it('untold: what an attempt that broke off has overruled is in the proof of the next one', async () => {
    const world = await openWorld();
    await decidedAlone(world, 'T1');
    await world.takeover('west');
    const end = world.hooks.fail({ by: 'east', to: 'west', method: 'raise' });
    await world.round('east');
    end();
    expect((await world.standing('east')).status('T1')).toBe('none');
    expect(proofs(world)).toEqual([]);
    await world.round('east');
    expect(proofs(world)).toMatchObject([{ overruled: ['T1'] }]);
    await world.outcome(world.node('east').service.reconcile({ site: 'east' }));
    await world.clock.advance(10_000);
    expect(proofs(world)[1]).toMatchObject({ overruled: [] });
    await expectRest(world);
  });

  it('untold: what another process has copied is in the next proof, and in that one only', async () => {
    const world = await openWorld();
    await leave(world, 'west');
    for (const id of ['T1', 'T2']) await world.commit('east', id);
    const other = await world.coordinator('west/2');
    const entering = world.hooks.hold({
      by: 'west/2',
      port: 'control',
      method: 'compareAndSet',
      when: ({ args: [name, , value] }) => name === 'route' && (value as Route).inSync.includes('west'),
    });
    void world.start(other.watch());
    await world.run(entering.reached);
    world.hooks.crash('west/2');
    await world.commit('east', 'T3');
    await world.round('west');
    expect((await world.route()).inSync).toEqual(['east', 'west']);
    expect(proofs(world)).toMatchObject([{ copied: 2 }]);
    await world.outcome(world.node('west').service.reconcile({ site: 'west' }));
    await world.clock.advance(10_000);
    expect(proofs(world)[1]).toMatchObject({ copied: 0 });
    await expectRest(world, { committed: ['T1', 'T2', 'T3'] });
  });

  it('pieces: however little one call looks at, all that was missed comes', async () => {
    const world = await openWorld({ options: { compareRows: 3 } });
    await decidedAlone(world, 'T0');
    await world.takeover('west');
    const ids = Array.from({ length: 20 }, (_, at) => `T${at + 1}`);
    for (const id of ids) await world.commit('west', id);
    const methods: string[] = [];
    for (const method of ['buckets', 'lines', 'digests']) {
      world.hooks.meet({ by: 'east', to: 'west', method }, (_, proceed) => {
        methods.push(method);
        return proceed();
      });
    }
    await world.round('east');
    expect(proofs(world)).toMatchObject([{ overruled: ['T0'], copied: ids.length }]);
    for (const method of ['buckets', 'lines']) {
      expect(methods.filter((it) => it === method).length).toBeGreaterThan(ids.length / 3);
    }
    await expectRest(world, { committed: ids });
  });

  it('lease: while one reconciliation is at its longest step, none begins beside it', async () => {
    const world = await openWorld();
    const comparing = world.hooks.hold({ by: 'west', to: 'east', method: 'digests' });
    const { service } = world.node('west');
    await world.run(service.reconcile({ site: 'west' }));
    await world.run(comparing.reached);
    const [longest] = Object.values(RECONCILIATION.states)
      .map((state) => ('timeoutSeconds' in state ? state.timeoutSeconds : 0))
      .sort((a, b) => b - a);
    await world.clock.advance((longest ?? 0) * 1000);
    expect(await world.outcome(service.reconcile({ site: 'west' }))).toBe('ReconciliationRunning');
    comparing.release();
  });

  it('crash: a return that stopped half-way begins again', async () => {
    const world = await openWorld();
    await decidedAlone(world, 'T1', [versioned('a', 0)]);
    await world.takeover('west');
    const east = await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', to: 'west', method: 'digests' });
    void world.start(east.watch());
    await world.run(held.reached);
    world.hooks.crash('east/2');
    await world.commit('west', 'T2', versioned('b', 0));
    await expectRest(world, { committed: ['T2'] });
    const { status } = await world.standing('east');
    expect(status('T1')).toBe('none');
  });
});
