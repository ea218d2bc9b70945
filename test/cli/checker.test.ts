import fc from 'fast-check';
import { Checker, type Verdict } from '../../cli/tour/checker.js';
import type { LogCase } from '../../cli/tour/event-log.js';
import { eventsOf, type TourEvent, transactionIdOf } from '../../cli/tour/mapping.js';
import type { EventOut, WholeTransaction } from '../../src/core/api.js';

const RUN = 'tour-x';
const T = '2012-04-03T16:55:38.000Z';

const logCase = (id: string, ...activities: string[]): LogCase => ({
  id,
  events: activities.map((activity, i) => ({
    line: i + 2,
    activity,
    time: T,
    row: { id, activity, place: String(i) },
  })),
});

const CASES = [logCase('1', 'a', 'b', 'c', 'b', 'd'), logCase('2', 'a'), logCase('3', 'a', 'b', 'c', 'd')];

const asDelivered = (event: TourEvent, caseIndex: number, number: number, parts: number): EventOut => ({
  specversion: '1.0',
  id: `${transactionIdOf(RUN, caseIndex)}:${number}`,
  source: 'lockstep',
  type: event.type,
  subject: event.key,
  time: event.time,
  data: event.data,
  stream: event.stream,
  transactionid: transactionIdOf(RUN, caseIndex),
  number,
  parts,
  committedat: T,
  clock: '00000001.0000000000000001',
  clientid: event.id,
});

/** Everything, as a faultless reader gets it. */
const everything = (cases: readonly LogCase[] = CASES): EventOut[] =>
  cases.flatMap((one, index) => {
    const events = eventsOf(one);
    return events.map((event, number) => asDelivered(event, index, number, events.length));
  });

const whole = (events: readonly EventOut[], caseIndex: number): WholeTransaction => {
  const id = transactionIdOf(RUN, caseIndex);
  return { id, committedAt: T, events: events.filter(({ transactionid }) => transactionid === id) };
};

const check = (...readings: readonly EventOut[][]): Verdict => {
  const checker = new Checker(RUN, CASES);
  readings.forEach((events, i) => {
    const reading = checker.reading(`reader ${i}`);
    for (const event of events) reading.take(event.stream, event);
  });
  return checker.verdict();
};

const without = (...ids: string[]) => everything().filter(({ id }) => !ids.includes(id.slice(RUN.length + 1)));
const changed = (id: string, change: Partial<EventOut>) =>
  everything().map((event) => (event.id === `${RUN}-${id}` ? { ...event, ...change } : event));
const kinds = (verdict: Verdict) => verdict.findings.map(({ kind }) => kind);

const FAULTLESS = { input: 10, delivered: 10, lost: 0, duplicated: 0, torn: 0, disordered: 0, findings: [] };

describe('the independent checker', () => {
  test('finds nothing where there is nothing', () => {
    expect(check(everything(), everything())).toEqual(FAULTLESS);
  });

  test('finds a lost case: lost, not torn', () => {
    const verdict = check(everything(), without('1:0'));
    expect(verdict).toMatchObject({ delivered: 9, lost: 1, torn: 0, duplicated: 0, disordered: 0 });
    expect(verdict.findings).toEqual([{ kind: 'lost', reader: 'reader 1', what: 'tour-x-1:0 (openings) never came' }]);
  });

  test('finds a torn case: the rest of it is lost', () => {
    expect(check(without('0:2', '0:4', '2:3'), everything())).toMatchObject({ lost: 3, torn: 2, delivered: 7 });
  });

  test('counts what two readers miss once', () => {
    expect(check(without('0:2'), without('0:2', '0:3'))).toMatchObject({ lost: 2, torn: 1 });
  });

  test('finds a duplicate, next to the first and far from it', () => {
    const [first] = everything();
    expect(check([first!, ...everything()])).toMatchObject({ ...FAULTLESS, duplicated: 1, findings: [{}] });
    expect(check([...everything(), first!, first!])).toMatchObject({ lost: 0, duplicated: 2, torn: 0, disordered: 0 });
  });

  test.each<[string, Partial<EventOut>]>([
    ['key', { subject: '2' }],
    ['type', { type: 'z' }],
    ['time', { time: '2012-04-03T16:55:38.001Z' }],
    ['client id', { clientid: '1' }],
    ['data', { data: { index: 0, row: { id: '1', activity: 'a', place: '1' } } }],
  ])('finds another %s: the event that was written is lost', (what, change) => {
    const verdict = check(changed('0:0', change));
    expect(verdict).toMatchObject({ lost: 1, duplicated: 0, torn: 0 });
    expect(verdict.findings[0]!.what).toContain(`another ${what} than was written`);
  });

  test('finds an event on the stream of another, and that it is missing on its own', () => {
    const verdict = check(changed('0:0', { stream: 'closings' }));
    expect(verdict).toMatchObject({ lost: 1, duplicated: 1, torn: 1 });
    expect(kinds(verdict)).toEqual(['unexpected', 'lost', 'torn']);
  });

  test('finds events that nobody wrote: a number beyond the case, a case beyond the log', () => {
    const [first] = everything();
    const beyond = { ...first!, number: 5, id: 'tour-x-0:5' };
    const noCase = { ...first!, transactionid: 'tour-x-3', id: 'tour-x-3:0' };
    expect(check([...everything(), beyond, noCase])).toMatchObject({ lost: 0, duplicated: 2, torn: 0 });
  });

  test('does not look at what others wrote', () => {
    const [first] = everything();
    const others = ['tour-y-0', 'tour-x', 'tour-x-', 'tour-x-0-1', 'tour-xx-0'];
    expect(check([...everything(), ...others.map((transactionid) => ({ ...first!, transactionid }))])).toEqual(
      FAULTLESS,
    );
  });

  test('finds a wrong order within a stream', () => {
    const events = everything();
    const [b, c] = [events[1]!, events[2]!];
    expect([b.stream, c.stream]).toEqual(['steps', 'steps']);
    const verdict = check([events[0]!, c, b, ...events.slice(3)]);
    expect(verdict).toMatchObject({ lost: 0, duplicated: 0, torn: 0, disordered: 1 });
    expect(verdict.findings[0]!.what).toBe('tour-x-0:1 on steps came after number 2');
  });

  test('finds a wrong order over the streams: the number is not the place in the case', () => {
    const swapped = everything().map((event) => {
      if (event.transactionid !== 'tour-x-0' || event.number < 1 || event.number > 3) return event;
      const number = { 1: 3, 2: 1, 3: 2 }[event.number]!;
      return { ...event, number, id: `tour-x-0:${number}` };
    });
    expect(check(swapped).lost).toBeGreaterThan(0);
  });

  test('takes the streams in any interleaving', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { minLength: 40, maxLength: 40 }), (choices) => {
        const queues = ['openings', 'steps', 'rework', 'closings'].map((name) =>
          everything().filter(({ stream }) => stream === name),
        );
        const merged = choices.flatMap((choice) => queues[choice]!.splice(0, 1)).concat(...queues);
        expect(check(merged)).toEqual(FAULTLESS);
      }),
    );
  });

  test('finds each event that is taken out, doubled or moved to another case', () => {
    const events = everything();
    fc.assert(
      fc.property(fc.nat(events.length - 1), fc.constantFrom('drop', 'double'), (at, fault) => {
        const copies = fault === 'drop' ? 0 : 2;
        const verdict = check(events.flatMap((event, i) => (i === at ? Array<EventOut>(copies).fill(event) : [event])));
        expect([verdict.lost, verdict.duplicated]).toEqual(fault === 'drop' ? [1, 0] : [0, 1]);
      }),
    );
  });
});

describe('checking whole transactions', () => {
  const checkWhole = (...transactions: WholeTransaction[]): Verdict => {
    const checker = new Checker(RUN, CASES);
    const reading = checker.reading('whole');
    for (const transaction of transactions) reading.takeTransaction(transaction);
    return checker.verdict();
  };
  const all = [0, 1, 2].map((index) => whole(everything(), index));

  test('finds nothing where there is nothing', () => expect(checkWhole(...all)).toEqual(FAULTLESS));

  test('finds a transaction that comes in two pieces, although nothing is lost', () => {
    const { id, committedAt, events } = all[0]!;
    const pieces = [events.slice(0, 2), events.slice(2)].map((some) => ({ id, committedAt, events: some }));
    expect(checkWhole(...pieces, all[1]!, all[2]!)).toMatchObject({ lost: 0, duplicated: 0, torn: 1 });
  });

  test('finds a transaction in another order', () => {
    const turned = { ...all[2]!, events: [...all[2]!.events].reverse() };
    expect(checkWhole(all[0]!, all[1]!, turned)).toMatchObject({ lost: 0, torn: 0, disordered: 1 });
  });

  test('finds a transaction that comes twice, and one that does not come', () => {
    expect(checkWhole(all[0]!, all[0]!, all[2]!)).toMatchObject({ lost: 1, duplicated: 5, torn: 0 });
  });
});

describe('the streams of the tour', () => {
  test('say what an event is in its case', () => {
    expect(eventsOf(CASES[0]!).map(({ stream }) => stream)).toEqual([
      'openings',
      'steps',
      'steps',
      'rework',
      'closings',
    ]);
    expect(eventsOf(CASES[1]!).map(({ stream }) => stream)).toEqual(['openings']);
    expect(eventsOf(logCase('4', 'a', 'a', 'a')).map(({ stream }) => stream)).toEqual([
      'openings',
      'rework',
      'closings',
    ]);
  });

  test('carry the whole row and the place in the case', () => {
    expect(eventsOf(CASES[2]!)[1]).toEqual({
      stream: 'steps',
      key: '3',
      type: 'b',
      id: '1',
      time: T,
      data: { index: 1, row: { id: '3', activity: 'b', place: '1' } },
    });
  });
});
