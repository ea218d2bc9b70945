/**
 * Once a minute: looks at the other sites when no request does, comes back when this site is out of sync, and tells how it
 * stands.
 */
import { workAt } from '../site.js';

export function handler(): Promise<void> {
  return workAt(async (node) => {
    await node.recall();
    await node.watch().finally(() => node.tellStanding());
  });
}
