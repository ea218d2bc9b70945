import type { Workflows } from '../ports/workflows.js';
import { WORKFLOWS } from './index.js';
import { type Surroundings, run } from './run.js';

/** Workflows that run in the process that starts them. One that ends with it begins anew with the next reason for it. */
export function localWorkflows(surroundings: Omit<Surroundings, 'perform'>): Workflows {
  return {
    run: async (name, context, perform) => {
      await run(WORKFLOWS[name], context, { ...surroundings, perform });
    },
  };
}
