import { LockstepError } from '../../src/core/errors.js';
import { count } from '../ui/text.js';
import { Board } from './board.js';
import { Checker, type Verdict } from './checker.js';
import type { Deployment } from './deployment.js';
import { type Aftermath, Director } from './director.js';
import type { EventLog } from './event-log.js';
import { Followers } from './followers.js';
import { incidentsSince } from './incidents.js';
import { Pace, planStages } from './pace.js';
import { predictionsSince } from './predictions.js';
import { eventsOfVerdict, summariseProofs, type TourReport } from './report.js';
import { allInSync, collectProofs, ensureStreams, readSite, reconciliationsIn, siteStates } from './settle.js';
import type { TourView } from './state.js';
import { writeCases } from './writers.js';

const PATIENCE_MS = 30_000;
const READ_TIMEOUT_MS = 60_000;
/** Kinesis takes tens of seconds to create a stream, and who fills it looks once a minute. */
const SETUP_TIMEOUT_MS = 300_000;

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
  /** Of the last reconciliation, if one was begun: `lockstep verify` takes it. */
  readonly reconciliationId?: string;
}

/**
 * Sends an event log through a deployment, breaks its primary streams and then its home site on the way, and finds out
 * from the outside whether anything was lost, doubled, torn or put out of order.
 */
export async function runTour(options: TourOptions): Promise<TourResult> {
  const { log, deployment, view, signal } = options;
  const run = `tour-${Date.now().toString(36)}`;
  const startedAt = Date.now();
  await prepare(deployment, signal);
  const incidents = await incidentsSince(deployment.client);
  const predictions = await predictionsSince(deployment.client);
  const checker = new Checker(run, (await options.readLog()).cases, deployment.prefix);
  const board = new Board({
    view,
    totals: { cases: log.cases.length, events: log.eventCount },
    look: () => siteStates(deployment.client, deployment.streams),
    waitSaved: async () => (await predictions()).waitSavedMs,
    failedRequests: () => deployment.failedRequests(),
  });
  const followers = new Followers(deployment.client, checker, deployment.streams);
  board.start(followers);
  try {
    const { outages, reconciliations } = await sendLog(options, run, board);
    board.enter('settling');
    await followers.caughtUp(board.committed.events, PATIENCE_MS, signal);
    board.enter('checking');
    const before = [...reconciliationsIn(await incidents()), ...reconciliations];
    const { id, proofs, problem } = await collectProofs(deployment, before, signal);
    if (problem !== undefined) board.happened(problem, 'broken');
    for (const site of deployment.sites) {
      const incomplete = await readSite(deployment, site, checker, READ_TIMEOUT_MS);
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
      predictions: await predictions(),
      reconciliation: { ...summary, digestsEqual: summary.digestsEqual && problem === undefined },
      durationMs: Date.now() - startedAt,
    };
    return { report, verdict, ...(id === undefined ? {} : { reconciliationId: id }) };
  } finally {
    board.end();
    await followers.end().catch(() => undefined);
  }
}

/** What the tour changes later has to be well before: the streams are there, and every site is in sync. */
async function prepare(deployment: Deployment, signal: AbortSignal): Promise<void> {
  await ensureStreams(deployment);
  if (await allInSync(deployment, SETUP_TIMEOUT_MS, signal)) return;
  const minutes = SETUP_TIMEOUT_MS / 60_000;
  throw new LockstepError(
    'NotEnoughReplicas',
    `after ${minutes} minutes not every site is in sync, with a replica of every stream of the tour; see lockstep route and lockstep streams list`,
  );
}

/** Ends when every case is written and everything that was broken has been mended. */
async function sendLog(options: TourOptions, run: string, board: Board): Promise<Aftermath> {
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
    prefix: deployment.prefix,
    cases: log.cases,
    clients,
    pace,
    signal,
    onWritten: (isForeseen) => board.written(isForeseen),
    onCommitted: (logCase) => {
      director.committed();
      board.caseCommitted(logCase);
    },
    onAborted: (logCase, why) => board.caseAborted(logCase, why),
  });
  try {
    const [aftermath] = await Promise.all([director.run(), writing.then(() => tellWritten(board))]);
    return aftermath;
  } finally {
    broken.abort();
  }
}

function tellWritten(board: Board): void {
  const { cases, events } = board.committed;
  board.happened(`all cases are written: ${count(cases)} transactions with ${count(events)} events`, 'mended');
}
