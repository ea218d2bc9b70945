/** Follows this site's log as it is written. What it learns from it, and predicts, comes with the predictor. */
import type { DynamoDBBatchResponse, DynamoDBRecord, DynamoDBStreamEvent } from 'aws-lambda';
import { readConfig } from '../../src/adapters/aws/config.js';
import { createObserver } from '../../src/adapters/aws/observer.js';
import { transactionPk } from '../../src/core/items.js';

const { deployment, site } = readConfig(process.env);
const observer = createObserver(deployment, site);

export function handler({ Records }: DynamoDBStreamEvent): Promise<DynamoDBBatchResponse> {
  const followed: Record<string, number> = { open: 0, committed: 0, aborted: 0 };
  let behindMs = 0;
  for (const record of Records) {
    const status = statusOf(record);
    if (status !== undefined) followed[status] = (followed[status] ?? 0) + 1;
    behindMs = Math.max(behindMs, Date.now() - (record.dynamodb?.ApproximateCreationDateTime ?? 0) * 1000);
  }
  observer.note('log followed', { ...followed, behindMs });
  return Promise.resolve({ batchItemFailures: [] });
}

/** Of an entry; other items of a transaction are none. */
function statusOf({ dynamodb }: DynamoDBRecord): string | undefined {
  const isEntry =
    dynamodb?.Keys?.['pk']?.S?.startsWith(transactionPk('')) === true && dynamodb.Keys['sk']?.S === 'entry';
  return isEntry ? dynamodb.NewImage?.['status']?.S : undefined;
}
