import fc from 'fast-check';
import { Bench, type PartOptions, ts } from '../unit/reader-records.js';

const STREAMS = ['a', 'b'];
const PLACES = ['a/1', 'a/2', 'a/3', 'b/1', 'b/2'];

interface Made {
  readonly id: string;
  readonly ms: number;
  readonly parts: readonly (PartOptions & { readonly place: string })[];
}

/** Transactions with parts at some places; `ms` need not rise with the index. */
function made(shapes: readonly (readonly string[])[], msOf: (index: number) => number): Made[] {
  const last = new Map<string, { at: string; id: string; version: number }>();
  return shapes.map((places, index) => {
    const [id, ms] = [`t${index}`, msOf(index)];
    const counts: Record<string, number> = {};
    for (const place of places) counts[place[0]!] = (counts[place[0]!] ?? 0) + 1;
    const parts = places.map((place, number) => {
      const [stream, key] = [place[0]!, place.slice(2)];
      const versioned = key === '3';
      const before = versioned ? last.get(place) : undefined;
      const version = (before?.version ?? 0) + 1;
      if (versioned) last.set(place, { at: ts(ms), id, version });
      const chain = versioned ? { version, ...(before && { after: { at: before.at, id: before.id } }) } : {};
      return { id, at: ts(ms), stream, key, place, numbers: [number], parts: counts, ...chain };
    });
    return { id, ms, parts };
  });
}

const shapes = (places: readonly string[], minLength: number, maxLength: number) =>
  fc.array(fc.subarray([...places], { minLength: 1, maxLength: 3 }), { minLength, maxLength, size: 'max' });

describe('unversioned events of one (stream, key)', () => {
  it('come in the order of their arrival, whatever is whole first and whenever it was committed', () => {
    const unversioned = PLACES.filter((place) => !place.endsWith('3'));
    const schedule = fc.array(fc.tuple(fc.nat(99), fc.nat(4)), { size: 'max', maxLength: 400 });
    fc.assert(
      fc.property(shapes(unversioned, 1, 60), fc.infiniteStream(fc.nat(1_000_000)), schedule, (all, random, picks) => {
        const order = all.map((_, i) => ({ i, by: random.next().value as number })).sort((x, y) => x.by - y.by);
        const rank = new Map(order.map(({ i }, ms) => [i, ms + 1]));
        const transactions = made(all, (index) => rank.get(index)!);
        // On each place the parts arrive by index; how places interleave is the schedule's choice.
        const queues = unversioned.map((place) =>
          transactions.flatMap(({ parts }) => parts.filter((p) => p.place === place)),
        );
        const bench = new Bench(STREAMS);
        const got: string[] = [];
        for (const [pick, limit] of picks) {
          const queue = queues[pick % queues.length]!;
          const next = queue.shift();
          if (next) bench.add(next, ...(pick % 5 === 0 ? [next] : []));
          if (limit > 2) got.push(...bench.take(limit));
        }
        for (const queue of queues) bench.add(...queue);
        got.push(...bench.take(), ...bench.close(ts(1000)).take());
        for (const place of unversioned) {
          const mine = transactions.flatMap(({ parts }) => parts.filter((p) => p.place === place));
          const expected = mine.map(({ id, numbers }) => `${id}:${numbers![0]}`);
          const wanted = new Set(expected);
          expect(got.filter((id) => wanted.has(id))).toEqual(expected);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('a reader of many transactions', () => {
  it('keeps its checkpoint small and holds nothing whole for ever', () => {
    const steps = fc.array(fc.tuple(fc.nat(999), fc.nat(9), fc.nat(400)), { minLength: 5, maxLength: 40 });
    fc.assert(
      fc.property(shapes(PLACES, 1, 500), fc.infiniteStream(fc.nat(60)), steps, (all, random, todo) => {
        const transactions = made(all, (index) => index + 1);
        // Each part arrives somewhat later than it was committed.
        const arrivals = transactions
          .flatMap(({ ms, parts }) => parts.map((part) => ({ part, at: ms + (random.next().value as number) })))
          .sort((x, y) => x.at - y.at);
        const bench = new Bench(STREAMS);
        const got: string[] = [];
        let next = 0;
        const closable = () =>
          Math.min(all.length, ...arrivals.slice(next).map(({ part }) => Number(part.id.slice(1))));
        for (const [count, action, limit] of [...todo, [9999, 0, 9999], [0, 1, 9999]] as const) {
          const from = next;
          next = Math.min(arrivals.length, next + count);
          bench.add(...arrivals.slice(from, next).map(({ part }) => part));
          if (action < 5) bench.close(ts(closable()));
          got.push(...bench.take(limit + 1));
          if (action % 3 === 0) bench.resume().add(...arrivals.slice(0, next).map(({ part }) => part));
        }
        bench.close(ts(all.length));
        for (let some = bench.take(); some.length > 0; some = bench.take()) got.push(...some);
        const expected = transactions.flatMap(({ parts }) => parts.map(({ id, numbers }) => `${id}:${numbers![0]}`));
        expect([...got].sort()).toEqual(expected.sort());
        const chain = transactions.filter(({ parts }) => parts.some(({ place }) => place === 'a/3'));
        const ids = new Set(chain.map(({ id }) => id));
        const inOrder = [...new Set(got.map((id) => id.split(':')[0]!))].filter((id) => ids.has(id));
        expect(inOrder).toEqual(chain.map(({ id }) => id));
        expect(bench.reader).toMatchObject({ closed: ts(all.length), pendingCount: 0, heldBytes: 0, gap: undefined });
      }),
      { numRuns: 80 },
    );
  });
});
