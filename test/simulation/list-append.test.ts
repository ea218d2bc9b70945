import fc from 'fast-check';
import { type AnomalyKind, type ListAppendTransaction, checkListAppend } from './checkers/list-append.js';
import { DATABASES, type Plan, type Script, run } from './list-append-databases.js';
import { isSerialisable } from './list-append-oracle.js';

type Changes = Partial<Omit<ListAppendTransaction, 'operations'>>;

/** A transaction beside all others, of operations such as `append x 1` or `read x 1 2`. */
function transaction(id: string, operations: readonly string[], changes: Changes = {}): ListAppendTransaction {
  return {
    id,
    process: id,
    invokedAt: 0,
    completedAt: 9,
    outcome: 'committed',
    operations: operations.map((text) => {
      const [kind, key = '', ...values] = text.split(' ');
      return kind === 'append' ? { kind, key, value: values.join(' ') } : { kind: 'read', key, values };
    }),
    ...changes,
  };
}

const at = (invokedAt: number, completedAt: number): Changes => ({ invokedAt, completedAt });

function kindsOf(history: readonly ListAppendTransaction[]): AnomalyKind[] {
  return [...new Set(checkListAppend(history).map(({ kind }) => kind))].sort();
}

describe('list-append histories made by hand', () => {
  type Case = [
    kind: string,
    near: string,
    flagged: ListAppendTransaction[],
    kinds: AnomalyKind[],
    fine: ListAppendTransaction[],
  ];

  const cases: Case[] = [
    [
      'G0: two transactions append to two keys in different orders',
      'the same order in both',
      [
        transaction('T1', ['append x 1', 'append y 1']),
        transaction('T2', ['append x 2', 'append y 2']),
        transaction('T3', ['read x 1 2', 'read y 2 1']),
      ],
      ['G0'],
      [
        transaction('T1', ['append x 1', 'append y 1']),
        transaction('T2', ['append x 2', 'append y 2']),
        transaction('T3', ['read x 1 2', 'read y 1 2']),
      ],
    ],
    [
      'G1a: a read shows what was aborted',
      'the same append of unknown outcome',
      [transaction('T1', ['append x 1'], { outcome: 'aborted' }), transaction('T2', ['read x 1'])],
      ['G1a'],
      [transaction('T1', ['append x 1'], { outcome: 'unknown' }), transaction('T2', ['read x 1'])],
    ],
    [
      'G1b: a read shows the first of two appends (which are then before and after it)',
      'it shows both, and the writer reads what it has so far',
      [transaction('T1', ['append x 1', 'append x 2']), transaction('T2', ['read x 1'])],
      ['G-single', 'G1b'],
      [transaction('T1', ['append x 1', 'read x 1', 'append x 2']), transaction('T2', ['read x 1 2'])],
    ],
    [
      'G1c: two transactions read what the other appended',
      'one of them reads before',
      [transaction('T1', ['append x 1', 'read y 1']), transaction('T2', ['append y 1', 'read x 1'])],
      ['G1c'],
      [transaction('T1', ['append x 1', 'read y 1']), transaction('T2', ['append y 1', 'read x'])],
    ],
    [
      'G1c: what another appended after the own append, read in the middle',
      'appended before',
      [transaction('T1', ['append x 1', 'read x 1 2']), transaction('T2', ['append x 2'])],
      ['G1c', 'internal'],
      [transaction('T1', ['append x 1', 'read x 2 1']), transaction('T2', ['append x 2'])],
    ],
    [
      'G-single: a read shows one of two appends of a transaction',
      'the other one is older',
      [
        transaction('T1', ['append x 1', 'append y 1']),
        transaction('T2', ['read x 1', 'read y']),
        transaction('T3', ['read y 1']),
      ],
      ['G-single'],
      [
        transaction('T1', ['append x 1', 'append y 1']),
        transaction('T2', ['read x', 'read y']),
        transaction('T3', ['read y 1']),
      ],
    ],
    [
      'G-single: a lost update, nobody read the second append',
      'the second reads the first',
      [transaction('T1', ['read x', 'append x 1', 'read x 1']), transaction('T2', ['read x', 'append x 2'])],
      ['G-single'],
      [transaction('T1', ['read x', 'append x 1', 'read x 1']), transaction('T2', ['read x 1', 'append x 2'])],
    ],
    [
      'G2-item: write skew',
      'only one of the two decides on the other key',
      [
        transaction('T1', ['read x', 'append y 1']),
        transaction('T2', ['read y', 'append x 1']),
        transaction('T3', ['read x 1', 'read y 1']),
      ],
      ['G2-item'],
      [
        transaction('T1', ['read x', 'append y 1']),
        transaction('T2', ['read y 1', 'append x 1']),
        transaction('T3', ['read x 1', 'read y 1']),
      ],
    ],
    [
      'G2-item: two readers see two appends in different orders (a long fork)',
      'one of them sees both',
      [
        transaction('T1', ['append x 1']),
        transaction('T2', ['append y 1']),
        transaction('T3', ['read x 1', 'read y']),
        transaction('T4', ['read x', 'read y 1']),
      ],
      ['G2-item'],
      [
        transaction('T1', ['append x 1']),
        transaction('T2', ['append y 1']),
        transaction('T3', ['read x 1', 'read y']),
        transaction('T4', ['read x 1', 'read y 1']),
      ],
    ],
    [
      'G0-realtime: an append comes before one that had ended',
      'that had not ended when it began',
      [
        transaction('T1', ['append x 1'], at(0, 1)),
        transaction('T2', ['append x 2'], at(2, 3)),
        transaction('T3', ['read x 2 1']),
      ],
      ['G0-realtime'],
      [
        transaction('T1', ['append x 1'], at(0, 2)),
        transaction('T2', ['append x 2'], at(2, 3)),
        transaction('T3', ['read x 2 1']),
      ],
    ],
    [
      'G1c-realtime: a read of the future',
      'of one that runs',
      [transaction('T1', ['read x 1'], at(0, 1)), transaction('T2', ['append x 1'], at(2, 3))],
      ['G1c-realtime'],
      [transaction('T1', ['read x 1'], at(0, 3)), transaction('T2', ['append x 1'], at(2, 3))],
    ],
    [
      'G-single-realtime: a read that misses what had ended',
      'of which nobody knew whether it had',
      [transaction('T1', ['append x 1'], at(0, 1)), transaction('T2', ['read x'], at(2, 3))],
      ['G-single-realtime'],
      [
        transaction('T1', ['append x 1'], { ...at(0, 1), outcome: 'unknown' }),
        transaction('T2', ['read x'], at(2, 3)),
        transaction('T3', ['read x 1'], at(4, 5)),
      ],
    ],
    [
      'G2-item-realtime: two late readers, each with one of two keys',
      'one of them began earlier',
      [
        transaction('T1', ['append x 1'], at(0, 4)),
        transaction('T2', ['append y 1'], at(0, 4)),
        transaction('T3', ['read x 1'], at(1, 2)),
        transaction('T4', ['read x', 'read y 1'], at(1, 9)),
        transaction('T5', ['read y'], at(3, 4)),
      ],
      ['G2-item-realtime'],
      [
        transaction('T1', ['append x 1'], at(0, 4)),
        transaction('T2', ['append y 1'], at(0, 4)),
        transaction('T3', ['read x 1'], at(1, 2)),
        transaction('T4', ['read x', 'read y 1'], at(1, 9)),
        transaction('T5', ['read y'], at(2, 4)),
      ],
    ],
    [
      'internal: two reads of one transaction differ',
      'by its own append',
      [transaction('T1', ['read x', 'read x 1']), transaction('T2', ['append x 1'])],
      ['G-single', 'internal'],
      [transaction('T1', ['read x 1', 'append x 2', 'read x 1 2']), transaction('T2', ['append x 1'])],
    ],
    [
      'internal: a read misses the own append',
      'of another key',
      [transaction('T1', ['append x 1', 'read x'])],
      ['internal'],
      [transaction('T1', ['append x 1', 'read y'])],
    ],
    [
      'internal: a read shows a later append of its own',
      'read by another, which is of unknown outcome',
      [transaction('T1', ['read x 1', 'append x 1'])],
      ['internal'],
      [transaction('T1', ['append x 1']), transaction('T2', ['read x 1', 'append x 2'], { outcome: 'unknown' })],
    ],
    [
      'duplicate: a list shows a value twice',
      'two lists show it',
      [transaction('T1', ['append x 1']), transaction('T2', ['read x 1 1'])],
      ['duplicate'],
      [transaction('T1', ['append x 1', 'append y 1']), transaction('T2', ['read x 1', 'read y 1'])],
    ],
    [
      'duplicate: two transactions append the same value',
      'to different keys',
      [transaction('T1', ['append x 1']), transaction('T2', ['append x 1']), transaction('T3', ['read x 1'])],
      ['duplicate'],
      [transaction('T1', ['append x 1']), transaction('T2', ['append y 1']), transaction('T3', ['read x 1'])],
    ],
    [
      'phantom: a list shows what nobody appended',
      'the read was aborted',
      [transaction('T1', ['append x 1']), transaction('T2', ['read x 1 2'])],
      ['phantom'],
      [transaction('T1', ['append x 1']), transaction('T2', ['read x 1 2'], { outcome: 'aborted' })],
    ],
    [
      'incompatible-order: no read is the beginning of the other',
      'one is',
      [
        transaction('T1', ['append x 1']),
        transaction('T2', ['append x 2']),
        transaction('T3', ['read x 1']),
        transaction('T4', ['read x 2']),
      ],
      ['incompatible-order'],
      [
        transaction('T1', ['append x 1']),
        transaction('T2', ['append x 2']),
        transaction('T3', ['read x 1']),
        transaction('T4', ['read x 1 2']),
      ],
    ],
    [
      'incompatible-order: a list turns the appends of one transaction round',
      'as appended',
      [transaction('T1', ['append x 1', 'append x 2']), transaction('T2', ['read x 2 1'])],
      ['incompatible-order'],
      [transaction('T1', ['append x 1', 'append x 2']), transaction('T2', ['read x 1 2'])],
    ],
  ];

  it.each(cases)('%s; not when %s', (_kind, _near, flagged, kinds, fine) => {
    expect(kindsOf(flagged)).toEqual(kinds);
    expect(kindsOf(fine)).toEqual([]);
  });

  it.each<[string, ListAppendTransaction[], AnomalyKind[]]>([
    [
      'nothing follows from a value that two appended, read',
      [
        transaction('T1', ['append x 1'], { outcome: 'aborted' }),
        transaction('T2', ['append x 1']),
        transaction('T3', ['read x 1']),
      ],
      ['duplicate'],
    ],
    [
      'nor unread',
      [
        transaction('T1', ['append x 1'], at(0, 1)),
        transaction('T2', ['append x 1'], at(0, 1)),
        transaction('T3', ['read x'], at(2, 3)),
      ],
      ['duplicate'],
    ],
    [
      'an unknown outcome counts even if only a read of another order shows it',
      [
        transaction('T1', ['append x 1']),
        transaction('T2', ['append x 2', 'read y 7'], { outcome: 'unknown' }),
        transaction('T3', ['read x 1']),
        transaction('T4', ['read x 2']),
      ],
      ['incompatible-order', 'phantom'],
    ],
    [
      'what was aborted is passed over: two writes',
      [
        transaction('T1', ['append x 1', 'append y 1']),
        transaction('T2', ['append x 2'], { outcome: 'aborted' }),
        transaction('T3', ['append x 3', 'append y 3']),
        transaction('T4', ['read x 1 2 3', 'read y 3 1']),
      ],
      ['G0', 'G1a'],
    ],
    [
      'a read and the next write',
      [
        transaction('T1', ['read x', 'append y 1']),
        transaction('T2', ['append x 2'], { outcome: 'aborted' }),
        transaction('T3', ['append x 3', 'read y']),
        transaction('T4', ['read x 2 3']),
      ],
      ['G1a', 'G2-item'],
    ],
    [
      'a stray read is from the last other before the own append',
      [
        transaction('T1', ['append x 1', 'read x 2 1', 'append y 1']),
        transaction('T2', ['append x 2', 'read y 1']),
        transaction('T3', ['append x 3']),
        transaction('T4', ['read x 3 1 2']),
      ],
      ['G1c', 'incompatible-order'],
    ],
    [
      'a stray read has anomalies of its own',
      [
        transaction('T1', ['append x 1', 'append x 2']),
        transaction('T2', ['append x 3']),
        transaction('T3', ['append x 4'], { outcome: 'aborted' }),
        transaction('T4', ['read x 3 1 2']),
        transaction('T5', ['read x 4 1']),
      ],
      ['G1a', 'G1b', 'incompatible-order'],
    ],
    [
      'what only a stray read shows is not unread',
      [
        transaction('T1', ['append x 1'], at(0, 1)),
        transaction('T2', ['append x 2'], at(2, 3)),
        transaction('T3', ['append x 3'], at(4, 5)),
        transaction('T4', ['read x 2 3'], at(6, 7)),
        transaction('T5', ['read x 1'], at(6, 7)),
      ],
      ['incompatible-order'],
    ],
    [
      'who read what it appended itself is followed as a writer',
      [
        transaction('T1', ['append x 1', 'read x 1', 'append y 1']),
        transaction('T2', ['append x 2', 'append y 2']),
        transaction('T3', ['read x 1 2', 'read y 2 1']),
      ],
      ['G0'],
    ],
    [
      'one that ends does not hide another that ended while it ran',
      [
        transaction('T1', ['read z'], at(0, 1)),
        transaction('T2', ['append x 1'], at(0, 4)),
        transaction('T3', ['read z'], at(2, 5)),
        transaction('T4', ['read x'], at(6, 7)),
      ],
      ['G-single-realtime'],
    ],
  ])('%s', (_what, history, kinds) => {
    expect(kindsOf(history)).toEqual(kinds);
  });

  it('has nothing to say of nothing', () => {
    expect(checkListAppend([])).toEqual([]);
  });

  it('an unknown outcome that only another unread one saw does not count', () => {
    const history = [
      transaction('T1', ['append x 1', 'read z 1'], { outcome: 'unknown' }),
      transaction('T2', ['read x 1', 'append y 1'], { outcome: 'unknown' }),
      transaction('T3', ['read y']),
    ];
    expect(kindsOf(history)).toEqual([]);
    expect(kindsOf([...history, transaction('T4', ['read y 1'])])).toEqual(['phantom']);
  });

  it('tells of one read of what was appended in part', () => {
    const history = [
      transaction('T1', ['append x 1', 'append x 2']),
      transaction('T2', ['read x 1']),
      transaction('T3', ['read x 1']),
    ];
    const texts = checkListAppend(history).flatMap(({ kind, text }) => (kind === 'G1b' ? [text] : []));
    expect(texts).toEqual(['G1b: T2 read some of what T1 appended to x, but not all']);
  });

  it('tells the cycle in words, each transaction once', () => {
    const history = [
      transaction('T1', ['append x 4', 'read y 6'], at(0, 1)),
      transaction('T2', ['append y 6'], at(4, 5)),
      transaction('T3', ['append x 5'], at(2, 3)),
      transaction('T4', ['read x 4 5'], at(6, 7)),
    ];
    expect(checkListAppend(history)).toEqual([
      {
        kind: 'G1c-realtime',
        cycle: ['T2', 'T1'],
        text: "G1c-realtime: T1 read T2's 6 in y; T2 began at 4, after T1 had ended at 1",
      },
    ]);
  });

  /** Each reads what the one before it appended. */
  const ring = (key: string, length: number) =>
    Array.from({ length }, (_, index) => {
      const before = (index + length - 1) % length;
      return transaction(`${key}${index}`, [`append ${key}${index} 1`, `read ${key}${before} 1`]);
    });

  it('tells of the shortest cycle of each component', () => {
    const others = ring('a', 9).slice(1);
    const shortcut = [
      transaction('T1', ['read a5 1', 'append T1 1']),
      transaction('a0', ['append a0 1', 'read a8 1', 'read T1 1']),
    ];
    // Those come first that are only on the longer way.
    const history = [...others.reverse(), ...shortcut, ...ring('b', 4)];
    expect(checkListAppend(history).map(({ cycle }) => [...cycle].sort())).toEqual([
      ['T1', 'a0', 'a1', 'a2', 'a3', 'a4', 'a5'],
      ['b0', 'b1', 'b2', 'b3'],
    ]);
  });

  it('a shorter cycle of a stronger kind does not hide one of a weaker kind elsewhere in its component', () => {
    const history = [
      transaction('T1', ['append x 1', 'append y 1', 'read q 1']),
      transaction('T2', ['read x 1', 'read y', 'append p 1']),
      transaction('T3', ['read y 1']),
      transaction('T4', ['read p 1', 'append q 1', 'read m', 'append n 1']),
      transaction('T5', ['read n', 'append m 1']),
      transaction('T6', ['read m 1', 'read n 1']),
    ];
    expect(checkListAppend(history).map(({ kind, cycle }) => [kind, cycle])).toEqual([
      ['G1c', ['T1', 'T2', 'T4']],
      ['G-single', ['T2', 'T1']],
      ['G2-item', ['T4', 'T5']],
    ]);
  });

  it('a cycle may be as long as the history, and one beside it is found all the same', () => {
    const length = 20_000;
    const history = [
      ...ring('a', length),
      transaction('T1', ['append x 1', 'read y 1']),
      transaction('T2', ['append y 1', 'read x 1']),
    ];
    const found = checkListAppend(history);
    expect(found.map(({ kind }) => kind)).toEqual(['G1c', 'G1c']);
    expect(found.map(({ cycle }) => cycle.length)).toEqual([length, 2]);
  });
});

const scripts = (maxLength: number): fc.Arbitrary<Script[]> =>
  fc.array(
    fc.record({
      operations: fc.array(
        fc.record({ kind: fc.constantFrom('append' as const, 'read' as const), key: fc.constantFrom('x', 'y', 'z') }),
        { minLength: 1, maxLength: 4 },
      ),
      ending: fc.constantFrom('commit' as const, 'commit' as const, 'commit' as const, 'abort' as const),
      isAnswered: fc.constantFrom(true, true, true, false),
      lag: fc.nat(3),
    }),
    { maxLength, size: 'max' },
  );

const plans = (maxLength: number): fc.Arbitrary<Plan> =>
  fc.record({ scripts: scripts(maxLength), turns: fc.array(fc.nat(2), { minLength: 1, maxLength: 60, size: 'max' }) });

type Level = keyof typeof DATABASES;

const REALTIME: readonly AnomalyKind[] = ['G0-realtime', 'G1c-realtime', 'G-single-realtime', 'G2-item-realtime'];
const SKEWS: readonly AnomalyKind[] = ['G2-item', 'G2-item-realtime'];
const MISSED: readonly AnomalyKind[] = ['G-single', 'G-single-realtime', ...SKEWS];

/** What may be found in the histories of a level, and what must be in some of them. */
const LEVELS: Record<Level, { may: readonly AnomalyKind[]; must: readonly AnomalyKind[] }> = {
  serial: { may: [], must: [] },
  'late readers of one order': { may: ['G-single-realtime', 'G2-item-realtime'], must: ['G-single-realtime'] },
  'snapshot isolation': { may: SKEWS, must: ['G2-item'] },
  'snapshot isolation, late': { may: ['G-single-realtime', ...SKEWS], must: ['G-single-realtime', 'G2-item'] },
  'read committed': { may: ['internal', ...MISSED], must: ['internal', 'G-single', 'G2-item'] },
  'read uncommitted': {
    may: ['internal', 'G0', 'G1a', 'G1b', 'G1c', ...MISSED, ...REALTIME],
    must: ['internal', 'G0', 'G1a', 'G1b', 'G1c', 'G-single', 'G2-item'],
  },
  'stale reader': { may: MISSED, must: ['G-single', 'G-single-realtime'] },
  'aborts leak': { may: ['G1a'], must: ['G1a'] },
  'appends get lost': {
    may: ['G0', 'G1b', 'G1c', 'incompatible-order', ...MISSED, ...REALTIME],
    must: ['G-single', 'G-single-realtime', 'incompatible-order'],
  },
  'writes twice': { may: ['duplicate'], must: ['duplicate'] },
};

const levels = Object.keys(DATABASES) as Level[];

type Intervals = readonly (readonly [invokedAt: number, duration: number])[];

const times: fc.Arbitrary<Intervals> = fc.array(fc.tuple(fc.nat(40), fc.nat(10)), { minLength: 40, maxLength: 40 });

function outOfTime(history: readonly ListAppendTransaction[], intervals: Intervals): ListAppendTransaction[] {
  return history.map((one, index) => {
    const [invokedAt, duration] = intervals[index] ?? [0, 0];
    return { ...one, invokedAt, completedAt: invokedAt + duration };
  });
}

/** The same histories each time: that something is found in some of them must not be luck. */
const SEED = { seed: 1, numRuns: 400 };

function foundIn(histories: readonly ListAppendTransaction[][]): AnomalyKind[] {
  return [...new Set(histories.flatMap(kindsOf))];
}

describe('list-append histories of a known isolation', () => {
  it.each(levels)('%s: nothing is found that it forbids', (level) => {
    fc.assert(
      fc.property(plans(40), (plan) => {
        const found = checkListAppend(run(DATABASES[level](), plan));
        expect(found.filter(({ kind }) => !LEVELS[level].may.includes(kind))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it.each(levels)('%s: what it allows is found', (level) => {
    const histories = fc.sample(plans(40), SEED).map((plan) => run(DATABASES[level](), plan));
    expect(foundIn(histories)).toEqual(expect.arrayContaining([...LEVELS[level].must]));
  });

  describe('serial, but out of time', () => {
    const history = fc
      .tuple(plans(40), times)
      .map(([plan, intervals]) => outOfTime(run(DATABASES.serial(), plan), intervals));

    it('only realtime variants are found', () => {
      fc.assert(fc.property(history, (one) => foundIn([one]).every((kind) => REALTIME.includes(kind))));
    });

    it('all of them', () => {
      expect(foundIn(fc.sample(history, SEED)).sort()).toEqual([...REALTIME].sort());
    });
  });
});

describe('against all orders of a few transactions', () => {
  type Distortion = 'none' | 'shorter' | 'empty' | 'turned round' | 'longer';

  const distort = (values: readonly string[], how: Distortion): readonly string[] => {
    const others = { none: values, shorter: values.slice(0, -1), empty: [], 'turned round': values.toReversed() };
    return how === 'longer' ? [...values, String(values.length + 1)] : others[how];
  };

  const distortions = fc.constantFrom<Distortion>(
    'none',
    'none',
    'none',
    'none',
    'shorter',
    'empty',
    'turned round',
    'longer',
  );

  const inTime = fc
    .tuple(fc.constantFrom(...levels), plans(5), fc.array(distortions, { minLength: 20, maxLength: 20 }))
    .map(([level, plan, hows]) => {
      const next = hows.values();
      return run(DATABASES[level](), plan).map((one) => ({
        ...one,
        operations: one.operations.map((operation) =>
          operation.kind === 'append'
            ? operation
            : { ...operation, values: distort(operation.values, next.next().value ?? 'none') },
        ),
      }));
    });

  const histories = fc.oneof(
    inTime,
    fc.tuple(inTime, times).map(([history, intervals]) => outOfTime(history, intervals)),
  );

  const isRealtime = (kind: AnomalyKind) => REALTIME.includes(kind);

  it('nothing but realtime variants is found exactly where some order gives all reads', () => {
    fc.assert(
      fc.property(histories, (history) => {
        expect(kindsOf(history).every(isRealtime)).toBe(isSerialisable(history, { strict: false }));
      }),
      { numRuns: 3000 },
    );
  });

  it('nothing at all is found exactly where some order does that keeps to time', () => {
    fc.assert(
      fc.property(histories, (history) => {
        expect(kindsOf(history).length === 0).toBe(isSerialisable(history, { strict: true }));
      }),
      { numRuns: 3000 },
    );
  });

  it('enough of the histories are of each kind', () => {
    const sample = fc.sample(histories, { seed: 1, numRuns: 1000 });
    const serialisable = sample.filter((history) => isSerialisable(history, { strict: false }));
    const strictly = serialisable.filter((history) => isSerialisable(history, { strict: true }));
    expect(sample.length - serialisable.length).toBeGreaterThan(100);
    expect(serialisable.length - strictly.length).toBeGreaterThan(20);
    expect(strictly.length).toBeGreaterThan(200);
  });
});
