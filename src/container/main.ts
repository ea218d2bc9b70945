/**
 * The container for SageMaker, as it starts it: `train`, or `serve`.
 *
 * Environment: `LOCKSTEP_ML_PREFIX` instead of `/opt/ml`, `SAGEMAKER_BIND_TO_PORT` instead of 8080, `LOCKSTEP_HOST`
 * instead of all addresses.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ownPredictor } from '../app/own-predictor.js';
import { Forecaster } from '../core/prediction/forecaster.js';
import { decodeModel } from '../core/prediction/model-file.js';
import { createPredictionServer } from './serve.js';
import { PLACES, train } from './train.js';

const prefix = process.env['LOCKSTEP_ML_PREFIX'] ?? '/opt/ml';
const port = Number(process.env['SAGEMAKER_BIND_TO_PORT'] ?? 8080);
const host = process.env['LOCKSTEP_HOST'] ?? '0.0.0.0';

const tell = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

async function serve(): Promise<void> {
  const server = createPredictionServer(ownPredictor({ forecaster: await loadForecaster() }));
  server.listen(port, host, () => {
    const address = server.address();
    tell(`serving on port ${typeof address === 'object' && address !== null ? address.port : port}`);
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      server.close();
      server.closeIdleConnections();
    });
  }
}

/** Without a model it begins with nothing, and learns from what it is sent. One that is refused is none to serve with. */
async function loadForecaster(): Promise<Forecaster> {
  const text = await readFile(join(prefix, PLACES.model), 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  return text === undefined ? new Forecaster() : decodeModel(text).forecaster;
}

const [command = 'serve'] = process.argv.slice(2);
try {
  if (command === 'train') process.exitCode = await train(prefix, tell);
  else if (command === 'serve') await serve();
  else throw new Error(`there is train and serve, not ${command}`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
