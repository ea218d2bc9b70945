import { LockstepClient, directTransport } from '../../src/client/index.js';
import type { BeginRequest, EventIn } from '../../src/core/api.js';
import { NUMBERS_AHEAD } from '../../src/core/candidate.js';
import { expectInvariants, expectRest } from '../support/invariants.js';
import { almostJoined, foresee, leave, stageForeseen, versioned } from '../support/scenes.js';
import { type World, type WorldOptions, digestOf, event, openWorld } from '../support/world.js';

const FAR_MS = 100;
const first = event('first');
const next = event('next');

/** A transaction with one write, which every site in sync knows. */
async function begun(world: World, more: Partial<BeginRequest> = {}, events: readonly EventIn[] = [first]) {
  const { service } = world.node('east');
  await world.run(service.begin({ id: 'T1', streams: ['orders'], ...more }));
  await world.run(service.write('T1', { events }));
  return service;
}

async function opened(given: WorldOptions = {}, more: Partial<BeginRequest> = {}) {
  const world = await openWorld(given);
  return { world, service: await begun(world, more) };
}

const contents = async (world: World, site: string) =>
  (await world.standing(site)).staged.get('T1')?.map(({ data }) => JSON.parse(data ?? '') as unknown);

const foreseenOf = async (world: World, given: EventIn, at = 'east') => {
  const { events } = await world.run(world.node(at).service.write('T1', { events: [given] }));
  return events[0]?.foreseen;
};

describe('candidates', () => {
  it('foreseen: a write that equals an announced candidate waits for no other site', async () => {
    const { world, service } = await opened({ roundTripMs: FAR_MS });
    await foresee(world, 'west', 'T1', next);
    const startMs = world.clock.now();
    const { events } = await world.run(service.write('T1', { events: [next] }));
    expect(world.clock.now() - startMs).toBe(0);
    expect(events).toEqual([{ number: 1, stream: 'orders', digest: digestOf(next), foreseen: ['west'] }]);
    const lateMs = world.clock.now();
    await world.run(service.write('T1', { events: [event('other')] }));
    expect(world.clock.now() - lateMs).toBe(FAR_MS);
    await expectInvariants(world);
  });

  it('digest: one that differs in anything is written like any other', async () => {
    const { world } = await opened();
    await foresee(world, 'west', 'T1', next);
    const others = [event('next '), { ...next, key: 'l' }, { ...next, type: 'other' }];
    for (const other of others) expect(await foreseenOf(world, other)).toEqual([]);
    expect(await contents(world, 'west')).toEqual(['first', 'next ', 'next', 'next']);
  });

  it('apart: nobody sees a candidate, and no commit takes it along', async () => {
    const { world, service } = await opened();
    await foresee(world, 'west', 'T1', next, event('wrong'));
    expect(await contents(world, 'west')).toEqual(['first']);
    expect((await world.run(service.getTransaction('T1'))).events).toHaveLength(1);
    await world.run(service.commit('T1', { digests: [digestOf(first)] }));
    expect((await world.standing('west')).decided('T1')?.events).toHaveLength(1);
    await expectRest(world, { committed: ['T1'] });
    for (const site of world.sites) expect(JSON.stringify((await world.standing(site)).parts)).not.toContain('wrong');
  });

  it('gone: candidates go with the transaction, however it ends', async () => {
    for (const end of ['commit', 'abort', 'expire'] as const) {
      const { world, service } = await opened({}, { deadlineMs: 1000 });
      await foresee(world, 'west', 'T1', next);
      expect([...(await world.standing('west')).candidates.keys()]).toEqual(['T1']);
      if (end === 'commit') await world.run(service.commit('T1', { digests: [digestOf(first)] }));
      else if (end === 'abort') await world.run(service.abort('T1', {}));
      else await world.clock.advance(2000).then(() => world.run(world.node('east').sweep()));
      await world.clock.advance(10);
      expect((await world.standing('west')).candidates.size).toBe(0);
      // Whatever comes late leaves nothing.
      await expect(stageForeseen(world, 'west', 'T1', next)).rejects.toThrow('no open transaction');
    }
  });

  it('confirmed: the follower learns of numbers and envelopes, without the content', async () => {
    const { world } = await opened();
    const whole = { ...next, id: 'mine', time: '2026-01-01T00:00:00Z' };
    await foresee(world, 'west', 'T1', whole);
    expect(await foreseenOf(world, whole)).toEqual(['west']);
    await world.clock.advance(10);
    const [, told] = (await world.standing('west')).staged.get('T1') ?? [];
    expect(told).toMatchObject({ number: 1, id: 'mine', time: '2026-01-01T00:00:00Z', data: '"next"' });
    const stages = world.hooks.calls.filter(
      ({ by, to, method }) => by === 'east' && to === 'west' && method === 'stage',
    );
    expect(JSON.stringify(stages.at(-1)?.args)).not.toContain('\\"next\\"');
  });

  it('held: what was foreseen is not sent with the decision either', async () => {
    const { world, service } = await opened();
    await foresee(world, 'west', 'T1', next);
    world.hooks.fail({ by: 'east', to: 'west', method: 'stage' });
    await foreseenOf(world, next);
    await world.run(service.commit('T1', { digests: [first, next].map(digestOf) }));
    const replicated = world.hooks.calls.filter(({ to, method }) => to === 'west' && method === 'replicate');
    expect(replicated).toHaveLength(1);
    expect(JSON.stringify(replicated[0]?.args)).not.toContain('next"');
    await expectRest(world, { committed: ['T1'] });
  });

  it('repeated: the same content again is foreseen again; the same write again is waited for', async () => {
    const { world, service } = await opened({ roundTripMs: FAR_MS });
    await foresee(world, 'west', 'T1', next);
    await world.run(service.write('T1', { events: [next] }, 'one'));
    expect(await foreseenOf(world, next)).toEqual(['west']);
    const startMs = world.clock.now();
    const again = await world.run(service.write('T1', { events: [next] }, 'one'));
    expect(again.events[0]).toMatchObject({ number: 1, foreseen: ['west'] });
    expect(world.clock.now() - startMs).toBe(FAR_MS);
    await world.run(service.commit('T1', { digests: [first, next, next].map(digestOf) }));
    await expectRest(world, { committed: ['T1'] });
  });

  it('three sites: only those that foresaw it are not waited for', async () => {
    const { world, service } = await opened({ sites: ['east', 'west', 'north'], roundTripMs: FAR_MS });
    await foresee(world, 'west', 'T1', next);
    const startMs = world.clock.now();
    const { events } = await world.run(service.write('T1', { events: [next] }));
    expect(events[0]?.foreseen).toEqual(['west']);
    expect(world.clock.now() - startMs).toBe(FAR_MS);
    await foresee(world, 'north', 'T1', next);
    const laterMs = world.clock.now();
    expect(await foreseenOf(world, next)).toEqual(['north', 'west']);
    expect(world.clock.now() - laterMs).toBe(0);
    await world.run(service.commit('T1', { digests: [first, next, next].map(digestOf) }));
    await expectRest(world, { committed: ['T1'] });
  });

  it('at-commit: nothing is foreseen where nothing is waited for', async () => {
    const { world } = await opened({}, { replication: 'at-commit' });
    await expect(stageForeseen(world, 'west', 'T1', next)).rejects.toThrow('no open transaction');
    expect(await foreseenOf(world, next)).toEqual([]);
  });
});

describe('candidates and the loss of home', () => {
  it('the new home builds foreseen writes from what it foresaw, by their digests', async () => {
    const { world } = await opened();
    await foresee(world, 'west', 'T1', next);
    // Home dies the moment that it has answered.
    world.hooks.fail({ by: 'east', to: 'west', method: 'stage' });
    expect(await foreseenOf(world, next)).toEqual(['west']);
    await world.takeover('west');
    const digests = [first, next].map(digestOf);
    const west = world.node('west').service;
    expect(await world.run(west.commit('T1', { digests }))).toMatchObject({ events: 2 });
    await expectRest(world, { committed: ['T1'] });
    const written = (await world.standing('west')).decided('T1')?.events.map(({ data }) => data);
    expect(written).toEqual(['"first"', '"next"']);
  });

  it('what it was told of, a client reads there as its own', async () => {
    const { world } = await opened();
    await foresee(world, 'west', 'T1', next);
    await foreseenOf(world, next);
    await world.clock.advance(10);
    await world.takeover('west');
    const { events } = await world.run(world.node('west').service.getTransaction('T1'));
    expect(events.map(({ number, data }) => [number, data])).toEqual([
      [0, 'first'],
      [1, 'next'],
    ]);
  });

  it('envelope: where it did not arrive the event is missing, and is sent again', async () => {
    for (const more of [{ id: 'mine' }, { time: '2026-01-01T00:00:00Z' }, { expectedVersion: 0 }]) {
      const { world } = await opened();
      const whole = { ...next, ...more, key: 'own' };
      await foresee(world, 'west', 'T1', whole);
      world.hooks.fail({ by: 'east', to: 'west', method: 'stage' });
      expect(await foreseenOf(world, whole)).toEqual(['west']);
      await world.takeover('west');
      const west = world.node('west').service;
      const digests = [first, whole].map(digestOf);
      await expect(world.run(west.commit('T1', { digests }))).rejects.toMatchObject({
        code: 'EventsMissing',
        extras: { missing: [1] },
      });
      await world.run(west.write('T1', { events: [whole] }));
      await world.run(west.commit('T1', { digests }));
      expect((await world.standing('west')).decided('T1')?.events[1]).toMatchObject(more);
      await expectRest(world, { committed: ['T1'] });
    }
  });

  it('envelope: a write that says more, or less, than was foreseen waits', async () => {
    const { world } = await opened();
    await foresee(world, 'west', 'T1', next, { ...event('versioned'), expectedVersion: 0 });
    expect(await foreseenOf(world, { ...next, id: 'mine' })).toEqual([]);
    expect(await foreseenOf(world, event('versioned'))).toEqual([]);
    expect(await foreseenOf(world, versioned('versioned', 3))).toEqual(['west']);
  });

  it('numbers: the new home gives none that a foreseen write may have been answered with', async () => {
    const { world } = await opened();
    await foresee(world, 'west', 'T1', next);
    world.hooks.fail({ by: 'east', to: 'west', method: 'stage' });
    const given = await world.run(world.node('east').service.write('T1', { events: [next, next] }));
    await world.takeover('west');
    const west = world.node('west').service;
    const { events } = await world.run(west.write('T1', { events: [event('later')] }));
    const highest = Math.max(...given.events.map(({ number }) => number));
    expect(events[0]?.number).toBeGreaterThan(highest);
    expect((await world.run(west.write('T1', { events: [event('last')] }))).events[0]?.number).toBe(
      (events[0]?.number ?? 0) + 1,
    );
    const digests = [first, next, next, event('later'), event('last')].map(digestOf);
    await world.run(west.commit('T1', { digests }));
    await expectRest(world, { committed: ['T1'] });
  });

  it('client: an event that is sent again to a new home keeps its place', async () => {
    const world = await openWorld();
    const { clock, random } = world.node('east').site.ports;
    const client = new LockstepClient({ clock, random, transport: directTransport(world.engine.service) });
    const ended = client.run(
      async (tx) => {
        await tx.write(first);
        await foresee(world, 'west', 'T1', { ...next, id: 'any' });
        world.hooks.fail({ by: 'east', to: 'west', method: 'stage' });
        expect((await tx.write(next)).foreseen).toEqual(['west']);
        await world.takeover('west');
        await tx.write(event('last'));
      },
      { id: 'T1', streams: ['orders'] },
    );
    expect((await world.run(ended)).commit).toMatchObject({ events: 3 });
    const written = (await world.standing('west')).decided('T1')?.events.map(({ data }) => data);
    expect(written).toEqual(['"first"', '"next"', '"last"']);
  });

  it('numbers: those beyond what the follower keeps free wait for it', async () => {
    const { world, service } = await opened();
    await foresee(world, 'west', 'T1', next);
    const many = Array.from({ length: NUMBERS_AHEAD + 2 }, () => next);
    const { events } = await world.run(service.write('T1', { events: many }));
    const beyond = events.filter(({ foreseen }) => foreseen.length === 0);
    expect(beyond.map(({ number }) => number)).toEqual([NUMBERS_AHEAD + 1, NUMBERS_AHEAD + 2]);
    expect((await world.standing('west')).staged.get('T1')).toHaveLength(NUMBERS_AHEAD + 3);
  });

  it('join: who returns gets what home foresaw, since some of it may have been written', async () => {
    const { world } = await opened();
    await foresee(world, 'west', 'T1', next);
    world.hooks.fail({ by: 'east', to: 'west', method: 'stage' });
    await foreseenOf(world, next);
    await world.takeover('west');
    for (let round = 0; round < 4; round += 1) await world.round('east');
    expect((await world.route()).inSync).toContain('east');
    await world.takeover('east');
    const digests = [first, next].map(digestOf);
    await world.run(world.node('east').service.commit('T1', { digests }));
    await expectRest(world, { committed: ['T1'] });
  });
});

describe('candidates and a follower that comes back', () => {
  it('an announcement of before the join does not count', async () => {
    const { world } = await opened();
    await foresee(world, 'west', 'T1', next);
    await leave(world, 'west');
    await world.round('west');
    await world.round('east');
    expect((await world.route()).inSync).toContain('west');
    expect(await foreseenOf(world, next)).toEqual([]);
    expect(await contents(world, 'west')).toEqual(['first', 'next']);
  });

  it('nor one that is told late', async () => {
    const { world } = await opened();
    const { announce } = await stageForeseen(world, 'west', 'T1', next);
    await leave(world, 'west');
    await world.round('west');
    await world.round('east');
    await announce();
    expect(await foreseenOf(world, next)).toEqual([]);
    expect(await contents(world, 'west')).toEqual(['first', 'next']);
  });

  it('who writes under a route of before the join is refused first', async () => {
    const { world } = await opened();
    await foresee(world, 'west', 'T1', next);
    await world.coordinator('east/2');
    await leave(world, 'west');
    await world.round('west');
    expect(await foreseenOf(world, next, 'east')).toEqual([]);
    const { service } = await world.coordinator('east/2');
    const { events } = await world.run(service.write('T1', { events: [next] }));
    expect(events[0]?.foreseen).toEqual([]);
    expect(await contents(world, 'west')).toEqual(['first', 'next', 'next']);
  });

  it('what it foresees since the join counts', async () => {
    const { world } = await opened();
    await leave(world, 'west');
    await world.round('west');
    await world.round('east');
    await foresee(world, 'west', 'T1', next);
    expect(await foreseenOf(world, next)).toEqual(['west']);
  });

  it('while it is joining it is waited for', async () => {
    const { world } = await opened();
    await leave(world, 'west');
    const { gate, end } = await almostJoined(world, 'west');
    await foresee(world, 'west', 'T1', next);
    expect(await foreseenOf(world, next)).toEqual([]);
    gate.release();
    await world.run(end);
    expect(await contents(world, 'west')).toEqual(['first', 'next']);
  });

  it('a confirmation that comes late takes the place of nothing', async () => {
    const { world, service } = await opened();
    await foresee(world, 'west', 'T1', next);
    const late = world.hooks.hold({ by: 'east', to: 'west', method: 'stage' });
    await world.run(service.write('T1', { events: [next] }, 'request'));
    await world.run(late.reached);
    await leave(world, 'west');
    await world.round('west');
    expect(await contents(world, 'west')).toEqual(['first', 'next']);
    late.release();
    await world.clock.advance(10);
    expect(await contents(world, 'west')).toEqual(['first', 'next']);
  });
});

describe('candidates and fences', () => {
  it('a follower that is fenced to a newer term takes no candidate of an older one', async () => {
    const { world } = await opened({ sites: ['east', 'west', 'north'] });
    await world.coordinator('north/2');
    await world.takeover('west');
    await world.run(world.node('north').watch());
    const { stands } = await stageForeseen(world, 'north/2', 'T1', next);
    expect(stands).toBe(false);
    expect((await world.standing('north')).candidates.size).toBe(0);
  });

  it('home takes no announcement of another term', async () => {
    const { world } = await opened();
    const { announce } = await stageForeseen(world, 'west', 'T1', next);
    await world.takeover('west');
    await world.settle();
    await world.run(world.node('west').service.moveHome({ to: 'east' }));
    expect(await announce('east')).toBe('stale');
    expect(await foreseenOf(world, next)).toEqual([]);
  });

  it('another transaction of the same id has nothing of the first', async () => {
    const { world } = await opened({ options: { logRetentionMs: 60_000 } }, { deadlineMs: 1000 });
    const { announce } = await stageForeseen(world, 'west', 'T1', next);
    await world.clock.advance(2000);
    await world.settle();
    await world.clock.advance(3_600_000);
    for (const site of world.sites) {
      await world.run(world.node('east').close());
      await world.run(world.node(site).expire());
    }
    await begun(world);
    await announce();
    expect(await foreseenOf(world, next)).toEqual([]);
  });
});
