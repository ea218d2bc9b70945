/** Once a minute: what waits in the backlogs of this site goes onto its streams. */
import { drainAll } from '../../src/app/applier.js';
import { workAt } from '../site.js';

export function handler(): Promise<void> {
  return workAt(({ site }) => drainAll(site));
}
