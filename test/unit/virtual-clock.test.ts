import { VirtualClock, seededRandom } from '../../src/adapters/embedded/virtual-clock.js';

describe('the virtual clock', () => {
  it('stands still unless told otherwise', async () => {
    const clock = new VirtualClock(5000);
    await clock.nextTurn();
    expect(clock.now()).toBe(5000);
    await clock.advance(10);
    expect(clock.now()).toBe(5010);
  });

  it('wakes sleepers in the order of their times, and those of one time in the order in which they slept', async () => {
    const clock = new VirtualClock(0);
    const woken: string[] = [];
    const sleep = async (name: string, ms: number): Promise<void> => {
      await clock.sleep(ms);
      woken.push(`${name}@${clock.now()}`);
    };
    void sleep('c', 30);
    void sleep('a', 10);
    void sleep('b', 10);
    void sleep('now', -5);
    await clock.advance(10);
    expect(woken).toEqual(['now@0', 'a@10', 'b@10']);
    await clock.advance(100);
    expect(woken.at(-1)).toBe('c@30');
    expect(clock.now()).toBe(110);
    expect(clock.sleeping).toBe(0);
  });

  it('wakes those who fall asleep on the way', async () => {
    const clock = new VirtualClock(0);
    let ticks = 0;
    void (async () => {
      for (;;) {
        await clock.sleep(10);
        ticks += 1;
      }
    })();
    await clock.advance(95);
    expect(ticks).toBe(9);
  });

  it('runs a promise to its end, in no time', async () => {
    const clock = new VirtualClock();
    const start = clock.now();
    const result = await clock.run(
      (async () => {
        for (let day = 0; day < 365; day += 1) await clock.sleep(86_400_000);
        return 'a year';
      })(),
    );
    expect(result).toBe('a year');
    expect(clock.now() - start).toBe(365 * 86_400_000);
  });

  it('lets everything of one moment happen before time passes', async () => {
    const clock = new VirtualClock(0);
    const seen: string[] = [];
    void clock.sleep(1).then(() => seen.push('timer'));
    await clock.run(
      (async () => {
        for (let i = 0; i < 20; i += 1) await clock.nextTurn();
        for (let i = 0; i < 1000; i += 1) await Promise.resolve();
        seen.push('turns');
        await clock.sleep(1);
      })(),
    );
    expect(seen).toEqual(['turns', 'timer']);
  });

  it('passes failures on', async () => {
    const clock = new VirtualClock();
    const failing = clock.sleep(5).then(() => {
      throw new Error('as expected');
    });
    await expect(clock.run(failing)).rejects.toThrow('as expected');
  });

  it('waits for real I/O when nobody sleeps', async () => {
    const clock = new VirtualClock();
    await clock.run(new Promise<void>((resolve) => setTimeout(resolve, 20)));
  });

  it('is not stopped by those who take turns for ever', async () => {
    const clock = new VirtualClock(0);
    const state = { done: false };
    void (async () => {
      while (!state.done) await clock.nextTurn();
    })();
    await clock.run(clock.sleep(10));
    state.done = true;
    expect(clock.now()).toBe(10);
  });

  it('jumps without waking anybody', async () => {
    const clock = new VirtualClock(1000);
    let woken = false;
    void clock.sleep(10).then(() => (woken = true));
    clock.jump(-500);
    await clock.advance(9);
    expect([clock.now(), woken]).toEqual([509, false]);
    await clock.advance(1);
    expect(woken).toBe(true);
  });
});

describe('seeded randomness', () => {
  it('is the same for the same seed and another for another', () => {
    const numbers = (seed: number): number[] => {
      const random = seededRandom(seed);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(numbers(1)).toEqual(numbers(1));
    expect(numbers(1)).not.toEqual(numbers(2));
    expect(numbers(2 ** 40)).not.toEqual(numbers(2 ** 41));
  });

  it('spreads over [0, 1), and over all bytes', () => {
    const random = seededRandom(7);
    const buckets = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i += 1) {
      const at = Math.floor(random.next() * 10);
      buckets[at] = (buckets[at] ?? 0) + 1;
    }
    for (const count of buckets) expect(count).toBeGreaterThan(850);
    expect(new Set(random.bytes(5000)).size).toBe(256);
  });
});
