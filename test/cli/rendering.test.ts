import { renderHappening, renderPlainProgress, renderReport, renderTour } from '../../cli/tour/picture.js';
import type { TourReport } from '../../cli/tour/report.js';
import type { TourState } from '../../cli/tour/state.js';
import { createTourView } from '../../cli/tour/view.js';
import { renderBar } from '../../cli/ui/bar.js';
import { LiveRegion } from '../../cli/ui/live.js';
import { Progress } from '../../cli/ui/progress.js';
import { createStyle, wantsColours } from '../../cli/ui/style.js';
import { renderTable } from '../../cli/ui/table.js';
import { type Io, Terminal } from '../../cli/ui/terminal.js';
import { count, counted, duration, fit, plain, widthOf } from '../../cli/ui/text.js';

const PLAIN = createStyle(false);
const COLOURS = createStyle(true);

const terminalOf = (options: { tty: boolean; env?: Io['env']; json?: boolean }) => {
  const written = { stdout: '', stderr: '' };
  const sink = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => void (written[name] += text),
    isTTY: options.tty,
    columns: 60,
  });
  const io = { stdout: sink('stdout'), stderr: sink('stderr'), env: options.env ?? {} } as unknown as Io;
  return { terminal: new Terminal(io, options.json ?? false), written };
};

describe('text', () => {
  test('nothing from outside moves the cursor, rings or changes colours', () => {
    expect(plain('a\u001b[2Jb\nc\u0007\u009b1m\u2028')).toBe('a·[2Jb·c··1m·');
  });

  test('the width of a text leaves out its colours', () => {
    expect(widthOf(COLOURS.bad('four'))).toBe(4);
    expect(widthOf('über😀')).toBe(5);
  });

  test('a text is cut to the width, with a sign that it was', () => {
    expect(fit('abcdef', 6)).toBe('abcdef');
    expect(fit('abcdef', 5)).toBe('abcd…');
    expect(fit(COLOURS.good('abcdef'), 3)).toBe('ab…');
  });

  test.each([
    [0, '0'],
    [999, '999'],
    [1_000, '1,000'],
    [72_413, '72,413'],
    [1_234_567, '1,234,567'],
  ])('%d is written %s', (value, text) => expect(count(value)).toBe(text));

  test.each([
    [0, '0 ms'],
    [84.4, '84 ms'],
    [999, '999 ms'],
    [1_000, '1.0 s'],
    [59_949, '59.9 s'],
    [59_960, '1 min 0 s'],
    [125_400, '2 min 5 s'],
  ])('%d ms are written %s', (ms, text) => expect(duration(ms)).toBe(text));

  test('one is one', () => expect([counted(1, 'case'), counted(2, 'case')]).toEqual(['1 case', '2 cases']));
});

describe('colours', () => {
  test.each<[string, Io['env'], boolean, boolean]>([
    ['on a terminal', {}, true, true],
    ['in a pipe', {}, false, false],
    ['with NO_COLOR', { NO_COLOR: '1' }, true, false],
    ['with an empty NO_COLOR', { NO_COLOR: '' }, true, true],
    ['on a dumb terminal', { TERM: 'dumb' }, true, false],
  ])('%s', (_name, env, isTerminal, wanted) => expect(wantsColours(env, isTerminal)).toBe(wanted));
});

test('a table has columns as wide as they need and is cut to the terminal', () => {
  const columns = [{ title: 'NAME' }, { title: 'N', align: 'right' as const }, { title: 'REST' }];
  const rows = [
    ['a', '1', 'short'],
    [COLOURS.good('longer'), '100', 'x'.repeat(40)],
  ];
  expect(renderTable(columns, rows, 30)).toEqual([
    'NAME      N  REST',
    'a         1  short',
    `longer  100  ${'x'.repeat(16)}…`,
  ]);
  const [, , coloured] = renderTable(columns, rows, 80);
  expect(coloured).toBe(`${COLOURS.good('longer')}  100  ${'x'.repeat(40)}`);
});

describe('a bar', () => {
  test.each([
    [0, '░░░░░░░░'],
    [0.5, '████░░░░'],
    [0.5 + 1 / 64, '████▏░░░'],
    [1, '████████'],
    [7, '████████'],
    [-1, '░░░░░░░░'],
  ])('at %d', (fraction, bar) => expect(renderBar(fraction, 8, PLAIN)).toBe(bar));

  test('shows the marks that lie ahead', () => {
    expect(renderBar(0.5, 8, PLAIN, [0.25, 0.75])).toBe('████░░┊░');
  });
});

describe('lines that are drawn again', () => {
  test('go over those that were drawn before, never wrap, and give the cursor back', () => {
    let written = '';
    const live = new LiveRegion({ write: (text) => void (written += text) }, () => 10);
    live.draw(['one', 'x'.repeat(20)]);
    expect(written).toBe(`\u001b[?25l\u001b[2Kone\n\u001b[2K${'x'.repeat(9)}…\n\u001b[J`);
    written = '';
    live.draw(['two']);
    expect(written).toBe('\u001b[2A\r\u001b[2Ktwo\n\u001b[J');
    written = '';
    live.print(['stays']);
    live.end();
    expect(written).toBe('\u001b[1A\r\u001b[Jstays\n\u001b[?25h');
  });
});

describe('progress', () => {
  test('without a terminal: a line for each tenth', () => {
    const { terminal, written } = terminalOf({ tty: false });
    const progress = new Progress(terminal, 'reading');
    for (const fraction of [0, 0.05, 0.09, 0.1, 0.35, 0.39, 1]) progress.update(fraction);
    progress.end();
    expect(written.stdout).toBe('reading: 0 %\nreading: 10 %\nreading: 35 %\nreading: 100 %\n');
  });

  test('with --json it leaves stdout alone', () => {
    const { terminal, written } = terminalOf({ tty: false, json: true });
    new Progress(terminal, 'reading').update(1);
    expect(written).toEqual({ stdout: '', stderr: 'reading: 100 %\n' });
  });
});

const STATE: TourState = {
  phase: 'running',
  totals: { cases: 9_658, events: 72_413 },
  committed: { cases: 4_829, events: 36_000 },
  aborted: 0,
  delivered: 35_990,
  wholeTransactions: 4_800,
  failedRequests: 2,
  writes: { all: 36_100, foreseen: 22_300 },
  waitSavedMs: 446_000,
  sites: [
    { name: 'east', role: 'out', active: [], behind: ['failed', 'failed'] },
    { name: 'west', role: 'home', active: ['openings', 'steps', 'rework', 'closings'], behind: [] },
  ],
  elapsedMs: 21_000,
  writingMs: 20_000,
};

const REPORT: TourReport = {
  transactions: { committed: 3_000, aborted: 0 },
  events: { input: 10_812, delivered: 10_812, lost: 0, duplicated: 0, torn: 0 },
  switchover: { detectedMs: 21, firstCommitMs: 84 },
  takeover: { detectedMs: 204, firstCommitMs: null },
  failedRequests: 1,
  predictions: { written: 7_000, confirmed: 6_600, wrong: 400, waitSavedMs: 132_000 },
  reconciliation: { copied: 1_204, overruled: 3, conflicts: 0, digestsEqual: true },
  durationMs: 31_400,
};
const VERDICT = { ...REPORT.events, disordered: 0, findings: [] };

describe('the picture of the tour', () => {
  test('is as tall as it was, and fits 80 columns', () => {
    const lines = renderTour(STATE, PLAIN);
    expect(lines.join('\n')).toBe(
      [
        '',
        `  cases    ${'█'.repeat(22)}░░░░┊░░░░░░┊░░░░░░░░░░  50 %  241/s`,
        '           4,829 of 9,658 committed, each one transaction',
        '  readers  35,990 events and 4,800 whole transactions delivered',
        '  foresaw  61 % of the writes, at the mirror; 7 min 26 s of waiting saved',
        '  east     ○ out of sync    2 replicas failed',
        '  west     ● home           active: openings steps rework closings',
        '  marks on the bar: the streams fail, the site fails, all returns',
      ].join('\n'),
    );
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    for (const phase of ['settling', 'checking', 'done'] as const) {
      expect(renderTour({ ...STATE, phase }, COLOURS)).toHaveLength(lines.length);
    }
  });

  test('the timeline says what broke and what mended', () => {
    expect(renderHappening({ atMs: 5_231, what: 'gone', mood: 'broken' }, PLAIN)).toBe('    5.2 s  ✗ gone');
    expect(renderHappening({ atMs: 65_000, what: 'back', mood: 'mended' }, PLAIN)).toBe('   65.0 s  ✓ back');
  });

  test('a line for those without a terminal', () => {
    expect(renderPlainProgress(STATE)).toBe(
      '4,829 of 9,658 cases committed, 35,990 events delivered, 2 failed requests',
    );
  });

  test('the table at the end', () => {
    const lines = renderReport(REPORT, VERDICT, PLAIN, 80);
    expect(lines.join('\n')).toMatchInlineSnapshot(`
      "
                                  noticed after  first commit after
        streams fail: switchover          21 ms               84 ms
        site fails: takeover             204 ms            not seen

        transactions    3,000 committed, 0 aborted
        requests        1 request failed and was sent again
        events          10,812 in the log, 10,812 delivered to every reader
                        0 lost, 0 duplicated, 0 torn or out of order
        predictions     7,000 written, 6,600 confirmed, 400 wrong, 2 min 12 s saved
        reconciliation  1,204 copied, 3 overruled, 0 conflicts, digests equal
        duration        31.4 s"
    `);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('the table names what was found', () => {
    const found = [{ kind: 'lost' as const, reader: 'streams of west', what: 'tour-x-1:0 (openings) never came' }];
    const lines = renderReport(REPORT, { ...VERDICT, findings: found }, PLAIN, 80);
    expect(lines.at(-1)).toBe('  ✗ streams of west: tour-x-1:0 (openings) never came');
  });
});

describe('the view of the tour', () => {
  test('lives on a terminal and ends below its picture', () => {
    const { terminal, written } = terminalOf({ tty: true, env: { NO_COLOR: '1' } });
    const view = createTourView(terminal);
    view.update(STATE);
    view.happened({ atMs: 1, what: 'something', mood: 'plain' });
    view.update({ ...STATE, phase: 'done' });
    view.end();
    expect(written.stdout.split('cases    █')).toHaveLength(4);
    expect(written.stdout).toContain('something\n');
    expect(written.stdout.endsWith('\u001b[?25h')).toBe(true);
  });

  test('says what happens, and little else, in a pipe', () => {
    const { terminal, written } = terminalOf({ tty: false });
    const view = createTourView(terminal);
    for (let i = 0; i < 10; i += 1) view.update(STATE);
    view.happened({ atMs: 1, what: 'something', mood: 'plain' });
    view.end();
    expect(written.stdout).toBe('    0.0 s    something\n');
  });
});
