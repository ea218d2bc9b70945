import type { MarkedEntry, MirrorAgent } from '../ports/mirror-agent.js';

const TOGETHER = 100;

/** Whole entries of another site's log, some at a time; an id that is gone there meanwhile is left out. */
export async function* fetchEntries(
  agent: MirrorAgent,
  ids: readonly string[],
): AsyncGenerator<readonly MarkedEntry[]> {
  for (let at = 0; at < ids.length; at += TOGETHER) {
    let left = ids.slice(at, at + TOGETHER);
    while (left.length > 0) {
      const fetched = await agent.fetch({ ids: left });
      if (fetched.length === 0) break;
      yield fetched;
      const have = new Set(fetched.map(({ entry }) => entry.id));
      left = left.filter((id) => !have.has(id));
    }
  }
}
