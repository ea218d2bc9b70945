/** Follows this site's log as it is written: foresees at a mirror, tells mirrors at home what of it was written. */
import type { DynamoDBBatchResponse, DynamoDBRecord, DynamoDBStreamEvent } from 'aws-lambda';
import { Backfill } from '../../src/app/backfill.js';
import { LogFollower } from '../../src/app/follow.js';
import { predictorAt } from '../../src/aws/predictor.js';
import { readConfig } from '../../src/adapters/aws/config.js';
import { transactionPk } from '../../src/core/items.js';
import { workAt } from '../site.js';

const ENTRY = transactionPk('');

let follower: LogFollower | undefined;

export async function handler({ Records }: DynamoDBStreamEvent): Promise<DynamoDBBatchResponse> {
  const open = Records.flatMap(openId);
  await workAt(
    async (node) => {
      follower ??= new LogFollower(node);
      await follower.follow(open);
      const behindMs = Math.max(
        0,
        ...Records.map((it) => Date.now() - (it.dynamodb?.ApproximateCreationDateTime ?? 0) * 1000),
      );
      node.site.note('log followed', { records: Records.length, open: open.length, behindMs });
    },
    { backfill: (site) => new Backfill(site, predictorAt(readConfig(process.env), site.options, site.clock)) },
  );
  // What was missed is foreseen with the next write, or not at all: nothing is worth telling again.
  return { batchItemFailures: [] };
}

/** Of an entry that is open; other items of a transaction are none. */
function openId({ dynamodb }: DynamoDBRecord): readonly string[] {
  const pk = dynamodb?.Keys?.['pk']?.S;
  const isOpen = dynamodb?.Keys?.['sk']?.S === 'entry' && dynamodb.NewImage?.['status']?.S === 'open';
  return isOpen && pk?.startsWith(ENTRY) === true ? [pk.slice(ENTRY.length)] : [];
}
