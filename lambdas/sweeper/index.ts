/** Once a minute: what nobody came back for; and at home the bar, again and again until the next minute. */
import { inTurn } from '../../src/app/in-turn.js';
import type { SiteNode } from '../../src/app/node.js';
import { workAt } from '../site.js';

const TICK_MS = 60_000;
/** What is older than the log is kept may stay some minutes longer. */
const EXPIRE_MINUTES = 10;

export function handler(): Promise<void> {
  const startedAtMs = Date.now();
  return workAt(async (node) => {
    const isExpiring = new Date(startedAtMs).getUTCMinutes() % EXPIRE_MINUTES === 0;
    await inTurn(
      () => node.sweep(),
      async () => (isExpiring ? node.expire() : undefined),
      () => closeUntil(node, startedAtMs + TICK_MS),
    );
  });
}

async function closeUntil(node: SiteNode, endMs: number): Promise<void> {
  const { closePeriodMs } = node.site.options;
  for (;;) {
    await node.close();
    if (!node.isServingHome || Date.now() + closePeriodMs >= endMs) return;
    await node.site.clock.sleep(closePeriodMs);
  }
}
