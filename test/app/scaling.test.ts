import { drainAll } from '../../src/app/applier.js';
import { DEFAULT_POLICY, declaredPolicy } from '../../src/app/registry.js';
import type { ScalingAnswer, ScalingDecision } from '../../src/core/api.js';
import {
  DAY_STEPS,
  WEEK_STEPS,
  decodeModel,
  encodeModel,
  learn,
  newModel,
  stepOf,
} from '../../src/core/scaling/forecast.js';
import type { ScalingPolicy } from '../../src/core/scaling/rules.js';
import type { Call } from '../support/hooks.js';
import { type World, event, openWorld } from '../support/world.js';

const MINUTE_MS = 60_000;
/** One transaction of so many bytes in each minute fills so much of a shard. */
const QUIET_BYTES = 1000;
const BUSY: ScalingPolicy = {
  shards: { min: 1, max: 8 },
  rules: [
    {
      name: 'busy',
      when: { signal: 'bytesPerSecond', above: 100 },
      then: { shards: { times: 2 } },
      cooldownSeconds: 60,
    },
    {
      name: 'idle',
      when: { signal: 'bytesPerSecond', overSeconds: 180, below: 50 },
      then: { shards: { times: 0.5 } },
      cooldownSeconds: 60,
    },
  ],
};

let commits = 0;

/** Minutes in each of which so many bytes are committed, and after each of which every site does its rounds. */
async function minutes(world: World, count: number, bytes: number): Promise<void> {
  for (let minute = 0; minute < count; minute += 1) {
    if (bytes > 0) {
      commits += 1;
      await world.commit('east', `T${commits}`, event('x'.repeat(bytes), { key: `k${commits}` }));
    }
    await world.clock.advance(MINUTE_MS);
    await rounds(world);
  }
}

async function rounds(world: World): Promise<void> {
  for (const site of world.sites) await world.run(world.node(site).scale());
  for (const site of world.sites) await world.run(world.node(site).tend());
}

async function scaled(scaling: ScalingPolicy, more: Parameters<typeof openWorld>[0] = {}): Promise<World> {
  const world = await openWorld({ streams: { orders: { scaling } }, ...more });
  await rounds(world);
  // The minute that has begun is not whole.
  await world.clock.advance(MINUTE_MS);
  return world;
}

const tell = (world: World): Promise<ScalingAnswer> => world.run(world.engine.service.getScaling('orders'));
/** Open shards at each site. */
async function shards(world: World): Promise<readonly number[]> {
  const [definition] = await world.definitions();
  return world.sites.map((site) => definition!.replicas[site]!.shards.length);
}
const brief = ({ from, to, rule, outcome }: ScalingDecision) => [from, to, rule, outcome];

describe('a stream follows its load', () => {
  it('up and down, at every site, and says why', async () => {
    const world = await scaled(BUSY);
    await minutes(world, 2, 10 * QUIET_BYTES);
    expect(await shards(world)).toEqual([4, 4]);
    await minutes(world, 6, 0);
    expect(await shards(world)).toEqual([1, 1]);
    const { decisions, mode, changesLeft } = await tell(world);
    expect(decisions.map(brief)).toEqual([
      [2, 1, 'idle', 'done'],
      [4, 2, 'idle', 'done'],
      [2, 4, 'busy', 'done'],
      [1, 2, 'busy', 'done'],
    ]);
    expect(decisions.at(-1)!.why).toMatch(/^busy: bytesPerSecond 1\d\d, over 1 min, is above 100$/);
    expect([mode, changesLeft]).toEqual(['on', 6]);
  });

  it('takes every commit meanwhile, and readers get each', async () => {
    const world = await scaled(BUSY);
    const first = commits + 1;
    await minutes(world, 4, 10 * QUIET_BYTES);
    expect((await shards(world))[0]).toBeGreaterThan(2);
    const { events } = await world.run(world.engine.service.readEvents({ stream: 'orders', limit: 1000 }));
    const ids = events.map(({ transactionid }) => transactionid).sort();
    expect(ids).toEqual(Array.from({ length: commits - first + 1 }, (_, n) => `T${first + n}`).sort());
  });

  it('refused for load: shards are added where the load alone says nothing', async () => {
    const world = await scaled({ shards: { min: 1, max: 8 } });
    world.faults({ site: 'east', part: 'streams', kind: 'throttle', rate: 1 });
    // What waits in the backlog is offered five times when that is drained.
    for (let n = 0; n < 15; n += 1) {
      commits += 1;
      await world.commit('east', `T${commits}`, event(n));
    }
    await world.run(drainAll(world.node('east').site));
    world.heal();
    await world.clock.advance(MINUTE_MS);
    await rounds(world);
    const { decisions, load } = await tell(world);
    expect(load!.throttledPerSecond).toBeGreaterThan(1);
    expect(decisions.map(brief)).toEqual([[1, 2, 'throttled', 'done']]);
  });

  it('before the peak: what came at this time in the weeks before is expected today', async () => {
    const ahead: ScalingPolicy = {
      shards: { min: 1, max: 8 },
      rules: [
        {
          name: 'ahead',
          when: { signal: 'utilisation', overSeconds: 3600, forecast: { quantile: 0.9 }, above: 0.85 },
          then: { shards: { times: 2 } },
        },
      ],
    };
    const world = await scaled(ahead);
    // Four weeks in which a shard was full twice over from two hours after this time of the day on.
    const now = stepOf(world.clock.now());
    const peak = now + 8;
    let model = newModel();
    for (let step = now - 4 * WEEK_STEPS; step < now; step += 1) {
      const isBusy = (step - peak + 28 * WEEK_STEPS) % DAY_STEPS < 12;
      model = learn(model, step, isBusy ? 2 : 0.01);
    }
    const { control } = world.node('east').site;
    const kept = (await world.run(control.get('scaling/orders')))!;
    const value = { ...(kept.value as object), learnedStep: now - 1, model: encodeModel(model) };
    await world.run(control.compareAndSet('scaling/orders', kept.version, value));
    const quarters = async (until: number): Promise<void> => {
      while (stepOf(world.clock.now()) < until) {
        await world.clock.advance(15 * MINUTE_MS);
        await rounds(world);
      }
    };
    await quarters(peak - 5);
    expect(await shards(world)).toEqual([1, 1]);
    await quarters(peak - 1);
    expect((await shards(world))[0]).toBeGreaterThan(1);
    const { decisions } = await tell(world);
    const after = (await world.run(control.get('scaling/orders')))!.value as { readonly model: string };
    expect(decodeModel(after.model).count).toBe(model.count + stepOf(world.clock.now()) - now);
    expect(decisions[0]!.why).toMatch(/^ahead: utilisation .*, 90 % forecast of the next 60 min, is above 0.85$/);
  });

  it('measures what all processes of a site have put together', async () => {
    const world = await scaled(BUSY);
    for (const at of ['east', 'east/2'])
      await world.commit(at, `of ${at}`.replace(/\W/g, '-'), event('x'.repeat(4000)));
    await world.clock.advance(15_000);
    await world.commit('east/2', 'later', event('y'));
    await world.clock.advance(MINUTE_MS);
    await rounds(world);
    expect((await tell(world)).load).toMatchObject({ transactionsPerSecond: 3 / 60, recordsPerSecond: 3 / 60 });
    expect(await shards(world)).toEqual([2, 2]);
  });

  it('measures at each site, for the one that is home next', async () => {
    const world = await scaled(BUSY);
    await world.commit('east/2', 'P1', event('x'.repeat(6 * QUIET_BYTES)));
    await world.commit('east', 'P2', event('x'.repeat(6 * QUIET_BYTES)));
    await world.clock.advance(15_000);
    await world.commit('east/2', 'P3', event('y'));
    await world.takeover('west');
    await world.settle();
    await world.clock.advance(MINUTE_MS);
    await rounds(world);
    const { decisions } = await tell(world);
    expect(decisions.map(brief)).toEqual([[1, 2, 'busy', 'done']]);
  });
});

describe('what scaling never does', () => {
  it('a dry run changes nothing, and tells once what it would have done', async () => {
    const world = await scaled({ ...BUSY, mode: 'dry-run' });
    await minutes(world, 3, 10 * QUIET_BYTES);
    expect(await shards(world)).toEqual([1, 1]);
    expect((await tell(world)).decisions.map(brief)).toEqual([[1, 2, 'busy', 'dry-run']]);
    await world.run(world.engine.service.putStream('orders', { scaling: { ...BUSY, mode: 'on' } }));
    await minutes(world, 1, 10 * QUIET_BYTES);
    expect(await shards(world)).toEqual([2, 2]);
  });

  it('switched off it neither changes nor measures', async () => {
    const world = await scaled({ ...BUSY, mode: 'off' });
    await minutes(world, 2, 10 * QUIET_BYTES);
    expect(await shards(world)).toEqual([1, 1]);
    expect(await tell(world)).toMatchObject({ mode: 'off', measuredMinutes: 0, decisions: [] });
    const isLoad = ({ args }: Call) => JSON.stringify(args).includes('load#');
    expect(world.hooks.count({ port: 'tables', method: 'writeEach', when: isLoad })).toBe(0);
  });

  it('more than ten changes in a day, whoever made them', async () => {
    const world = await scaled(BUSY);
    for (const wanted of [2, 1, 2, 1, 2, 1, 2, 1, 2]) {
      await world.run(world.engine.service.putStream('orders', { shards: wanted }));
    }
    await minutes(world, 3, 10 * QUIET_BYTES);
    expect(await shards(world)).toEqual([4, 4]);
    const { decisions, changesLeft } = await tell(world);
    expect(changesLeft).toBe(0);
    expect(decisions.map(brief)).toEqual([
      [4, 4, 'busy', 'held'],
      [2, 4, 'busy', 'done'],
    ]);
    expect(decisions[0]!.limit).toBe('Kinesis takes 10 changes in 24 hours');
    await world.clock.advance(24 * 60 * MINUTE_MS);
    // After so long a pause measuring begins anew.
    await minutes(world, 3, 10 * QUIET_BYTES);
    expect(await shards(world)).toEqual([8, 8]);
  });

  it('forget that a large step by hand is several of the ten', async () => {
    const world = await scaled({ shards: { min: 1, max: 64 } });
    await world.run(world.engine.service.putStream('orders', { shards: 40 }));
    expect(await shards(world)).toEqual([40, 40]);
    expect((await tell(world)).changesLeft).toBe(4);
  });

  it('another change before the last one is brought about', async () => {
    const world = await scaled(BUSY);
    world.hooks.meet({ by: 'east', method: 'resize' }, () => Promise.resolve());
    await minutes(world, 1, 10 * QUIET_BYTES);
    await minutes(world, 1, 10 * QUIET_BYTES);
    const { decisions } = await tell(world);
    expect(decisions.map(brief)).toEqual([[1, 2, 'busy', 'done']]);
    expect(await tell(world)).toMatchObject({ shards: 2, openShards: 1 });
  });
});

describe('declared streams', () => {
  it('begin with the shards that are declared, and keep those that scaling gave them', () => {
    const known = { ...DEFAULT_POLICY, shards: 5 };
    const declared = { shards: 2, retentionHours: 48 };
    const scaling: ScalingPolicy = { shards: { min: 1, max: 8 } };
    expect(declaredPolicy(undefined, { ...declared, scaling })).toMatchObject({ shards: 2 });
    expect(declaredPolicy(known, { ...declared, scaling })).toEqual({ retentionHours: 48, scaling });
    expect(declaredPolicy({ ...known, scaling }, declared)).toEqual({ retentionHours: 48 });
    expect(declaredPolicy(known, declared)).toEqual(declared);
    for (const mode of ['off', 'dry-run'] as const) {
      expect(declaredPolicy(known, { ...declared, scaling: { ...scaling, mode } })).toMatchObject({ shards: 2 });
    }
  });
});

describe('a crash between', () => {
  it('decision and change: they are one write, and what follows from it is brought about', async () => {
    const world = await scaled(BUSY);
    const second = await world.coordinator('east/2');
    commits += 1;
    await world.commit('east/2', `T${commits}`, event('x'.repeat(10 * QUIET_BYTES)));
    await world.clock.advance(MINUTE_MS);
    // Nothing after the definition was written is done by this process.
    const gone = new Promise<never>(() => undefined);
    const crashed = { is: false };
    world.hooks.meet(
      {
        by: 'east/2',
        port: 'control',
        method: 'compareAndSet',
        when: ({ args }) => String(args[0]).startsWith('stream/'),
      },
      async (_call, effect) => {
        await effect();
        crashed.is = true;
        return gone;
      },
    );
    void world.start(second.scale());
    await world.clock.advance(1000);
    expect(crashed.is).toBe(true);
    await rounds(world);
    await rounds(world);
    expect(await shards(world)).toEqual([2, 2]);
    const { decisions } = await tell(world);
    expect(decisions.map(brief)).toEqual([[1, 2, 'busy', 'done']]);
  });
});
