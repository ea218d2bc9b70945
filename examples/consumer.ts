/**
 * A Lambda function that gets the events of a stream, from whichever replica is active. `addConsumer` of the construct
 * deploys it to every site, with a table by which no event is handled again:
 *
 *   lockstep.addConsumer('billing', {
 *     streams: ['orders'],
 *     handler: ({ scope, functionName }) =>
 *       new NodejsFunction(scope, 'Billing', { functionName, entry: 'examples/consumer.ts' }),
 *   });
 */
import { consumer } from 'lockstep-streams/lambda';

export const handler = consumer(async ({ id, type, subject, data }) => {
  if (type !== 'order.placed') return;
  const { total } = data as { readonly total: number };
  // Whoever is told may be told again where this process ends here: the event's id lets them know it.
  await invoice({ reference: id, order: subject, total });
});

async function invoice(line: { reference: string; order: string; total: number }): Promise<void> {
  console.log(JSON.stringify(line));
}
