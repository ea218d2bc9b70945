import type { LockstepClient } from '../../src/client/index.js';
import { isLockstepError } from '../../src/core/errors.js';
import type { LogCase } from './event-log.js';
import { eventsOf, transactionIdOf } from './mapping.js';
import type { Pace } from './pace.js';

/** Longer than any outage of the tour. */
const DEADLINE_MS = 300_000;

export interface Writing {
  readonly client: Pick<LockstepClient, 'run'>;
  /** What the ids of its transactions begin with. */
  readonly run: string;
  readonly cases: readonly LogCase[];
  /** Of the streams' names. */
  readonly prefix: string;
  /** How many cases are under way at a time. */
  readonly clients: number;
  readonly pace: Pace;
  readonly signal: AbortSignal;
  onWritten(isForeseen: boolean): void;
  onCommitted(logCase: LogCase): void;
  onAborted(logCase: LogCase, why: string): void;
}

/**
 * Writes the log: each case one interactive transaction, each event a write of its own, as an application would that
 * learns of them one by one.
 */
export async function writeCases(writing: Writing): Promise<void> {
  let next = 0;
  const clientLoop = async (): Promise<void> => {
    while (next < writing.cases.length && !writing.signal.aborted) {
      const index = next;
      next += 1;
      await writing.pace.mayBegin(index);
      await writeCase(writing, index);
    }
  };
  await Promise.all(Array.from({ length: writing.clients }, clientLoop));
}

async function writeCase({ client, run, cases, prefix, pace, ...writing }: Writing, index: number): Promise<void> {
  const logCase = cases[index];
  if (logCase === undefined || writing.signal.aborted) return;
  const events = eventsOf(logCase, prefix);
  const streams = [...new Set(events.map(({ stream }) => stream))];
  try {
    await client.run(
      async (tx) => {
        for (const event of events) {
          const { foreseen } = await tx.write(event);
          writing.onWritten(foreseen.length > 0);
        }
      },
      { id: transactionIdOf(run, index), streams, deadlineMs: DEADLINE_MS },
    );
    writing.onCommitted(logCase);
  } catch (error) {
    if (!isLockstepError(error)) throw error;
    writing.onAborted(logCase, `${error.code}: ${error.message}`);
  }
  pace.finish();
}
