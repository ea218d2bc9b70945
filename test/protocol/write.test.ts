import { expectInvariants, expectRest } from '../support/invariants.js';
import { leave, versioned } from '../support/scenes.js';
import { type World, digestOf, event, openWorld } from '../support/world.js';

const DATA = ({ data }: { readonly data?: string }): string => data ?? '';

async function begun(world: World, more: { readonly deadlineMs?: number; readonly replication?: 'at-commit' } = {}) {
  const { service } = world.node('east');
  await world.run(service.begin({ id: 'T1', streams: ['orders'], ...more }));
  return service;
}

describe('interactive transactions', () => {
  it('eager: a write returns only when it is staged at every site in sync', async () => {
    const world = await openWorld({ sites: ['east', 'west', 'north'] });
    const service = await begun(world);
    const held = world.hooks.hold({ by: 'east', to: 'north', method: 'stage' });
    let returned = false;
    const write = world.start(service.write('T1', { events: [event(1)] }).then(() => (returned = true)));
    await world.run(held.reached);
    await world.run(world.clock.sleep(1));
    expect(returned).toBe(false);
    held.release();
    await world.run(write);
    for (const site of world.sites) expect((await world.standing(site)).staged.get('T1')?.map(DATA)).toEqual(['1']);
  });

  it('large: an event that fits no item of a table is staged in pieces, everywhere, and committed whole', async () => {
    const world = await openWorld();
    const service = await begun(world);
    const large = event('x'.repeat(500_000));
    await world.run(service.write('T1', { events: [large] }, 'request'));
    for (const site of world.sites) {
      expect((await world.standing(site)).staged.get('T1')?.map(({ digest }) => digest)).toEqual([digestOf(large)]);
    }
    await world.takeover('west');
    await world.run(world.node('west').service.commit('T1', { digests: [digestOf(large)] }));
    await expectRest(world, { committed: ['T1'] });
  });

  it('eager: a site that does not take it is left first', async () => {
    const world = await openWorld();
    const service = await begun(world);
    world.hooks.fail({ by: 'east', to: 'west' });
    await world.run(service.write('T1', { events: [event(1)] }));
    expect((await world.route()).inSync).toEqual(['east']);
  });

  it('eager: after the loss of home the transaction goes on', async () => {
    const world = await openWorld();
    const service = await begun(world);
    await world.run(service.write('T1', { events: [event(1)] }));
    await world.takeover('west');
    const west = world.node('west').service;
    await world.run(west.write('T1', { events: [event(2)] }));
    const digests = [event(1), event(2)].map(digestOf);
    expect(await world.run(west.commit('T1', { digests }))).toMatchObject({ status: 'committed', events: 2 });
    await expectRest(world, { committed: ['T1'] });
  });

  it('at-commit: a write is staged at home only', async () => {
    const world = await openWorld();
    const service = await begun(world, { replication: 'at-commit' });
    await world.run(service.write('T1', { events: [event(1)] }));
    expect((await world.standing('east')).staged.get('T1')).toHaveLength(1);
    expect((await world.standing('west')).status('T1')).toBe('none');
    expect(world.hooks.count({ by: 'east', to: 'west' })).toBe(0);
    await world.run(service.commit('T1', { digests: [digestOf(event(1))] }));
    expect((await world.standing('west')).decided('T1')?.events.map(DATA)).toEqual(['1']);
    await expectRest(world, { committed: ['T1'] });
  });

  it('stagings carry what begin said: a new home knows the transaction from its first write on', async () => {
    const world = await openWorld({ streams: { orders: {}, other: {} } });
    const { service } = world.node('east');
    const { expiresAt } = await world.run(
      service.begin({ id: 'T1', streams: ['orders', 'other'], deadlineMs: 33_000 }),
    );
    expect((await world.standing('west')).status('T1')).toBe('none');
    await world.run(service.write('T1', { events: [event(1)] }));
    await world.takeover('west');
    const west = world.node('west').service;
    expect(await world.run(west.getTransaction('T1'))).toMatchObject({
      status: 'open',
      streams: ['orders', 'other'],
      expiresAt,
    });
    expect(await world.run(west.begin({ id: 'T1', streams: ['orders', 'other'] }))).toMatchObject({ created: false });
  });

  it('EventsMissing: a coordinator that does not hold all that the client names says which', async () => {
    const world = await openWorld();
    const service = await begun(world);
    await world.run(service.write('T1', { events: [event(1)] }));
    const digests = [event(1), event(2)].map(digestOf);
    await expect(world.run(service.commit('T1', { digests }))).rejects.toMatchObject({
      code: 'EventsMissing',
      extras: { missing: [1] },
    });
    expect((await world.standing('east')).status('T1')).toBe('open');
    await world.run(service.write('T1', { events: [event(2)] }));
    expect(await world.run(service.commit('T1', { digests }))).toMatchObject({ events: 2 });
  });

  it('all events: a commit that leaves a written one out is refused', async () => {
    const world = await openWorld();
    const service = await begun(world);
    await world.run(service.write('T1', { events: [event(1), event(2)] }));
    const commit = service.commit('T1', { digests: [digestOf(event(1))] });
    expect(await world.outcome(commit)).toBe('IdempotencyMismatch');
    expect((await world.standing('east')).status('T1')).toBe('open');
  });

  it('held events: what a follower lacks is sent whole', async () => {
    const world = await openWorld();
    const service = await begun(world);
    // West says that it has staged it, and loses it.
    world.hooks.meet({ by: 'east', to: 'west', method: 'stage' }, () => Promise.resolve('staged'), 1);
    await world.run(service.write('T1', { events: [event('lost')] }));
    await world.run(service.commit('T1', { digests: [digestOf(event('lost'))] }));
    expect((await world.standing('west')).decided('T1')?.events.map(DATA)).toEqual(['"lost"']);
    expect(world.hooks.count({ by: 'east', to: 'west', method: 'replicate' })).toBe(2);
    await expectRest(world, { committed: ['T1'] });
  });

  it('held events: what it has is not sent again', async () => {
    const world = await openWorld();
    const service = await begun(world);
    await world.run(service.write('T1', { events: [event('held')] }));
    await world.run(service.commit('T1', { digests: [digestOf(event('held'))] }));
    const [sent] = world.hooks.calls.filter(({ to, method }) => to === 'west' && method === 'replicate');
    expect(JSON.stringify(sent?.args)).not.toContain('held');
    await expectRest(world, { committed: ['T1'] });
  });

  it('write: repeated with its request id it is the same write', async () => {
    const world = await openWorld();
    const service = await begun(world);
    const first = await world.run(service.write('T1', { events: [event(1)] }, 'request'));
    world.hooks.lose({ by: 'east', port: 'tables', method: 'transact' }, 1);
    await world.run(service.write('T1', { events: [event(2)] }, 'second'));
    expect(await world.run(service.write('T1', { events: [event(1)] }, 'request'))).toEqual(first);
    for (const site of world.sites)
      expect((await world.standing(site)).staged.get('T1')?.map(DATA)).toEqual(['1', '2']);
  });

  it('expired: it is told only after the abort is decided, everywhere', async () => {
    const world = await openWorld();
    const service = await begun(world, { deadlineMs: 1000 });
    await world.run(service.write('T1', { events: [event(1)] }));
    await world.clock.advance(2000);
    expect(await world.outcome(service.write('T1', { events: [event(2)] }))).toBe('TransactionExpired');
    await expectInvariants(world, { aborted: ['T1'] });
    await expectRest(world, { aborted: ['T1'] });
  });

  it('expired: not while that abort cannot be decided', async () => {
    const world = await openWorld();
    const service = await begun(world, { deadlineMs: 1000 });
    await world.clock.advance(2000);
    world.hooks.fail({ by: 'east', port: 'tables', method: 'transact' });
    expect(await world.outcome(service.commit('T1', { digests: [] }))).not.toBe('TransactionExpired');
    expect((await world.standing('east')).status('T1')).toBe('open');
  });

  it('late commit: it checks its time itself, before any sweep', async () => {
    const world = await openWorld();
    const service = await begun(world, { deadlineMs: 1000 });
    await world.run(service.write('T1', { events: [event(1)] }));
    await world.clock.advance(2000);
    expect(await world.outcome(service.commit('T1', { digests: [digestOf(event(1))] }))).toBe('TransactionExpired');
    await expectRest(world, { aborted: ['T1'] });
  });

  it('sweep: what expired is aborted, what is pending is applied, without any request', async () => {
    const world = await openWorld();
    const service = await begun(world, { deadlineMs: 1000 });
    await world.run(service.write('T1', { events: [event(1)] }));
    await world.clock.advance(2000);
    await world.run(world.node('east').sweep());
    await expectInvariants(world, { aborted: ['T1'] });
  });

  it('sweep: a follower forgets what expired and home does not know, and nothing else', async () => {
    const world = await openWorld({ sites: ['east', 'west', 'north'] });
    const service = await begun(world, { deadlineMs: 1000 });
    await world.run(service.begin({ id: 'T2', streams: ['orders'] }));
    // North alone holds the write, and east is lost: whoever becomes home has never heard of it.
    const end = world.hooks.fail({ by: 'east', to: 'west', method: 'stage' });
    await world.outcome(service.write('T1', { events: [event('x'.repeat(500_000))] }));
    await world.run(service.write('T2', { events: [event(2)] }).catch(() => undefined));
    end();
    await world.takeover('west');
    const north = world.node('north');
    await world.run(north.watch().then(() => north.sweep()));
    expect((await world.standing('north')).status('T1')).toBe('open');
    await world.clock.advance(2000);
    await world.run(north.sweep());
    const { status, marks, staged } = await world.standing('north');
    expect([status('T1'), marks.has('T1'), staged.has('T1')]).toEqual(['none', false, false]);
    expect([status('T2'), staged.has('T2')]).toEqual(['open', true]);
    await expectRest(world);
  });

  it('sweep: nor what was begun anew at home since it was asked', async () => {
    const world = await openWorld({ sites: ['east', 'west', 'north'] });
    const service = await begun(world, { deadlineMs: 1000 });
    const end = world.hooks.fail({ by: 'east', to: 'west', method: 'stage' });
    await world.outcome(service.write('T1', { events: [event(1)] }));
    end();
    await world.takeover('west');
    const north = world.node('north');
    await world.run(north.watch());
    await world.clock.advance(2000);
    const forgets = world.hooks.hold({ by: 'north', port: 'tables', method: 'transact' });
    const swept = world.start(north.sweep());
    await world.run(forgets.reached);
    const west = world.node('west').service;
    await world.run(west.begin({ id: 'T1', streams: ['orders'] }));
    await world.run(west.write('T1', { events: [event('anew')] }));
    forgets.release();
    await world.run(swept);
    expect((await world.standing('north')).staged.get('T1')?.map(DATA)).toContain('"anew"');
    expect((await world.standing('north')).marks.has('T1')).toBe(true);
    await expectRest(world);
  });

  it('sweep: nor what home still knows, or has decided meanwhile', async () => {
    const world = await openWorld();
    const service = await begun(world, { deadlineMs: 1000 });
    await world.run(service.write('T1', { events: [event(1)] }));
    await world.clock.advance(2000);
    const west = world.node('west');
    await world.run(west.sweep());
    expect((await world.standing('west')).status('T1')).toBe('open');
    // Home says that it does not know it, and aborts it before anything of it goes.
    const lookup = () => Promise.resolve([undefined]);
    world.hooks.meet({ by: 'west', to: 'east', method: 'lookup' }, lookup, 1);
    const forgets = world.hooks.hold({ by: 'west', port: 'tables', method: 'transact' });
    const swept = world.start(west.sweep());
    await world.run(forgets.reached);
    await world.run(world.node('east').sweep());
    forgets.release();
    await world.run(swept);
    await expectRest(world, { aborted: ['T1'] });
  });

  it('abort: a decision like a commit, and final', async () => {
    const world = await openWorld();
    const service = await begun(world);
    await world.run(service.write('T1', { events: [versioned('a', 0)] }));
    await world.run(service.abort('T1', { reason: 'changed my mind' }));
    const commit = service.commit('T1', { digests: [digestOf(versioned('a', 0))] });
    expect(await world.outcome(commit)).toBe('TransactionAborted');
    await expectRest(world, { aborted: ['T1'] });
  });

  it('join: a returning site gets the open transactions that it missed', async () => {
    const world = await openWorld();
    await leave(world, 'west');
    const service = await begun(world);
    await world.run(service.write('T1', { events: [event(1)] }));
    await world.settle();
    expect((await world.standing('west')).staged.get('T1')?.map(DATA)).toEqual(['1']);
  });
});
