import type { Fault } from '../../src/adapters/embedded/fault-board.js';
import { FaultBoard } from '../../src/adapters/embedded/fault-board.js';
import { SimulatedNetwork } from '../../src/adapters/embedded/network.js';
import { VirtualClock, seededRandom } from '../../src/adapters/embedded/virtual-clock.js';
import { PortThrottled, PortUnavailable } from '../../src/ports/failures.js';

function setUp(options: { roundTripMs?: number; faults?: readonly Fault[] } = {}) {
  const clock = new VirtualClock(0);
  const board = new FaultBoard();
  board.set(options.faults ?? []);
  const { roundTripMs = 80 } = options;
  const network = new SimulatedNetwork({ clock, board, random: seededRandom(1), roundTripMs, timeoutMs: 2000 });
  const effects: number[] = [];
  const call = (from = 'eu', to = 'us', result: unknown = 'answer'): Promise<unknown> =>
    network.call(from, to, async () => {
      effects.push(clock.now());
      if (result instanceof Error) throw result;
      return result;
    });
  /** What a call came to, and when. */
  const outcome = async (from?: string, to?: string, result?: unknown): Promise<unknown[]> => {
    const start = clock.now();
    const answer = await clock.run(
      call(from, to, result).then(
        (value) => value,
        (error: unknown) => error,
      ),
    );
    return [answer, clock.now() - start];
  };
  return { clock, board, network, effects, call, outcome };
}

const unavailable = expect.any(PortUnavailable);

describe('the simulated network', () => {
  it('takes half of the round trip each way, for answers and errors alike', async () => {
    const { outcome, effects } = setUp();
    expect(await outcome()).toEqual(['answer', 80]);
    expect(effects).toEqual([40]);
    const error = new Error('from there');
    expect(await outcome('eu', 'us', error)).toEqual([error, 80]);
  });

  it('costs nothing within a site, or without distance and faults', async () => {
    const near = setUp({ roundTripMs: 0 });
    const effect = Promise.resolve(1);
    expect(near.network.call('eu', 'us', () => effect)).toBe(effect);
    expect(setUp().network.call('eu', 'eu', () => effect)).toBe(effect);
    expect(near.clock.sleeping).toBe(0);
  });

  it('may be moved apart at any time', async () => {
    const { network, outcome } = setUp({ roundTripMs: 0 });
    network.roundTripMs = 200;
    expect(await outcome()).toEqual(['answer', 200]);
  });

  it('fails at once where a site or its API is down, and for a site that is down itself', async () => {
    for (const fault of [{ site: 'us' }, { site: 'us', part: 'api' }, { site: 'eu' }] as const) {
      const { outcome, effects } = setUp({ faults: [{ ...fault, kind: 'down' }] });
      expect(await outcome()).toEqual([unavailable, 0]);
      expect(effects).toEqual([]);
    }
  });

  it('is not stopped by what is down elsewhere', async () => {
    const faults: Fault[] = [
      { site: 'eu', part: 'api', kind: 'down' },
      { site: 'us', part: 'tables', kind: 'down' },
      { site: 'us', stream: 'orders', kind: 'down' },
      { site: 'ap', kind: 'down' },
    ];
    expect(await setUp({ faults }).outcome()).toEqual(['answer', 80]);
  });

  it('gives up after the time-out where a partition drops the request', async () => {
    for (const fault of [{ site: 'us', peer: 'eu' }, { site: 'eu', peer: 'us' }, { site: 'eu' }, { site: 'us' }]) {
      const { outcome, effects } = setUp({ faults: [{ ...fault, kind: 'partition' }] });
      expect(await outcome()).toEqual([unavailable, 2000]);
      expect(effects).toEqual([]);
    }
  });

  it('loses only the answers of a partition the other way', async () => {
    const { outcome, effects } = setUp({ faults: [{ site: 'us', peer: 'eu', kind: 'partition', oneWay: true }] });
    expect(await outcome()).toEqual([unavailable, 2000]);
    expect(effects).toEqual([40]);
    expect(await outcome('us', 'eu')).toEqual([unavailable, 2000]);
    expect(effects).toEqual([40]);
  });

  it('lets others through a partition between two', async () => {
    const { outcome } = setUp({ faults: [{ site: 'us', peer: 'ap', kind: 'partition' }] });
    expect(await outcome()).toEqual(['answer', 80]);
  });

  it('adds the delay of a slow site, and gives up where it is too long, though the effect happens', async () => {
    expect(await setUp({ faults: [{ site: 'us', kind: 'slow', delayMs: 100 }] }).outcome()).toEqual(['answer', 180]);
    const { outcome, clock, effects } = setUp({ faults: [{ site: 'us', kind: 'slow', delayMs: 5000 }] });
    expect(await outcome()).toEqual([unavailable, 2000]);
    await clock.advance(10_000);
    expect(effects).toEqual([5040]);
  });

  it('fails before or after the effect where a site is flaky', async () => {
    const { outcome, effects } = setUp({ faults: [{ site: 'us', kind: 'flaky', rate: 0.5 }] });
    let failures = 0;
    for (let i = 0; i < 400; i += 1) if ((await outcome())[0] !== 'answer') failures += 1;
    expect(failures).toBeGreaterThan(150);
    expect(failures).toBeLessThan(250);
    const lostAnswers = effects.length - (400 - failures);
    expect(lostAnswers).toBeGreaterThan(60);
    expect(lostAnswers).toBeLessThan(140);
  });

  it('is throttled without effect', async () => {
    const { outcome, effects } = setUp({ faults: [{ site: 'us', part: 'api', kind: 'throttle' }] });
    expect(await outcome()).toEqual([expect.any(PortThrottled), 80]);
    expect(effects).toEqual([]);
  });

  it('notices what goes down while the message is on its way', async () => {
    const { clock, board, call, effects } = setUp();
    const calling = call().catch((error: unknown) => error);
    await clock.advance(50);
    board.set([{ site: 'us', kind: 'down' }]);
    expect(await clock.run(calling)).toEqual(unavailable);
    expect(effects).toEqual([40]);
  });

  it('leaves no time-outs behind', async () => {
    const { clock, call } = setUp();
    await clock.run(Promise.all(Array.from({ length: 1000 }, () => call())));
    expect(clock.sleeping).toBeLessThan(5);
    await clock.advance(250);
    expect(clock.sleeping).toBe(0);
  });
});
