import { siteClients } from '../adapters/aws/clients.js';
import type { AwsConfig, TrainingConfig } from '../adapters/aws/config.js';
import { DynamoTables } from '../adapters/aws/dynamo-tables.js';
import { systemClock, systemRandom } from '../adapters/aws/environment.js';
import { siteTableName, trainingPrefix } from '../adapters/aws/names.js';
import { createObserver } from '../adapters/aws/observer.js';
import { s3Files } from '../adapters/aws/s3-files.js';
import type { TrainingSite } from '../app/training.js';
import { optionsSchema } from '../core/options.js';

/** What one read of the log may take, milliseconds: nobody waits for training. */
const CALL_LIMITS = { tablesMs: 5000, streamsMs: 5000 };
const DAY_MS = 86_400_000;

/** A site as its training sees it: the log, which it only reads, and a bucket. */
export function trainingSite(config: AwsConfig, { bucket, keepDays }: TrainingConfig): TrainingSite {
  const { deployment, site, sites, options } = config;
  const region = sites.find(({ name }) => name === site)?.region;
  if (region === undefined) throw new Error(`there is no site ${site} in the configuration`);
  const common = { clock: systemClock, random: systemRandom };
  const { dynamodb } = siteClients({ region }, CALL_LIMITS);
  const observer = createObserver(deployment, site);
  return {
    tables: new DynamoTables({ ...common, client: dynamodb, tableName: siteTableName(deployment, site) }),
    copies: optionsSchema.parse(options ?? {}).guardCopies,
    files: s3Files({ ...common, bucket, region }),
    prefix: trainingPrefix(deployment, site),
    keepMs: keepDays * DAY_MS,
    note: (what, facts) => {
      observer.note(what, facts);
    },
  };
}
