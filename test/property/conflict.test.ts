import fc from 'fast-check';
import { type Choice, type Meeting, fullConflictPolicy, judge, wholeChoice } from '../../src/core/conflict.js';
import type { DecidedEntry } from '../../src/core/entry.js';
import { prepareEvent } from '../../src/core/event.js';
import { clockAt, timestamp } from '../../src/core/timestamp.js';
import { type VersionVector, advanceVector, compareVectors, mergeVectors } from '../../src/core/version-vector.js';

const vector = fc.dictionary(fc.constantFrom('east', 'west', 'north'), fc.integer({ min: 1, max: 3 }), { maxKeys: 3 });
const at = fc.record({ term: fc.integer({ min: 1, max: 3 }), ms: fc.integer({ min: 0, max: 3 }) });

const entry = fc
  .record({
    id: fc.constantFrom('T1', 'T2', 'T3'),
    at,
    startedAtMs: fc.integer({ min: 0, max: 3 }),
    time: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
    vector: fc.option(vector, { nil: undefined }),
  })
  .map((given): DecidedEntry => ({
    id: given.id,
    status: 'committed',
    at: timestamp(given.at.term, clockAt(given.at.ms)),
    streams: ['orders'],
    startedAtMs: given.startedAtMs,
    expiresAtMs: 10,
    events: [
      {
        ...prepareEvent({ stream: 'orders', key: 'k', type: 'set', data: given.id }),
        number: 0,
        ...(given.time === undefined ? {} : { time: new Date(given.time).toISOString() }),
        ...(given.vector ? { vector: given.vector } : {}),
      },
    ],
  }));
const meeting = fc
  .tuple(entry, entry)
  .filter(([a, b]) => a.id !== b.id)
  .map(([standing, waiting]): Meeting => ({ stream: 'orders', key: 'k', standing, waiting }));
const by = fc.constantFrom('commit', 'event', 'ingest');

const opposite: Record<Choice, Choice> = { standing: 'waiting', waiting: 'standing', manual: 'manual' };
const swapped = ({ standing, waiting, ...where }: Meeting): Meeting => ({
  ...where,
  standing: waiting,
  waiting: standing,
});

describe('version vectors', () => {
  it('are ordered: the same both ways round, and what knows both is after both', () => {
    const other = { equal: 'equal', before: 'after', after: 'before', concurrent: 'concurrent' } as const;
    fc.assert(
      fc.property(vector, vector, (a, b) => {
        expect(compareVectors(b, a)).toBe(other[compareVectors(a, b)]);
        const merged = mergeVectors(a, b);
        for (const part of [a, b]) expect(['equal', 'after']).toContain(compareVectors(merged, part));
        expect(compareVectors(advanceVector(merged, 'west'), a)).toBe('after');
      }),
    );
  });

  it('tell a history: one decision knew another exactly where it came after it, or merged it', () => {
    // Two sites that go on alone, and meet now and then: each decision with the set of those that it knew.
    const steps = fc.array(fc.constantFrom('east', 'west', 'meet'), { maxLength: 12 });
    fc.assert(
      fc.property(steps, (told) => {
        let sites: Record<string, { vector: VersionVector; knew: ReadonlySet<number> }> = {
          east: { vector: {}, knew: new Set() },
          west: { vector: {}, knew: new Set() },
        };
        const decisions: { vector: VersionVector; knew: ReadonlySet<number> }[] = [];
        for (const step of told) {
          const { east, west } = sites as { east: (typeof decisions)[0]; west: (typeof decisions)[0] };
          if (step === 'meet') {
            const both = {
              vector: mergeVectors(east.vector, west.vector),
              knew: new Set([...east.knew, ...west.knew]),
            };
            sites = { east: both, west: both };
            continue;
          }
          const before = sites[step] as (typeof decisions)[0];
          const decision = { vector: advanceVector(before.vector, step), knew: before.knew };
          sites = { ...sites, [step]: { vector: decision.vector, knew: new Set([...before.knew, decisions.length]) } };
          decisions.push(decision);
        }
        decisions.forEach((a, i) =>
          decisions.forEach((b, j) => {
            if (i !== j) expect(compareVectors(a.vector, b.vector) === 'after').toBe(a.knew.has(j));
          }),
        );
      }),
    );
  });
});

describe('judging', () => {
  it('chooses the same version whichever side it waits on', () => {
    fc.assert(
      fc.property(meeting, by, fc.constantFrom('last-write-wins', 'version-vector'), (met, time, policy) => {
        const rule = fullConflictPolicy({ policy, by: time });
        if (rule.policy === 'function') throw new Error('not asked for');
        expect(judge(rule, swapped(met)).choice).toBe(opposite[judge(rule, met).choice]);
      }),
    );
  });

  it('by version vectors, never overrules what knew the other, whatever the clocks say', () => {
    fc.assert(
      fc.property(meeting, by, (met, time) => {
        const [a, b] = [met.standing.events[0]?.vector, met.waiting.events[0]?.vector];
        if (!a || !b) return;
        const order = compareVectors(a, b);
        const { choice } = judge({ policy: 'version-vector', otherwise: 'last-write-wins', by: time }, met);
        if (order === 'after') expect(choice).toBe('standing');
        if (order === 'before') expect(choice).toBe('waiting');
        const manual = judge({ policy: 'version-vector', otherwise: 'manual' }, met).choice;
        expect(manual === 'manual').toBe(order === 'concurrent' || order === 'equal');
      }),
    );
  });

  it('keeps transactions whole: lost on one key is lost, to be asked about on one is to be asked about', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom<Choice>('standing', 'waiting', 'manual')), (choices) => {
        const whole = wholeChoice(choices);
        expect(whole === 'waiting').toBe(choices.every((choice) => choice === 'waiting'));
        expect(whole === 'standing').toBe(choices.includes('standing'));
      }),
    );
  });
});

describe('policies', () => {
  it('keep what is left out as long as the policy stays the same', () => {
    const before = fullConflictPolicy({ policy: 'last-write-wins', by: 'event' });
    expect(fullConflictPolicy({ policy: 'last-write-wins' }, before)).toEqual(before);
    expect(fullConflictPolicy({ policy: 'version-vector' }, before)).toMatchObject({ by: 'commit' });
    const manual = fullConflictPolicy({ policy: 'version-vector', otherwise: 'manual' }, before);
    expect(manual).toEqual({ policy: 'version-vector', otherwise: 'manual' });
    expect(() => fullConflictPolicy({ policy: 'version-vector', by: 'event' }, manual)).toThrow(
      /leave one of them out/,
    );
  });
});
