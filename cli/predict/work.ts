import { setImmediate } from 'node:timers/promises';
import type { Forecaster } from '../../src/core/prediction/forecaster.js';
import type { FinishedContext } from '../../src/core/prediction/context.js';
import { trainForecaster, type TrainingOptions } from '../../src/core/prediction/training.js';
import { Progress } from '../ui/progress.js';
import type { Terminal } from '../ui/terminal.js';

class Interrupted extends Error {
  constructor() {
    super('broken off');
    this.name = 'Interrupted';
  }
}

/** Runs work that yields where it stands, and lets Ctrl-C through in between. @throws Interrupted */
export async function runThrough<Step, Result>(
  work: Generator<Step, Result>,
  signal: AbortSignal,
  onStep: (step: Step) => void,
): Promise<Result> {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
    onStep(value);
    await setImmediate();
    if (signal.aborted) throw new Interrupted();
  }
}

/** Trains with a bar that shows how the loss falls. */
export async function trainShown(
  transactions: readonly FinishedContext[],
  options: TrainingOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Forecaster> {
  const progress = new Progress(terminal, 'training');
  const forecaster = await runThrough(trainForecaster(transactions, options), signal, (step) => {
    const note = step.validationLoss === undefined ? '' : `loss ${step.validationLoss.toFixed(4)} on what is held back`;
    progress.update(step.fraction, note);
  });
  progress.end();
  return forecaster;
}
