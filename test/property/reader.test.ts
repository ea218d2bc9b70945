import fc from 'fast-check';
import { decodeCheckpoint } from '../../src/core/checkpoint.js';
import { Driver, owed } from './reader-driver.js';
import { STREAMS } from './reader-parts.js';
import { type SiteName, World } from './reader-world.js';

/**
 * Readers in a model world: two sites with shards of their own, late and repeated puts, reshards, a takeover that leaves
 * a zombie; readers that move, restart and page as they like.
 */

const KINDS = [
  'decide',
  'decide',
  'decide',
  'replicate',
  'replicate',
  'put',
  'put',
  'put',
  'putAll',
  'putAgain',
  'bar',
  'publish',
  'publish',
  'heartbeat',
  'reshard',
  'takeOver',
  'zombieDecides',
  'join',
  'feed',
  'feed',
  'feed',
  'feedAll',
  'ask',
  'page',
  'page',
  'page',
  'move',
  'restart',
  'shed',
] as const;
type Kind = (typeof KINDS)[number] | 'shrink';

interface Step {
  readonly kind: Kind;
  readonly x: number;
  readonly y: number;
}

function steps(kinds: readonly Kind[]): fc.Arbitrary<Step[]> {
  const step = fc.record({ kind: fc.constantFrom(...kinds), x: fc.nat(9999), y: fc.nat(99) });
  return fc.array(step, { minLength: 1, maxLength: 120, size: 'max' });
}

const siteOf = (number: number): SiteName => (number % 2 === 0 ? 'X' : 'Y');

function perform(world: World, driver: Driver, { kind, x, y }: Step): void {
  world.nowMs += 1;
  const stream = STREAMS[x % STREAMS.length]!;
  const actions: Record<Kind, () => unknown> = {
    decide: () => world.decide(world.home, x),
    replicate: () => world.replicate(1 + (x % 3)),
    put: () => world.put(siteOf(y), x, false),
    putAll: () => world.putAll(siteOf(y)),
    putAgain: () => world.put(siteOf(y), x, true),
    bar: () => world.raiseBar(siteOf(y)),
    publish: () => world.publish(siteOf(y), stream),
    heartbeat: () => world.heartbeat(siteOf(y), stream),
    reshard: () => world.reshard(siteOf(y), stream, x),
    takeOver: () => x % 3 === 0 && world.takeOver(),
    zombieDecides: () => world.term === 2 && !world.isJoined && world.decide('X', x),
    shrink: () => world.shrink(),
    join: () => world.join(),
    feed: () => driver.feed(x, 1 + (y % 5)),
    feedAll: () => Array.from({ length: 40 }, (_, i) => driver.feed(i, 1000)),
    ask: () => driver.ask(),
    page: () => driver.page(1 + (x % 6), y % 2 === 0),
    move: () => driver.move(siteOf(y)),
    shed: () => driver.reader.shed(),
    restart: () => driver.restart(x % (driver.pages.length + 1)),
  };
  actions[kind]();
}

/** Lets everything come to rest, then reads to the end at some replica. */
function finish(world: World, driver: Driver, site: SiteName, limit: number): void {
  world.settle();
  driver.move(site);
  driver.drain(limit);
}

function eventIds(driver: Driver): string[] {
  return driver.events.map(({ id }) => id).sort();
}

function expectVersionsInOrder(driver: Driver): void {
  const last = new Map<string, number>();
  for (const { stream, subject, version } of driver.events) {
    if (version === undefined) continue;
    const key = `${stream}/${subject}`;
    if (version !== (last.get(key) ?? 0) + 1) throw new Error(`${key}: ${version} after ${last.get(key) ?? 0}`);
    last.set(key, version);
  }
}

function expectWhole(driver: Driver, world: World, streams: readonly string[]): void {
  const sizes = new Map(
    world
      .committed()
      .map(({ id, parts }) => [
        id,
        parts.filter(({ stream }) => streams.includes(stream)).flatMap(({ events }) => events).length,
      ]),
  );
  for (const { transactions } of driver.pages)
    for (const { id, events } of transactions) expect([id, events.length]).toEqual([id, sizes.get(id)]);
}

const READ = fc.constantFrom<readonly string[]>(['a'], ['b'], ['a', 'b']);
const RUNS = { numRuns: 800 };

describe('a reader in the model world', () => {
  it('gives each committed event exactly once, whole and in order, whatever happens', () => {
    fc.assert(
      fc.property(steps(KINDS), READ, fc.nat(1), fc.integer({ min: 1, max: 9 }), (todo, streams, end, limit) => {
        const world = new World();
        const driver = new Driver(world, streams, 'X');
        for (const step of todo) {
          perform(world, driver, step);
          if (step.kind !== 'page') continue;
          // Nothing that is committed can still turn up below the checkpoint.
          const got = new Set(eventIds(driver));
          const missing = owed(world, streams, driver.pages.at(-1)!.closed).filter((id) => !got.has(id));
          expect(missing).toEqual([]);
        }
        finish(world, driver, siteOf(end), limit);
        expect(eventIds(driver)).toEqual(owed(world, streams));
        expectVersionsInOrder(driver);
        expectWhole(driver, world, streams);
        expect(driver.reader.pendingCount).toBe(0);
        expect(driver.reader.checkpoint().emitted.size).toBe(0);
      }),
      RUNS,
    );
  });

  it('recognises after an unclean takeover what it was given before', () => {
    const kinds: Kind[] = [...KINDS, 'shrink', 'shrink', 'takeOver', 'takeOver', 'decide', 'put', 'page'];
    fc.assert(
      fc.property(steps(kinds), READ, fc.nat(1), fc.integer({ min: 1, max: 9 }), (todo, streams, end, limit) => {
        const world = new World();
        const driver = new Driver(world, streams, 'X');
        for (const step of todo) perform(world, driver, step);
        finish(world, driver, siteOf(end), limit);
        expect(eventIds(driver)).toEqual(owed(world, streams));
      }),
      RUNS,
    );
  });

  it('gives checkpoints that say the same when they are read again', () => {
    fc.assert(
      fc.property(steps(KINDS), (todo) => {
        const world = new World();
        const driver = new Driver(world, ['a', 'b'], 'X');
        for (const step of todo) {
          perform(world, driver, step);
          if (step.kind === 'page') {
            const text = driver.pages.at(-1)!.checkpoint;
            expect(decodeCheckpoint(text, ['b', 'a'])).toEqual(driver.reader.checkpoint());
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
