import { LogFollower } from '../../src/app/follow.js';
import { predictionsOf } from '../../src/app/predictions.js';
import type { EventIn } from '../../src/core/api.js';
import type { FinishedContext, ForeseenEvent, OpenContext, Predictor } from '../../src/ports/predictor.js';
import { expectRest } from '../support/invariants.js';
import { type World, type WorldOptions, digestOf, event, openWorld } from '../support/world.js';

const FAR_MS = 100;

/** Foresees what it is told to, and remembers what it was asked and taught. */
class Scripted implements Predictor {
  readonly asked: OpenContext[] = [];
  readonly taught: FinishedContext[] = [];
  /** What it answers to a context. */
  say: (context: OpenContext) => readonly ForeseenEvent[];

  constructor(say: Scripted['say'] = () => []) {
    this.say = say;
  }

  async predict(contexts: readonly OpenContext[]): Promise<readonly (readonly ForeseenEvent[])[]> {
    this.asked.push(...contexts);
    return contexts.map((context) => this.say(context));
  }
  async learn(finished: readonly FinishedContext[]): Promise<void> {
    this.taught.push(...finished);
  }
  async describe() {
    return { version: 'scripted', metrics: { asked: this.asked.length } };
  }
}

const wish = (data: EventIn['data'], more: Partial<ForeseenEvent> = {}): ForeseenEvent => ({
  ...{ stream: 'orders', key: 'k', type: 'test', step: 1, probability: 0.9 },
  ...(data === undefined ? {} : { data }),
  ...more,
});

/** After `n` events, the one with number n. */
const counts = ({ events }: OpenContext): readonly ForeseenEvent[] => [wish(`event ${events.length}`)];

async function open(predictor: Predictor, given: WorldOptions = {}): Promise<World> {
  return openWorld({ roundTripMs: FAR_MS, predictorOf: () => predictor, ...given });
}

/** Writes events one after the other, with time to think between them. @returns whether each was foreseen, and waited */
async function written(world: World, id: string, events: readonly EventIn[], thinkMs = 1000) {
  const { service } = world.node('east');
  await world.run(service.begin({ id, streams: ['orders'] }));
  const told: { foreseen: readonly string[]; waitedMs: number }[] = [];
  for (const one of events) {
    const startMs = world.clock.now();
    const answer = await world.run(service.write(id, { events: [one] }));
    told.push({ foreseen: answer.events[0]?.foreseen ?? [], waitedMs: world.clock.now() - startMs });
    await world.clock.advance(thinkMs);
  }
  return told;
}

const series = (length: number): readonly EventIn[] => Array.from({ length }, (_, n) => event(`event ${n}`));

async function committed(world: World, id: string, events: readonly EventIn[]): Promise<void> {
  await world.run(world.node('east').service.commit(id, { digests: events.map(digestOf) }));
}

const predictions = (world: World) => world.run(world.engine.service.getPredictions());

describe('the backfill agent', () => {
  it('stages what the predictor foresees, announces it, and the write does not wait', async () => {
    const world = await open(new Scripted(counts));
    const told = await written(world, 'T1', series(4));
    expect(told).toEqual([
      { foreseen: [], waitedMs: FAR_MS },
      ...Array.from({ length: 3 }, () => ({ foreseen: ['west'], waitedMs: 0 })),
    ]);
    await committed(world, 'T1', series(4));
    await expectRest(world, { committed: ['T1'] });
    // No payload has crossed twice: what was foreseen goes as digests.
    const sent = world.hooks.calls.filter(({ by, to }) => by === 'east' && to === 'west');
    expect(JSON.stringify(sent)).not.toContain('event 1');
  });

  it('foresees with envelopes, as the client writes them', async () => {
    const world = await open(new Scripted(counts));
    const events = series(3).map((one, n) => ({ ...one, id: `id ${n}` }));
    expect((await written(world, 'T1', events)).map(({ foreseen }) => foreseen)).toEqual([[], ['west'], ['west']]);
    expect((await world.standing('west')).staged.get('T1')?.map(({ id }) => id)).toEqual(['id 0', 'id 1', 'id 2']);
  });

  it('home foresees nothing for itself, nor what is not waited for', async () => {
    const predictor = new Scripted(counts);
    const world = await open(predictor);
    const { service } = world.node('east');
    await world.run(service.begin({ id: 'T1', streams: ['orders'], replication: 'at-commit' }));
    await world.run(service.write('T1', { events: series(1) }));
    for (const site of world.sites) await world.run(world.node(site).foresee());
    await world.clock.advance(1000);
    expect(predictor.asked).toEqual([]);
  });

  it('sites next to each other are left alone', async () => {
    const predictor = new Scripted(counts);
    const world = await open(predictor, { roundTripMs: 2 });
    await written(world, 'T1', series(2));
    expect((await world.standing('west')).candidates.size).toBe(0);
  });

  it('how far a site is from home is measured again: it may have been near for a moment only', async () => {
    const world = await open(new Scripted(counts), { roundTripMs: 0 });
    await written(world, 'T1', series(2));
    world.engine.controls.setNetwork({ roundTripMs: FAR_MS });
    await world.clock.advance(10_000);
    const told = await written(world, 'T2', series(3));
    expect(told.map(({ foreseen }) => foreseen)).toEqual([[], ['west'], ['west']]);
  });

  it('worth: only what saves more than it costs', async () => {
    // Worth it from p > 20 / (20 + 100) on.
    const say = () => [wish('likely', { probability: 0.2 }), wish('unlikely', { probability: 0.16 })];
    const world = await open(new Scripted(say));
    await written(world, 'T1', series(1));
    const stands = (await world.standing('west')).candidates.get('T1')?.map(({ data }) => data);
    expect(stands).toEqual(['"likely"']);
  });

  it('bounds: per step, steps ahead, per transaction, bytes', async () => {
    const many = Array.from({ length: 100 }, (_, n) => wish(`wish ${n}`, { step: 1 + (n % 50) }));
    const large = wish('x'.repeat(5000), { probability: 1 });
    const options = { candidatesPerStep: 2, predictionHorizon: 4, candidatesPerTransaction: 5 };
    const world = await open(new Scripted(() => [large, ...many]), {
      options: { ...options, candidateBytesPerTransaction: 4000 },
    });
    await written(world, 'T1', series(1));
    const count = async () => (await world.standing('west')).candidates.get('T1')?.length;
    expect(await count()).toBe(5);
    await world.run(world.node('east').service.write('T1', { events: [event('one more')] }));
    await world.clock.advance(1000);
    expect(await count()).toBe(5);
  });

  it('bounds: bytes a second', async () => {
    const say = ({ events }: OpenContext) => [wish(`${events.length}`.padEnd(1000, 'x'))];
    const world = await open(new Scripted(say), { options: { candidateBytesPerSecond: 1100 } });
    const at = async (thinkMs: number, id: string) => {
      await written(world, id, series(2), thinkMs);
      return (await world.standing('west')).candidates.get(id)?.length ?? 0;
    };
    expect(await at(200, 'T1')).toBe(1);
    expect(await at(2000, 'T2')).toBe(2);
  });

  it('a second process of the site stages no more than the bounds allow', async () => {
    const say = ({ events }: OpenContext) => [wish(`a ${events.length}`), wish(`b ${events.length}`)];
    const world = await open(new Scripted(say), { options: { candidatesPerTransaction: 3 } });
    const { backfill } = await world.coordinator('west/2');
    await written(world, 'T1', series(1));
    await world.run(Promise.all([backfill?.look(['T1']), world.node('west').backfill?.look(['T1'])]));
    expect((await world.standing('west')).candidates.get('T1')).toHaveLength(2);
  });

  it('restart: another process goes on with what is open, and counts what stood', async () => {
    const silent = new Scripted();
    const world = await open(silent);
    await written(world, 'T1', series(1));
    expect((await world.standing('west')).candidates.size).toBe(0);
    silent.say = counts;
    const again = await world.coordinator('west/2');
    await world.run(again.foresee());
    await world.clock.advance(1000);
    const told = await written(world, 'T2', []);
    expect(told).toEqual([]);
    const { events } = await world.run(world.node('east').service.write('T1', { events: [event('event 1')] }));
    expect(events[0]?.foreseen).toEqual(['west']);
    await committed(world, 'T1', series(2));
    await world.run((await world.coordinator('west/3')).foresee());
    expect((await predictions(world)).counts).toMatchObject({ confirmed: 1 });
  });

  it('learns what was committed, in its order, each once', async () => {
    const predictor = new Scripted();
    const world = await open(predictor, { predictorOf: (site) => (site === 'west' ? predictor : undefined) });
    await world.commit('east', 'T1', event('one'));
    await written(world, 'T2', series(2));
    await committed(world, 'T2', series(2));
    await world.run(world.node('east').service.begin({ id: 'T3', streams: ['orders'] }));
    await world.run(world.node('east').service.abort('T3', {}));
    const node = world.node('west');
    await world.run(node.foresee());
    await world.run(node.foresee());
    expect(predictor.taught.map(({ id, events }) => [id, events.length])).toEqual([
      ['T1', 1],
      ['T2', 2],
    ]);
    const [first, second] = predictor.taught[1]?.events ?? [];
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBe(FAR_MS + 1000);
  });

  it('counts: what was confirmed, wrong, or ended otherwise; bytes; and the waiting that it saved', async () => {
    const say = (context: OpenContext) => [...counts(context), wish('never', { probability: 0.5 })];
    const world = await open(new Scripted(say));
    await written(world, 'T1', series(3));
    await committed(world, 'T1', series(3));
    await written(world, 'T2', series(1));
    await world.run(world.node('east').service.abort('T2', {}));
    for (let round = 0; round < 2; round += 1) {
      for (const site of world.sites) await world.run(world.node(site).foresee());
    }
    const { model, counts: told, bytes, waitSavedMs } = await predictions(world);
    expect(model).toMatchObject({ name: 'predictor', version: 'scripted' });
    // T1: events 1, 2 and 3 and one that never came; T2: event 1 and that one again.
    expect(told).toEqual({ written: 6, confirmed: 2, wrong: 2, expired: 2 });
    expect(bytes.written).toBeGreaterThan(bytes.wasted);
    expect(waitSavedMs).toBe(2 * FAR_MS);
    expect((await world.standing('west')).candidates.size).toBe(0);
  });

  it('what a process left that met its end is taken away by another one', async () => {
    const world = await open(new Scripted(counts));
    await written(world, 'T1', series(1));
    // The follower dies before it drops what it held.
    world.hooks.meet({ by: 'west', port: 'tables', method: 'writeEach' }, () => Promise.resolve([]));
    await committed(world, 'T1', series(1));
    await world.clock.advance(100);
    expect((await world.standing('west')).candidates.size).toBe(1);
    await world.run(world.node('west').foresee());
    expect((await world.standing('west')).candidates.size).toBe(0);
    expect((await predictions(world)).counts).toMatchObject({ written: 1, wrong: 1 });
  });
});

describe('following the log', () => {
  const confirmations = (world: World) => world.hooks.count({ by: 'east', to: 'west', method: 'stage' });

  it('at home: tells followers which foreseen events were written, once', async () => {
    const world = await open(new Scripted(counts));
    await written(world, 'T1', series(1));
    world.hooks.fail({ by: 'east', to: 'west', method: 'stage' }, 1);
    await world.run(world.node('east').service.write('T1', { events: [event('event 1')] }));
    const follower = new LogFollower(world.node('east'));
    const before = confirmations(world);
    await world.run(follower.follow(['T1', 'T1', 'unknown']));
    await world.run(follower.follow(['T1']));
    expect(confirmations(world)).toBe(before + 1);
    const staged = (await world.standing('west')).staged.get('T1');
    expect(staged?.map(({ number, data }) => [number, data])).toEqual([
      [0, '"event 0"'],
      [1, '"event 1"'],
    ]);
  });

  it('at home: tells again what did not arrive', async () => {
    const world = await open(new Scripted(counts));
    await written(world, 'T1', series(1));
    world.hooks.fail({ by: 'east', to: 'west', method: 'stage' }, 2);
    await world.run(world.node('east').service.write('T1', { events: [event('event 1')] }));
    const follower = new LogFollower(world.node('east'));
    await world.run(follower.follow(['T1']));
    await world.run(follower.follow(['T1']));
    expect((await world.standing('west')).staged.get('T1')?.map(({ number }) => number)).toEqual([0, 1]);
  });

  it('at a follower: foresees', async () => {
    const silent = new Scripted();
    const world = await open(silent);
    await written(world, 'T1', series(1));
    silent.say = counts;
    const follower = new LogFollower(await world.coordinator('west/2'));
    await world.run(follower.follow(['T1']));
    const { events } = await world.run(world.node('east').service.write('T1', { events: [event('event 1')] }));
    expect(events[0]?.foreseen).toEqual(['west']);
  });

  it('who foresees is told by processes of the site that do not foresee themselves', async () => {
    const world = await open(new Scripted());
    const { site } = world.node('west');
    expect((await world.run(predictionsOf(site, undefined))).model.name).toBe('none');
    const follower = new LogFollower(await world.coordinator('west/2'));
    await world.run(follower.follow([]));
    expect((await world.run(predictionsOf(site, undefined))).model).toMatchObject({
      name: 'predictor',
      version: 'scripted',
    });
  });
});

describe('a predictor that fails', () => {
  const hang = () => new Promise<never>(() => undefined);
  const broken: readonly (readonly [string, Predictor])[] = [
    ['throws', { predict: boom, learn: boom, describe: boom }],
    ['throws at once', { predict: boomNow, learn: boomNow, describe: boomNow }],
    ['never answers', { predict: hang, learn: hang, describe: hang }],
    ['answers nothing', garbage(undefined)],
    ['answers too few lists', garbage([])],
    ['answers text', garbage('nonsense')],
    ['answers lists of nothing', garbage([[null]])],
    ['answers no events', garbage([[{ probability: 'high' }, {}, wish(1, { stream: 'elsewhere' })]])],
    ['answers impossible numbers', garbage([[wish(1, { probability: NaN }), wish(2, { probability: 7 })]])],
    ['answers impossible steps', garbage([[wish(1, { step: -1 }), wish(2, { step: 1e9 }), wish(3, { step: NaN })]])],
    ['answers impossible events', garbage([[wish(1, { key: '' }), wish(undefined), wish(2, { dataBase64: 'AA==' })]])],
    ['answers half a character', garbage([[wish('\ud800'), wish(1, { key: '\ud800' })]])],
    ['answers what is too large', garbage([[wish('x'.repeat(2_000_000))]])],
  ];

  it.each(broken)('one that %s: commits and waits are those without one', async (_what, predictor) => {
    const without = await timeOf(undefined);
    expect(await timeOf(predictor)).toEqual(without);
  });

  it('is asked no more while its breaker is open, and again later', async () => {
    let calls = 0;
    const failing = new Scripted(() => {
      calls += 1;
      throw new Error('out of order');
    });
    const world = await open(failing, { options: { halfOpenAfterMs: 30_000 } });
    await written(world, 'T1', series(10), 10);
    expect(calls).toBe(world.node('west').site.options.failuresToOpen);
    failing.say = counts;
    await world.clock.advance(60_000);
    const told = await written(world, 'T2', series(4));
    expect(told.at(-1)?.foreseen).toEqual(['west']);
  });

  async function timeOf(predictor: Predictor | undefined) {
    const world = await openWorld({ roundTripMs: FAR_MS, predictorOf: () => predictor });
    const told = await written(world, 'T1', series(3), 200);
    const startMs = world.clock.now();
    await committed(world, 'T1', series(3));
    const committedMs = world.clock.now() - startMs;
    for (const site of world.sites) await world.outcome(world.node(site).foresee());
    await expectRest(world, { committed: ['T1'] });
    const { counts: told2 } = await predictions(world);
    return { told, committedMs, candidates: told2.written };
  }
});

function boom(): Promise<never> {
  return Promise.reject(new Error('out of order'));
}

function boomNow(): never {
  throw new Error('out of order');
}

function garbage(answer: unknown): Predictor {
  const say = () => Promise.resolve(answer as never);
  return { predict: say, learn: say, describe: say };
}
