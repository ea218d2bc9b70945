/** One step of the training of this site's predictor. What follows on what stands in lib/training.ts. */
import * as z from 'zod';
import { readConfig, readTraining } from '../../src/adapters/aws/config.js';
import { type TrainingSite, chooseModel, gatherWindow, rememberModel } from '../../src/app/training.js';
import { trainingSite } from '../../src/aws/training.js';
import { SUCCESSIONS } from '../../src/core/prediction/succession.js';

const run = z.string().regex(/^[a-z0-9]+$/);
const request = z.discriminatedUnion('step', [
  z.object({ step: z.literal('gather'), startedAt: z.string() }),
  z.object({ step: z.literal('choose'), run, serving: z.string() }),
  z.object({ step: z.literal('remember'), run, why: z.enum(SUCCESSIONS) }),
]);

let site: TrainingSite | undefined;

export function handler(event: unknown): Promise<unknown> {
  const asked = request.parse(event);
  const training = readTraining(process.env);
  site ??= trainingSite(readConfig(process.env), training);
  switch (asked.step) {
    case 'gather': {
      const startedAtMs = Date.parse(asked.startedAt);
      // The same execution names its run the same, however often the step is done.
      return gatherWindow(site, Math.floor(startedAtMs / 1000).toString(36), startedAtMs);
    }
    case 'choose':
      return chooseModel(site, { ...asked, revision: training.revision });
    case 'remember':
      return rememberModel(site, asked.run, asked.why);
  }
}
