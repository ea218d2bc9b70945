import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uniqueNames } from '../../cli/tour/columns.js';
import { EventLogError, type EventLogOptions, readEventLog } from '../../cli/tour/event-log.js';
import { toRfc3339 } from '../../cli/tour/timestamps.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-event-log-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const read = (content: string | Buffer, options?: EventLogOptions) => {
  const path = join(folder, 'log.csv');
  writeFileSync(path, content);
  return readEventLog(path, options);
};

const activities = (log: Awaited<ReturnType<typeof read>>) =>
  Object.fromEntries(log.cases.map(({ id, events }) => [id, events.map(({ activity }) => activity).join(' ')]));

const HEADER = 'CaseID,ActivityID,CompleteTimestamp\n';
const T = '2012-04-03 16:55:38';

describe('reading an event log', () => {
  test('keeps the order of the file within a case, also where its rows are not together and not in order of time', async () => {
    const log = await read(`${HEADER}2,b,2012-04-05 00:00:00\n1,x,${T}\n2,a,2012-04-03 00:00:00\n`);
    expect(activities(log)).toEqual({ 2: 'b a', 1: 'x' });
    expect(log.eventCount).toBe(3);
    expect(log.cases[0]!.events[1]).toEqual({
      line: 4,
      activity: 'a',
      time: '2012-04-03T00:00:00.000Z',
      row: { CaseID: '2', ActivityID: 'a' },
    });
    expect(log.broken).toEqual({ count: 0, rows: [] });
  });

  test.each([
    ['byte order mark and CRLF', `\uFEFFCase ID,Activity,Complete Timestamp\r\n1,a,${T}\r\n1,b,${T}\r\n`],
    ['no line end at the end', `CaseID,ActivityID,CompleteTimestamp\n1,a,${T}\n1,b,${T}`],
    ['semicolons', `case;activity;timestamp\n1;a;${T}\n1;b;${T}\n`],
    ['tabs, blank lines and CR alone', `case\tactivity\ttimestamp\r1\ta\t${T}\r\r1\tb\t${T}\r`],
    ['the names of XES', `case:concept:name,concept:name,time:timestamp\n1,a,2012-04-03T16:55:38Z\n1,b,${T}\n`],
    ['other columns first', `"no, not this",time,case,activity\nz,${T},1,a\n"y;;;",${T},1,b\n`],
  ])('%s', async (_name, content) => {
    const log = await read(content, { strict: true });
    expect(activities(log)).toEqual({ 1: 'a b' });
    expect(log.cases[0]!.events[0]!.time).toBe('2012-04-03T16:55:38.000Z');
  });

  test('takes the columns that the user names, also those that got a number', async () => {
    const columns = { case: 'WHO', activity: 'what_2', timestamp: 'when' };
    const log = await read(`who,what,what,when,case\n1,a,b,${T},9\n`, { columns });
    expect(activities(log)).toEqual({ 1: 'b' });
    expect(log.columns).toEqual({ case: 'who', activity: 'what_2', timestamp: 'when' });
    expect(log.cases[0]!.events[0]!.row).toEqual({ who: '1', what: 'a', what_2: 'b', case: '9' });
  });

  test('keeps line breaks, quotes and odd column names in the payload', async () => {
    const log = await read(`case,activity,time,note,__proto__\r\n1,a,${T},"two\r\n""lines""",x\r\n2,b,${T},,\r\n`);
    const [first, second] = log.cases;
    expect(JSON.parse(JSON.stringify(first!.events[0]!.row))).toEqual(
      JSON.parse(`{"case":"1","activity":"a","note":"two\\r\\n\\"lines\\"","__proto__":"x"}`),
    );
    expect(second!.events[0]!.line).toBe(4);
  });

  test('reads only the first cases where so many are asked for, each in full', async () => {
    const log = await read(`${HEADER}1,a,${T}\n2,b,${T}\n3,c,${T}\n1,d,${T}\n`, { maxCases: 2 });
    expect(activities(log)).toEqual({ 1: 'a d', 2: 'b' });
  });
});

describe('names of columns', () => {
  test.each([
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [
      ['Variant', 'Variant index', 'Variant'],
      ['Variant', 'Variant index', 'Variant_2'],
    ],
    [
      ['a', 'a_2', 'a', 'a'],
      ['a', 'a_2', 'a_3', 'a_4'],
    ],
    [
      ['a', 'a', 'a_2'],
      ['a', 'a_3', 'a_2'],
    ],
    [
      ['a_2', 'a_2', 'a', 'a'],
      ['a_2', 'a_2_2', 'a', 'a_3'],
    ],
    [
      ['', ' x ', ''],
      ['column_1', 'x', 'column_3'],
    ],
  ])('%j become %j', (header, names) => expect(uniqueNames(header)).toEqual(names));
});

describe('broken rows', () => {
  const broken: readonly [string, string, string][] = [
    ['too few fields', '1,a', '2 fields where the header has 3'],
    ['too many fields', `1,a,${T},more`, '4 fields where the header has 3'],
    ['no case', `,a,${T}`, 'no case'],
    ['no activity', `1,,${T}`, 'no activity'],
    ['no time', '1,a,', '"" is no time like 2012-04-03 16:55:38'],
    ['a time that is none', '1,a,2012-02-30 00:00:00', '"2012-02-30 00:00:00" is no time like 2012-04-03 16:55:38'],
    ['a quote in the middle', `1,5" pipe,${T}`, 'a quote stands inside a field that is not quoted'],
    ['a quote that is not closed', `1,"a,${T}`, 'a quote is opened and not closed'],
    [
      'text behind a quote',
      `1,"a"b,${T}`,
      'something follows a closing quote; a quote inside a quoted field is written twice',
    ],
    ['a case beyond 256 characters', `${'1'.repeat(257)},a,${T}`, 'the case is longer than 256 characters'],
  ];

  test.each(broken)('%s: named by line, counted, and the rows around it are kept', async (_name, row, reason) => {
    const log = await read(`${HEADER}1,a,${T}\n${row}\n1,b,${T}\n2,c,${T}\n`);
    expect(activities(log)).toEqual({ 1: 'a b', 2: 'c' });
    expect(log.broken).toEqual({ count: 1, rows: [{ line: 3, reason }] });
  });

  test.each(broken)('%s: fatal with strict', async (_name, row, reason) => {
    const reading = read(`${HEADER}1,a,${T}\n${row}\n1,b,${T}\n`, { strict: true });
    await expect(reading).rejects.toThrow(EventLogError);
    await expect(reading).rejects.toThrow(`line 3: ${reason} (--strict)`);
  });

  test('a stray quote that meets another takes no good row with it', async () => {
    const log = await read(`${HEADER}1,"a,${T}\n1,b,${T}\n1,"c",${T}\n2,d"e,${T}\n2,f,${T}\n`);
    expect(activities(log)).toEqual({ 1: 'b c', 2: 'f' });
    expect(log.broken.rows.map(({ line }) => line)).toEqual([2, 5]);
  });

  test('a stray quote that ends in the next row, so that both make one record with too many fields', async () => {
    const log = await read(`${HEADER}1,"a,${T}\r\n1,b",${T},x\r\n1,c,${T}\r\n`);
    expect(activities(log)).toEqual({ 1: 'c' });
    expect(log.broken.rows.map(({ line }) => line)).toEqual([2, 3]);
  });

  test('bytes that are no UTF-8', async () => {
    const latin1 = Buffer.concat([
      Buffer.from(`${HEADER}1,a,${T}\n1,`),
      Buffer.from([0xfc]),
      Buffer.from(`ber,${T}\n2,b,${T}\n`),
    ]);
    const log = await read(latin1);
    expect(activities(log)).toEqual({ 1: 'a', 2: 'b' });
    expect(log.broken.rows).toEqual([{ line: 3, reason: 'not valid UTF-8; save the file as UTF-8' }]);
  });

  test('a quote that swallows megabytes', async () => {
    const rows = Array.from({ length: 50_000 }, (_, i) => `${i},b,${T}\n`).join('');
    const log = await read(`${HEADER}1,a,${T}\n2,"c,${T}\n${rows}`);
    expect(log.broken).toEqual({
      count: 1,
      rows: [{ line: 3, reason: 'no end of the row within 1048576 characters' }],
    });
    expect(log.eventCount).toBe(50_001);
  });

  test('a case that does not fit a transaction is left out whole', async () => {
    const log = await read(`${HEADER}1,a,${T}\n${`2,b,${T}\n`.repeat(501)}`);
    expect(activities(log)).toEqual({ 1: 'a' });
    expect(log.broken.count).toBe(501);
    expect(log.broken.rows).toEqual([
      { line: 3, reason: 'the case "2" that begins here is too large for one transaction (501 events)' },
    ]);
  });
});

describe('files that are no event log', () => {
  test.each([
    ['an empty file', '', 'is empty'],
    ['a header alone', HEADER, 'has no row that can be used'],
    ['blank lines', '\n\n\n', 'has no header'],
    [
      'no column for the time',
      'case,activity,note\n1,a,b\n',
      'no column for the timestamp was found; name one with --timestamp. The columns are: case, activity, note',
    ],
    ['nothing but broken rows', `${HEADER}1,a\n`, 'line 2: 2 fields where the header has 3'],
    ['a broken header', 'case,act"ivity,time\n1,a,b\n', 'the header is broken'],
    ['bytes', Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 251)), 'event-log'],
  ])('%s', async (_name, content, message) => {
    await expect(read(content)).rejects.toThrow(message);
  });

  test('a column that the user named and that is not there', async () => {
    const reading = read(`${HEADER}1,a,${T}\n`, { columns: { case: 'ticket' } });
    await expect(reading).rejects.toThrow('there is no column "ticket"; name one with --case. The columns are: CaseID');
  });

  test('no such file', async () => {
    await expect(readEventLog(join(folder, 'none.csv'))).rejects.toThrow('none.csv cannot be read: ENOENT');
  });
});

describe('times', () => {
  test.each([
    ['2012-04-03 16:55:38', '2012-04-03T16:55:38.000Z'],
    ['2012/10/09 14:50:17.000', '2012-10-09T14:50:17.000Z'],
    ['2011-10-01T00:38:44.546+02:00', '2011-09-30T22:38:44.546Z'],
    ['2011-10-01T00:38:44.546123-0130', '2011-10-01T02:08:44.546Z'],
    ['9.10.2012 4:05', '2012-10-09T04:05:00.000Z'],
    ['2012-04-03', '2012-04-03T00:00:00.000Z'],
    ['1333472138', '2012-04-03T16:55:38.000Z'],
    ['1333472138123', '2012-04-03T16:55:38.123Z'],
    ['04/05/2012 10:00', undefined],
    ['2012-13-01 10:00:00', undefined],
    ['2012-04-31 10:00:00', undefined],
    ['2012-04-03 24:00:01', undefined],
    ['2012-04-03 nonsense', undefined],
    ['yesterday', undefined],
    ['', undefined],
  ])('%s', (text, iso) => expect(toRfc3339(text)).toBe(iso));
});
