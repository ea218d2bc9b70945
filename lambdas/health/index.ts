/** Once a minute: looks at the other sites when no request does, and comes back when this site is out of sync. */
import { workAt } from '../site.js';

export function handler(): Promise<void> {
  return workAt((node) => node.watch());
}
