import { type EmbeddedOptions, openEmbedded } from '../../src/embedded/index.js';
import { STREAMS, transaction } from './load.js';

/** Calls per site and port method, and calls of other sites. */
export type Counts = Readonly<Record<string, number>>;

/** The port calls of one small one-shot transaction, and the virtual round trips that it waits for. */
export async function countCalls(): Promise<Counts> {
  const counts: Record<string, number> = {};
  const wrap = counting((name, by) => {
    counts[name] = (counts[name] ?? 0) + by;
  });
  const engine = await openEmbedded({ background: false, wrap });
  for (const stream of STREAMS) await engine.service.putStream(stream, {});
  await engine.service.commitOnce(transaction(0));
  for (const name of Object.keys(counts)) Reflect.deleteProperty(counts, name);
  await engine.service.commitOnce(transaction(1));
  await engine.close();
  return counts;
}

function counting(count: (name: string, by: number) => void): NonNullable<EmbeddedOptions['wrap']> {
  return {
    tables: (site, tables) => ({
      ...tables,
      maxItems: tables.maxItems,
      maxItemBytes: tables.maxItemBytes,
      maxTransactBytes: tables.maxTransactBytes,
      transact: (writes) => {
        count(`${site} transactions`, 1);
        count(`${site} items`, writes.length);
        return tables.transact(writes);
      },
      writeEach: (writes) => {
        count(`${site} single writes`, writes.length);
        return tables.writeEach(writes);
      },
      get: (keys) => {
        count(`${site} reads`, keys.length);
        return tables.get(keys);
      },
    }),
    streams: (site, streams) => ({
      ...streams,
      put: (name, records) => {
        count(`${site} records`, records.length);
        return streams.put(name, records);
      },
    }),
    peers: (site, peers) => ({
      agent: (to) => {
        const agent = peers.agent(to);
        if (to === site) return agent;
        return new Proxy(agent, {
          get: (target, method, receiver): unknown => {
            count('calls between sites', 1);
            return Reflect.get(target, method, receiver);
          },
        });
      },
    }),
  };
}
