/** Once a minute: streams follow their load, this site's replicas their definitions, declared streams what is declared. */
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { declaredPolicy, mergePolicy } from '../../src/app/registry.js';
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
    await node.scale();
    await node.tend();
    const { registry } = node.site;
    for (const [name, policy] of Object.entries(streams)) {
      const known = registry.known(name)?.policy;
      const wanted = declaredPolicy(known, policy);
      const isAsDeclared = known !== undefined && isDeepStrictEqual(mergePolicy(known, wanted), known);
      if (!isAsDeclared) await node.service.putStream(name, wanted);
    }
    for (const { name } of names === undefined ? [] : registry.all) {
      // Nothing is deleted: who takes a stream out of the props may have mistyped it.
      if (!names?.includes(name)) node.site.note('a stream is not declared, and stays', { stream: name });
    }
  });
}
