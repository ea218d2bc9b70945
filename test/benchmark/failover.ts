import { openEmbedded } from '../../src/embedded/index.js';
import { STREAMS, round, transaction } from './load.js';

/** From the fault to the first acknowledged commit that began after it, milliseconds: the median of five. */
export async function firstCommitAfter(what: 'switchover' | 'takeover', roundTripMs: number): Promise<number> {
  const took: number[] = [];
  for (let repeat = 0; repeat < 5; repeat += 1) {
    const engine = await openEmbedded({ roundTripMs });
    try {
      for (const stream of STREAMS) await engine.service.putStream(stream, {});
      for (let index = 0; index < 20; index += 1) await engine.service.commitOnce(transaction(index));
      const part = what === 'switchover' ? { part: 'streams' as const } : {};
      engine.controls.setFaults([{ site: 'east', kind: 'down', ...part }]);
      const startedAt = performance.now();
      for (let index = 100; ; index += 1) {
        const done = await engine.service.commitOnce(transaction(index)).then(
          () => true,
          () => false,
        );
        if (done) break;
      }
      took.push(performance.now() - startedAt);
      engine.controls.setFaults([]);
    } finally {
      await engine.close();
    }
  }
  return round(took.sort((a, b) => a - b)[2] ?? 0);
}
