import type { CommitRequest } from '../../src/core/api.js';
import { LockstepClient, nodeExchange } from '../../src/client/index.js';

/** What every benchmark writes: three streams, one event of 256 bytes each. */
export const STREAMS = ['orders', 'payments', 'parcels'] as const;
const KEYS = 10_000;
const PAYLOAD = 'x'.repeat(254);

export function transaction(index: number): CommitRequest {
  const key = `key-${index % KEYS}`;
  return { events: STREAMS.map((stream) => ({ stream, key, type: 'bench', data: PAYLOAD })) };
}

export interface Latency {
  readonly transactionsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly transactions: number;
}

/** Closed loop: so many clients, each sends the next when the last is acknowledged, for a time. */
export async function closedLoop(
  clients: number,
  durationMs: number,
  send: (index: number) => Promise<number>,
): Promise<Latency> {
  const latencies: number[] = [];
  let next = 0;
  let done = 0;
  const startedAt = performance.now();
  const client = async (): Promise<void> => {
    while (performance.now() - startedAt < durationMs) {
      next += 1;
      const sentAt = performance.now();
      const committed = await send(next);
      done += committed;
      latencies.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const tookMs = performance.now() - startedAt;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => round(latencies[Math.floor((latencies.length - 1) * share)] ?? 0);
  return {
    transactionsPerSecond: Math.round((done / tookMs) * 1000),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    transactions: done,
  };
}

export const round = (value: number): number => Math.round(value * 100) / 100;

/** The load of one HTTP benchmark, in a process of its own: `load URL CLIENTS BATCH DURATION_MS`, answers JSON. */
export async function httpLoad(args: readonly string[]): Promise<void> {
  const [url = '', clients = '1', batch = '1', durationMs = '3000'] = args;
  const client = new LockstepClient({ endpoints: [url], exchange: nodeExchange(Number(clients)) });
  const size = Number(batch);
  const send = async (index: number): Promise<number> => {
    if (size === 1) {
      await client.commit(transaction(index).events);
      return 1;
    }
    const results = await client.commitBatch(Array.from({ length: size }, (_, i) => transaction(index * size + i)));
    return results.filter((result) => 'status' in result).length;
  };
  console.log(JSON.stringify(await closedLoop(Number(clients), Number(durationMs), send)));
}
