// The first program: a transaction over two streams, and what a reader of the mirror sees of it.
// Run it in a checkout with: node scripts/run-ts.mjs examples/hello.ts
import { directTransport, LockstepClient } from 'lockstep-streams/client';
import { openEmbedded } from 'lockstep-streams/embedded';

// Two sites in this process, in memory. Against a server: new LockstepClient({ endpoints: ['http://127.0.0.1:4040'] }).
const engine = await openEmbedded({ sites: ['east', 'west'] });
const client = new LockstepClient({ transport: directTransport(engine.service) });

await client.putStream('orders', {});
await client.putStream('payments', {});

const { commit } = await client.run(
  async (tx) => {
    await tx.write({ stream: 'orders', key: 'order-1', type: 'order.placed', data: { total: 40 } });
    await tx.write({ stream: 'payments', key: 'order-1', type: 'payment.requested', data: { amount: 40 } });
  },
  { streams: ['orders', 'payments'] },
);
console.log(`committed ${commit.events} events, held by ${commit.replicas} sites`);

for (const stream of ['orders', 'payments']) {
  for await (const event of client.events({ stream, site: 'west', until: 'caught-up' })) {
    console.log(`west has ${event.type} of ${event.subject}:`, event.data);
  }
}

await engine.close();
