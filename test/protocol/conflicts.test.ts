import type { Conflict, ConflictPolicy, EventIn } from '../../src/core/api.js';
import type { ConflictQuestion } from '../../src/ports/conflict-functions.js';
import type { Call } from '../support/hooks.js';
import { expectRest } from '../support/invariants.js';
import { decidedAlone, versioned } from '../support/scenes.js';
import { type World, type WorldOptions, event, openWorld } from '../support/world.js';

const keyed = (key: string, data: string, more: Partial<EventIn> = {}) => event(data, { key, ...more });

interface Histories extends WorldOptions {
  readonly conflict?: ConflictPolicy;
  /** Decided by east alone, then by west alone. */
  readonly east?: readonly (readonly [string, ...EventIn[]])[];
  readonly west?: readonly (readonly [string, ...EventIn[]])[];
}

/** West is left, east decides alone and is lost, west is forced to go on; nobody has met anybody yet. */
async function twoHistories({ conflict = { policy: 'manual' }, east, west, ...more }: Histories): Promise<World> {
  const world = await openWorld({ streams: { orders: { conflict }, ledger: {} }, ...more });
  await world.commit('east', 'T0', keyed('a', 'before'));
  await world.run(world.node('east').close());
  world.lose('west');
  await world.run(world.node('east').watch());
  for (const [id, ...events] of east ?? [['T1', keyed('a', 'east')]]) await world.commit('east', id, ...events);
  world.lose('east');
  await world.run(world.node('west').service.moveHome({ to: 'west', force: true }));
  await world.clock.advance(1000);
  for (const [id, ...events] of west ?? [['T2', keyed('a', 'west')]]) await world.commit('west', id, ...events);
  return world;
}

const listed = async (world: World): Promise<readonly Conflict[]> =>
  (await world.run(world.node('west').service.listConflicts({}))).conflicts;

async function only(world: World): Promise<Conflict> {
  const conflicts = await listed(world);
  expect(conflicts).toHaveLength(1);
  return conflicts[0] as Conflict;
}

const resolve = (world: World, id: string, request: Parameters<World['engine']['service']['resolveConflict']>[1]) =>
  world.outcome(world.engine.service.resolveConflict(id, request));

describe('manual', () => {
  it('manual: what stands stays, what waits is kept whole, and the conflict is open', async () => {
    const world = await twoHistories({});
    await expectRest(world, { committed: ['T0', 'T2'] });
    expect((await world.standing('west')).status('T1')).toBe('none');
    expect(await only(world)).toMatchObject({
      status: 'open',
      policy: 'manual',
      winner: { site: 'west', transactionId: 'T2', events: [{ data: 'west' }] },
      loser: { site: 'east', transactionId: 'T1', events: [{ data: 'east' }] },
    });
  });

  it('manual: resolved for what waits, it is committed under its own id and names both', async () => {
    const world = await twoHistories({});
    await world.settle();
    const { id, winner, loser } = await only(world);
    const answer = await resolve(world, id, { take: 'waiting' });
    expect(answer).toMatchObject({
      status: 'resolved',
      winner: { transactionId: 'T1' },
      loser: { transactionId: 'T2' },
      resolution: { take: 'waiting', transactionId: 'T1' },
    });
    await expectRest(world, { committed: ['T0', 'T1', 'T2'] });
    expect((await world.standing('east')).decided('T1')).toMatchObject({
      takenFrom: loser.clock,
      resolves: [
        { id: 'T2', at: winner.clock },
        { id: 'T1', at: loser.clock },
      ],
    });
    // The client that was told so in the lost history hears the same again.
    await expect(world.commit('west', 'T1', keyed('a', 'east'))).resolves.toMatchObject({ status: 'committed' });
    expect(await resolve(world, id, { take: 'waiting' })).toEqual(answer);
    expect(await resolve(world, id, { take: 'standing' })).toBe('ConflictResolved');
  });

  it('manual: resolved for what stands, nothing is decided', async () => {
    const world = await twoHistories({});
    await world.settle();
    const { id } = await only(world);
    expect(await resolve(world, id, { take: 'standing' })).toMatchObject({
      status: 'resolved',
      winner: { transactionId: 'T2' },
      resolution: { take: 'standing' },
    });
    expect((await world.standing('west')).status('T1')).toBe('none');
    expect(await resolve(world, id, { events: [keyed('a', 'both')] })).toBe('ConflictResolved');
    await expectRest(world, { committed: ['T0', 'T2'] });
  });

  it('manual: resolved with events, these are committed in the place of both', async () => {
    const world = await twoHistories({});
    await world.settle();
    const { id } = await only(world);
    expect(await resolve(world, id, { events: [keyed('b', 'beside it')] })).toBe('InvalidRequest');
    expect(await resolve(world, id, { events: [keyed('a', 'both', { stream: 'unknown' })] })).toBe('InvalidRequest');
    // Refused for a version, nothing was decided: something else may be chosen.
    const expecting = keyed('a', 'both', { expectedVersion: 7 });
    expect(await resolve(world, id, { events: [expecting] })).toBe('VersionConflict');
    const events = [keyed('a', 'both'), event('noted', { stream: 'ledger' })];
    const answer = await resolve(world, id, { events });
    expect(answer).toMatchObject({
      status: 'resolved',
      resolution: { take: 'events', transactionId: `resolution-${id}` },
    });
    expect(await resolve(world, id, { events })).toEqual(answer);
    await expectRest(world, { committed: ['T0', 'T2', `resolution-${id}`] });
    expect((await world.standing('east')).decided(`resolution-${id}`)?.resolves?.map((it) => it.id)).toEqual([
      'T2',
      'T1',
    ]);
  });

  it('listed: a page holds as many as fit an answer, and the next one begins behind them', async () => {
    const keys = Array.from({ length: 6 }, (_, n) => `k${n}`);
    const large = keys.map((key) => keyed(key, 'x'.repeat(100_000)));
    const world = await twoHistories({ east: [['T1', ...large]], west: [['T2', ...large]] });
    await world.settle();
    const pages: string[][] = [];
    for (let cursor: string | undefined, page = 0; page < 10; page += 1) {
      world.hooks.calls.length = 0;
      const list = world.node('west').service.listConflicts(cursor === undefined ? {} : { cursor });
      const answer = await world.run(list);
      const read = world.hooks.calls.filter(({ method, args }) => method === 'get' && String(args[0]).includes('@'));
      // Six pieces each: a decision is read once, on however many keys it met the other one.
      expect(read.length).toBeLessThanOrEqual(12);
      pages.push(answer.conflicts.map(({ key }) => key));
      ({ cursor } = answer);
      if (cursor === undefined) break;
    }
    expect(pages.map(({ length }) => length)).toEqual([2, 2, 2]);
    expect(pages.flat().sort()).toEqual(keys);
  });

  it('manual: an unknown conflict is not found', async () => {
    const world = await openWorld();
    expect(await resolve(world, '0'.repeat(32), { take: 'standing' })).toBe('NotFound');
    expect(await world.outcome(world.engine.service.getConflict('0'.repeat(32)))).toBe('NotFound');
  });

  it('whole: a transaction is asked about as a whole, and resolved as a whole', async () => {
    const world = await twoHistories({
      east: [['T1', keyed('a', 'east'), keyed('b', 'east'), keyed('c', 'east only')]],
      west: [
        ['T2', keyed('a', 'west')],
        ['T3', keyed('b', 'west')],
      ],
    });
    await world.settle();
    const [one, other] = await listed(world);
    expect(one?.together).toEqual(other?.together);
    expect([...(one?.together ?? [])].sort()).toEqual([one?.id, other?.id].sort());
    // Of the two, either may be asked for: it is one question.
    await resolve(world, other?.id ?? '', { take: 'waiting' });
    expect((await listed(world)).map(({ status }) => status)).toEqual(['resolved', 'resolved']);
    expect(await resolve(world, one?.id ?? '', { take: 'standing' })).toBe('ConflictResolved');
    await expectRest(world, { committed: ['T0', 'T1', 'T2', 'T3'] });
  });

  it('whole: resolved half-way, the rest is resolved by whoever asks again', async () => {
    const world = await twoHistories({
      east: [['T1', keyed('a', 'east'), keyed('b', 'east')]],
      west: [
        ['T2', keyed('a', 'west')],
        ['T3', keyed('b', 'west')],
      ],
    });
    await world.settle();
    const [{ id } = { id: '' }] = await listed(world);
    let written = 0;
    const isSecond = ({ args: [name, , value] }: Call) =>
      String(name).startsWith('conflict/') && (value as Conflict).status === 'resolved' && (written += 1) > 1;
    const end = world.hooks.fail({ port: 'control', method: 'compareAndSet', when: isSecond });
    expect(await resolve(world, id, { take: 'standing' })).toBe('Unavailable');
    end();
    expect((await listed(world)).map(({ status }) => status).sort()).toEqual(['open', 'resolved']);
    expect(await resolve(world, id, { take: 'standing' })).toMatchObject({ status: 'resolved' });
    expect((await listed(world)).map(({ status }) => status)).toEqual(['resolved', 'resolved']);
  });

  it('whole: lost on one key is lost on all, whatever the other streams say', async () => {
    const world = await twoHistories({
      streams: { orders: { conflict: { policy: 'manual' } }, ledger: { conflict: { policy: 'last-write-wins' } } },
      east: [['T1', keyed('a', 'east'), keyed('a', 'east', { stream: 'ledger' })]],
      west: [
        ['T2', keyed('a', 'west')],
        ['T3', keyed('a', 'west', { stream: 'ledger' })],
      ],
    });
    await expectRest(world, { committed: ['T0', 'T2', 'T3'] });
    const conflicts = await listed(world);
    expect(conflicts.map(({ status }) => status)).toEqual(['resolved', 'resolved']);
    expect(conflicts.map(({ policy }) => policy).sort()).toEqual([
      'last-write-wins by commit',
      'manual; but a transaction stays as a whole or not at all',
    ]);
  });

  it('again: two operators at once, one choice', async () => {
    const world = await twoHistories({});
    await world.settle();
    const { id } = await only(world);
    const ends = await world.run(
      Promise.allSettled([
        world.engine.service.resolveConflict(id, { take: 'waiting' }),
        world.engine.service.resolveConflict(id, { take: 'standing' }),
      ]),
    );
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await expectRest(world);
    const { resolution } = await only(world);
    expect((await world.standing('west')).status('T1')).toBe(resolution?.take === 'waiting' ? 'committed' : 'none');
  });

  it('again: a home that was lost between deciding and telling is followed by one that goes on with the same choice', async () => {
    const world = await twoHistories({});
    await world.settle();
    const { id } = await only(world);
    const west = await world.coordinator('west/2');
    const told = world.hooks.hold(
      { by: 'west/2', port: 'control', method: 'compareAndSet', when: ({ args }) => (args[1] as number) === 2 },
      'before',
    );
    void world.start(west.service.resolveConflict(id, { take: 'waiting' }));
    await world.run(told.reached);
    world.hooks.crash('west/2');
    await world.takeover('east');
    await world.settle();
    expect(await resolve(world, id, { take: 'standing' })).toBe('ConflictResolved');
    expect(await resolve(world, id, { take: 'waiting' })).toMatchObject({
      status: 'resolved',
      resolution: { transactionId: 'T1' },
    });
    await expectRest(world, { committed: ['T0', 'T1', 'T2'] });
  });
});

describe('function', () => {
  const conflict: ConflictPolicy = { policy: 'function', name: 'mine' };

  it('function: it chooses, and is told both versions', async () => {
    const asked: ConflictQuestion[] = [];
    const mine = (question: ConflictQuestion) => {
      asked.push(question);
      return 'waiting' as const;
    };
    const world = await twoHistories({ conflict, conflictFunctions: { mine } });
    await expectRest(world, { committed: ['T0', 'T1', 'T2'] });
    expect(await only(world)).toMatchObject({
      status: 'resolved',
      policy: 'function mine',
      winner: { transactionId: 'T1' },
    });
    expect(asked).toMatchObject([
      {
        stream: 'orders',
        key: 'a',
        standing: { site: 'west', events: [{ data: 'west' }] },
        waiting: { site: 'east', events: [{ data: 'east' }] },
      },
    ]);
  });

  it.each([
    ['throws', () => Promise.reject(new Error('no idea')), /no idea/],
    ['answers nonsense', () => 'heads' as 'manual', /answered "heads"/],
    ['answers nothing', () => undefined as unknown as 'manual', /answered undefined/],
    ['never answers', () => new Promise<never>(() => undefined), /longer than 1000 ms/],
  ])('function: one that %s leaves it to an operator', async (_what, mine, why) => {
    const world = await twoHistories({ conflict, conflictFunctions: { mine } });
    await expectRest(world, { committed: ['T0', 'T2'] });
    expect(await only(world)).toMatchObject({ status: 'open', policy: expect.stringMatching(why) as string });
  });

  it('function: its first answer counts, also after a crash', async () => {
    const answers = ['waiting', 'standing'] as const;
    let asked = 0;
    const mine = () => answers[(asked += 1) - 1] ?? 'standing';
    const world = await twoHistories({ conflict, conflictFunctions: { mine } });
    world.heal();
    const east = await world.coordinator('east/2');
    const held = world.hooks.hold({ by: 'east/2', to: 'west', method: 'takeOver' });
    void world.start(east.watch());
    await world.run(held.reached);
    world.hooks.crash('east/2');
    await expectRest(world, { committed: ['T0', 'T1', 'T2'] });
    expect(asked).toBe(1);
    expect(await only(world)).toMatchObject({ winner: { transactionId: 'T1' } });
  });

  it('function: one that the configuration does not have is refused where a stream names it', async () => {
    const world = await openWorld({ conflictFunctions: { mine: () => 'standing' } });
    const put = (name: string) => world.engine.service.putStream('orders', { conflict: { policy: 'function', name } });
    await expect(world.run(put('other'))).rejects.toThrow(/no function other in the configuration \(there: mine\)/);
    expect(await world.outcome(put('mine'))).toMatchObject({ policy: { conflict: { name: 'mine' } } });
  });
});

describe('version vectors', () => {
  const conflict: ConflictPolicy = { policy: 'version-vector', by: 'commit' };

  it('vector: each decision counts once for its home, whatever the client says, and stands in the records', async () => {
    const world = await openWorld({ streams: { orders: { conflict } } });
    await world.commit('east', 'T1', event('a'), event('b'));
    await world.takeover('west');
    await world.commit('west', 'T2', event('c'));
    await expectRest(world, { committed: ['T1', 'T2'] });
    for (const site of world.sites) {
      const { parts, versions } = await world.standing(site);
      // A record may stand twice.
      const told = new Map(parts.flatMap(({ events }) => events.map(({ out }) => [out.version, out.vector])));
      expect(told).toEqual(
        new Map([
          [1, 'east=1'],
          [2, 'east=1'],
          [3, 'east=1,west=1'],
        ]),
      );
      expect(versions.get('orders/k')).toMatchObject({ version: 3, vector: { east: 1, west: 1 } });
    }
  });

  it('vector: of two that did not know each other the later wins, and then knows both', async () => {
    const world = await twoHistories({
      conflict: { policy: 'version-vector', by: 'event' },
      east: [['T1', keyed('a', 'east', { time: '2026-02-01T00:00:00Z' })]],
      west: [['T2', keyed('a', 'west', { time: '2026-01-01T00:00:00Z' })]],
    });
    await expectRest(world, { committed: ['T0', 'T1', 'T2'] });
    expect(await only(world)).toMatchObject({ policy: 'version-vector: concurrent, last-write-wins by event' });
    // east had two, west one of its own, and the new decision is west's.
    expect((await world.standing('east')).versions.get('orders/a')).toMatchObject({ vector: { east: 2, west: 2 } });
  });

  it('vector: of two that did not know each other an operator chooses, where the policy says so', async () => {
    const world = await twoHistories({ conflict: { policy: 'version-vector', otherwise: 'manual' } });
    await expectRest(world, { committed: ['T0', 'T2'] });
    expect(await only(world)).toMatchObject({ status: 'open', policy: 'version-vector: concurrent, manual' });
  });

  it('vectorBack: an overruled decision leaves no trace in what the next one knows', async () => {
    const world = await openWorld({ streams: { orders: { conflict } } });
    await world.commit('east', 'T1', event('a'));
    await decidedAlone(world, 'T2', [versioned('b', 1)]);
    await world.takeover('west');
    await world.round('east');
    expect((await world.standing('east')).versions.get('orders/k')).toEqual({
      version: 1,
      id: 'T1',
      at: (await world.standing('west')).decided('T1')?.at,
      vector: { east: 1 },
    });
    await world.commit('east', 'T3', versioned('c', 1));
    await expectRest(world, { committed: ['T1', 'T3'] });
  });
});
