/** Once a minute: what nobody came back for; and at home the bar, again and again until the next minute. */
import { workAt } from '../site.js';

const TICK_MS = 60_000;
/** What is older than the log is kept may stay some minutes longer. */
const EXPIRE_MINUTES = 10;

export function handler(): Promise<void> {
  const startedAtMs = Date.now();
  return workAt(async (node) => {
    await node.sweep();
    if (new Date(startedAtMs).getUTCMinutes() % EXPIRE_MINUTES === 0) await node.expire();
    const { closePeriodMs } = node.site.options;
    for (;;) {
      await node.close();
      if (!node.isServingHome || Date.now() + closePeriodMs >= startedAtMs + TICK_MS) return;
      await node.site.clock.sleep(closePeriodMs);
    }
  });
}
