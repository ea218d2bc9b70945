import { renderBar } from '../ui/bar.js';
import type { Style } from '../ui/style.js';
import { renderFacts, renderTable } from '../ui/table.js';
import { count, counted, duration, padEnd, padStart } from '../ui/text.js';
import type { Verdict } from './checker.js';
import type { OutageTimes } from './outage.js';
import { STAGES } from './pace.js';
import type { TourReport } from './report.js';
import type { Happening, SiteState, TourState } from './state.js';

const BAR_WIDTH = 44;
const MARKS = STAGES.map(({ at }) => at);

/** What is drawn again and again while the tour runs. At most 80 columns, always the same number of lines. */
export function renderTour(state: TourState, style: Style): string[] {
  const { totals, committed, delivered, wholeTransactions } = state;
  const fraction = totals.cases === 0 ? 0 : committed.cases / totals.cases;
  const bar = renderBar(fraction, BAR_WIDTH, style, MARKS);
  return [
    '',
    `  cases    ${bar} ${padStart(`${Math.floor(fraction * 100)} %`, 5)}  ${style.bold(rateOf(state))}`,
    `           ${count(committed.cases)} of ${count(totals.cases)} committed, each one transaction`,
    `  readers  ${counted(delivered, 'event')} and ${counted(wholeTransactions, 'whole transaction')} delivered`,
    `  foresaw  ${renderForeseen(state)}`,
    ...state.sites.map((site) => `  ${padEnd(style.bold(site.name), 7)}  ${renderSite(site, style)}`),
    `  ${style.dim(PHASES[state.phase])}`,
  ];
}

const PHASES: Readonly<Record<TourState['phase'], string>> = {
  running: 'marks on the bar: the streams fail, the site fails, all returns',
  settling: 'waiting until all sites are in sync and the readers have caught up …',
  checking: 'checking: both sites are read from the beginning and held against the log …',
  done: '',
};

function rateOf({ committed, writingMs }: TourState): string {
  return writingMs < 500 ? '' : `${count((committed.cases * 1_000) / writingMs)}/s`;
}

function renderForeseen({ writes, waitSavedMs }: TourState): string {
  const share = writes.all === 0 ? 0 : Math.floor((writes.foreseen / writes.all) * 100);
  return `${share} % of the writes, at the mirror; ${duration(waitSavedMs)} of waiting saved`;
}

function renderSite({ role, active, behind }: SiteState, style: Style): string {
  const roles = { home: style.good('● home'), 'in sync': style.good('● in sync'), joining: style.warn('◐ joining') };
  const said = role === 'out' ? style.bad('○ out of sync') : roles[role];
  const reads = active.length === 0 ? '' : style.dim(`active: ${active.join(' ')}`);
  const waits = behind.length === 0 ? '' : style.warn(`${counted(behind.length, 'replica')} ${behind[0] ?? ''}`);
  return `${padEnd(said, 15)}  ${[reads, waits].filter((text) => text !== '').join('  ')}`.trimEnd();
}

/** One line of the timeline. */
export function renderHappening({ atMs, what, mood }: Happening, style: Style): string {
  const paint = { plain: (text: string) => text, broken: style.bad, mended: style.good }[mood];
  const sign = { plain: ' ', broken: '✗', mended: '✓' }[mood];
  return `  ${style.dim(padStart(`${(atMs / 1_000).toFixed(1)} s`, 7))}  ${paint(`${sign} ${what}`)}`;
}

/** One line for those who have no terminal. */
export function renderPlainProgress({ totals, committed, delivered, failedRequests }: TourState): string {
  const failed = failedRequests === 0 ? '' : `, ${counted(failedRequests, 'failed request')}`;
  return `${count(committed.cases)} of ${counted(totals.cases, 'case')} committed, ${count(delivered)} events delivered${failed}`;
}

/** The table at the end, and whether it held. */
export function renderReport(report: TourReport, verdict: Verdict, style: Style, width: number): string[] {
  const { transactions, events, switchover, takeover, reconciliation, failedRequests } = report;
  const zero = (value: number): string => (value === 0 ? style.good('0') : style.bad(count(value)));
  const table = renderTable(
    [{ title: '' }, { title: 'noticed after', align: 'right' }, { title: 'first commit after', align: 'right' }],
    [
      ['  streams fail: switchover', ...renderTimes(switchover)],
      ['  site fails: takeover', ...renderTimes(takeover)],
    ],
    width,
    style.dim,
  );
  const facts = renderFacts(
    [
      ['  transactions', `${count(transactions.committed)} committed, ${zero(transactions.aborted)} aborted`],
      [
        '  requests',
        `${counted(failedRequests, 'request')} failed and ${failedRequests === 1 ? 'was' : 'were'} sent again`,
      ],
      ['  events', `${count(events.input)} in the log, ${count(events.delivered)} delivered to every reader`],
      [
        '',
        `${zero(events.lost)} lost, ${zero(events.duplicated)} duplicated, ${zero(events.torn)} torn or out of order`,
      ],
      ['  predictions', renderPredictions(report.predictions)],
      ['  reconciliation', renderReconciliation(reconciliation, style)],
      ['  duration', duration(report.durationMs)],
    ],
    width,
  );
  const findings = verdict.findings.map(({ reader, what }) => `  ${style.bad('✗')} ${reader}: ${what}`);
  return ['', ...table, '', ...facts, ...findings];
}

function renderTimes({ detectedMs, firstCommitMs }: OutageTimes): [string, string] {
  const said = (ms: number | null): string => (ms === null ? 'not seen' : duration(ms));
  return [said(detectedMs), said(firstCommitMs)];
}

function renderPredictions({ written, confirmed, wrong, waitSavedMs }: TourReport['predictions']): string {
  return `${count(written)} written, ${count(confirmed)} confirmed, ${count(wrong)} wrong, ${duration(waitSavedMs)} saved`;
}

function renderReconciliation(done: TourReport['reconciliation'], style: Style): string {
  const { copied, overruled, conflicts, digestsEqual } = done;
  const equal = digestsEqual ? style.good('digests equal') : style.bad('digests differ');
  return `${count(copied)} copied, ${count(overruled)} overruled, ${counted(conflicts, 'conflict')}, ${equal}`;
}
