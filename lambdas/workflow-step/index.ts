/** One step of a workflow. It fails with the problem's code as the error's name, so that a workflow can catch it. */
import { isLockstepError } from '../../src/core/errors.js';
import { workAt } from '../site.js';
import { parseStep } from './steps.js';

export async function handler(event: unknown): Promise<unknown> {
  const run = parseStep(event);
  try {
    return await workAt(run);
  } catch (error) {
    if (isLockstepError(error)) error.name = error.code;
    throw error;
  }
}
