/** Once a minute: streams follow their load, this site's replicas their definitions, declared streams what is declared. */
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { inTurn } from '../../src/app/in-turn.js';
import type { SiteNode } from '../../src/app/node.js';
import { declaredPolicy, mergePolicy } from '../../src/app/registry.js';
import { streamName, streamPolicy } from '../../src/http/schemas.js';
import { workAt } from '../site.js';

const declaration = z.object({
  streams: z.record(streamName, streamPolicy),
  /** All that are declared. */
  names: z.exactOptional(z.array(streamName)),
});

type Declared = z.infer<typeof declaration>;

export function handler(event: unknown): Promise<void> {
  const declared = declaration.parse(event);
  return workAt((node) =>
    inTurn(
      () => node.scale(),
      () => node.tend(),
      ...Object.entries(declared.streams).map(
        ([name, policy]) =>
          () =>
            declare(node, name, policy),
      ),
      () => tellUndeclared(node, declared),
    ),
  );
}

async function declare({ site, service }: SiteNode, name: string, policy: Declared['streams'][string]): Promise<void> {
  const known = site.registry.known(name)?.policy;
  const wanted = declaredPolicy(known, policy);
  const isAsDeclared = known !== undefined && isDeepStrictEqual(mergePolicy(known, wanted), known);
  if (!isAsDeclared) await service.putStream(name, wanted);
}

/** Nothing is deleted: who takes a stream out of the props may have mistyped it. */
async function tellUndeclared({ site }: SiteNode, { names }: Declared): Promise<void> {
  for (const { name } of names === undefined ? [] : site.registry.all) {
    if (!names?.includes(name)) site.note('a stream is not declared, and stays', { stream: name });
  }
}
