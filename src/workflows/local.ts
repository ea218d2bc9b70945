import type { Workflows } from '../ports/workflows.js';
import { WORKFLOWS } from './index.js';
import { type Surroundings, run } from './run.js';

/**
 * Workflows that run in the process that starts them. One that ends with it begins anew with the next reason for it; what
 * other processes run is not known, so that nothing is ruled out.
 */
export function localWorkflows(surroundings: Omit<Surroundings, 'perform'>): Workflows {
  return {
    run: async ({ workflow, context }, perform) => {
      await run(WORKFLOWS[workflow], context, { ...surroundings, perform });
    },
  };
}
