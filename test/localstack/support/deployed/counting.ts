/** A consumer whose effect can be counted: so often was it called to the end with each event. */
import { DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { consumer } from 'lockstep-streams/lambda';

const client = new DynamoDBClient({ region: process.env['LEDGER_REGION'] ?? '' });

export const handler = consumer(async ({ id, stream }) => {
  await client.send(
    new UpdateItemCommand({
      TableName: process.env['LEDGER'],
      Key: { id: { S: `${stream} ${id}` } },
      UpdateExpression: 'ADD handled :one',
      ExpressionAttributeValues: { ':one': { N: '1' } },
    }),
  );
});
