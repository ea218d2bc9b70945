import { count } from '../ui/text.js';
import { Board } from './board.js';
import { Checker, type Verdict } from './checker.js';
import type { Deployment } from './deployment.js';
import { Director, type Outages } from './director.js';
import type { EventLog } from './event-log.js';
import { Followers } from './followers.js';
import { Pace, planStages } from './pace.js';
import { eventsOfVerdict, summariseProofs, type TourReport } from './report.js';
import { collectProofs, ensureStreams, readSite, siteStates } from './settle.js';
import type { TourView } from './state.js';
import { writeCases } from './writers.js';

const PATIENCE_MS = 30_000;
const READ_TIMEOUT_MS = 60_000;

export interface TourOptions {
  readonly log: EventLog;
  /** Reads the log anew: the check at the end trusts nothing that the tour has held in its hands. */
  readLog(): Promise<EventLog>;
  /** Cases under way at a time. */
  readonly clients: number;
  readonly deployment: Deployment;
  readonly view: TourView;
  /** Breaks it off. */
  readonly signal: AbortSignal;
}

export interface TourResult {
  readonly report: TourReport;
  readonly verdict: Verdict;
  /** Of the last reconciliation: `lockstep verify` takes it. */
  readonly reconciliationId: string;
}

/**
 * Sends an event log through a deployment, breaks its primary streams and then its home site on the way, and finds out
 * from the outside whether anything was lost, doubled, torn or put out of order.
 */
export async function runTour(options: TourOptions): Promise<TourResult> {
  const { log, deployment, view, signal } = options;
  const run = `tour-${Date.now().toString(36)}`;
  const startedAt = Date.now();
  await ensureStreams(deployment.client);
  const checker = new Checker(run, (await options.readLog()).cases);
  const board = new Board({
    view,
    totals: { cases: log.cases.length, events: log.eventCount },
    look: () => siteStates(deployment.client),
    failedRequests: () => deployment.failedRequests(),
  });
  const followers = new Followers(deployment.client, checker);
  board.start(followers);
  try {
    const outages = await sendLog(options, run, board);
    board.enter('settling');
    await followers.caughtUp(board.committed.events, PATIENCE_MS, signal);
    board.enter('checking');
    const { id, proofs, problem } = await collectProofs(deployment.client, deployment.disruptions.site, signal);
    if (problem !== undefined) board.happened(problem, 'broken');
    for (const site of deployment.sites) {
      const incomplete = await readSite(deployment.client, site, checker, READ_TIMEOUT_MS);
      if (incomplete !== undefined) board.happened(incomplete, 'broken');
    }
    await followers.end();
    const verdict = checker.verdict();
    board.enter('done');
    const summary = summariseProofs(proofs);
    const report = {
      transactions: { committed: board.committed.cases, aborted: board.aborted },
      events: eventsOfVerdict(verdict),
      ...outages,
      failedRequests: deployment.failedRequests(),
      reconciliation: { ...summary, digestsEqual: summary.digestsEqual && problem === undefined },
      durationMs: Date.now() - startedAt,
    };
    return { report, verdict, reconciliationId: id };
  } finally {
    board.end();
    await followers.end().catch(() => undefined);
  }
}

/** Ends when every case is written and everything that was broken has been mended. */
async function sendLog(options: TourOptions, run: string, board: Board): Promise<Outages> {
  const { log, clients, deployment } = options;
  const stages = planStages(log.cases.length, clients);
  const pace = new Pace(stages);
  // Where one of both fails, the other must not wait for it.
  const broken = new AbortController();
  const signal = AbortSignal.any([options.signal, broken.signal]);
  signal.throwIfAborted();
  signal.addEventListener('abort', () => pace.breakOff(), { once: true });
  const director = new Director({ deployment, stages, pace, board, signal });
  const writing = writeCases({
    client: deployment.client,
    run,
    cases: log.cases,
    clients,
    pace,
    signal,
    onCommitted: (logCase) => {
      director.committed();
      board.caseCommitted(logCase);
    },
    onAborted: (logCase, why) => board.caseAborted(logCase, why),
  });
  try {
    const [outages] = await Promise.all([director.run(), writing.then(() => tellWritten(board))]);
    return outages;
  } finally {
    broken.abort();
  }
}

function tellWritten(board: Board): void {
  const { cases, events } = board.committed;
  board.happened(`all cases are written: ${count(cases)} transactions with ${count(events)} events`, 'mended');
}
