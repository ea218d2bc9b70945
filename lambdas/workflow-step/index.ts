/** One step of a workflow. It fails with the problem's code as the error's name, so that a workflow can catch it. */
import * as z from 'zod';
import { performerOf } from '../../src/app/steps.js';
import { errorName } from '../../src/workflows/run.js';
import { workAt } from '../site.js';

/** As `toStepFunctions` calls it: the context so far, and of a list the item that is meant. */
const request = z.strictObject({
  step: z.string(),
  context: z.record(z.string(), z.json()),
  item: z.json().optional(),
});

export async function handler(event: unknown): Promise<unknown> {
  const { step, context, item } = request.parse(event);
  try {
    return await workAt(async ({ site }) => {
      // Another process may have done the step before this one, or will do the next: nothing is kept for it.
      site.refilling.clear();
      return performerOf(site)(step, item === undefined ? context : { ...context, item });
    });
  } catch (error) {
    if (error instanceof Error) error.name = errorName(error);
    throw error;
  }
}
