/** Once a minute: streams follow their load, this site's replicas their definitions, declared streams what is declared. */
import * as z from 'zod';
import { declare, tellUndeclared } from '../../src/app/declared.js';
import { inTurn } from '../../src/app/in-turn.js';
import { streamName, streamPolicy } from '../../src/http/schemas.js';
import { workAt } from '../site.js';

const declaration = z.object({
  streams: z.record(streamName, streamPolicy),
  /** All that are declared. */
  names: z.exactOptional(z.array(streamName)),
});

export function handler(event: unknown): Promise<void> {
  const { streams, names } = declaration.parse(event);
  return workAt(async (node) => {
    await inTurn(
      () => node.scale(),
      () => node.tend(),
      ...Object.entries(streams).map(
        ([name, policy]) =>
          () =>
            declare(node, name, policy),
      ),
    );
    if (names) tellUndeclared(node, names);
  });
}
