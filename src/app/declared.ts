import type { StreamPolicy } from '../core/api.js';
import { canonicalJson } from '../core/canonical-json.js';
import { declaredPolicy, mergePolicy } from './registry.js';
import type { SiteNode } from './node.js';

/** Brings a stream to what is declared of it. */
export async function declare({ site, service }: SiteNode, name: string, policy: StreamPolicy): Promise<void> {
  const known = site.registry.known(name)?.policy;
  const wanted = declaredPolicy(known, policy);
  const isAsDeclared = known !== undefined && canonicalJson(mergePolicy(known, wanted)) === canonicalJson(known);
  if (!isAsDeclared) await service.putStream(name, wanted);
}

/** Nothing is deleted: who takes a stream out of the declaration may have mistyped it. */
export function tellUndeclared({ site }: SiteNode, names: readonly string[]): void {
  for (const { name } of site.registry.all) {
    if (!names.includes(name)) site.note('a stream is not declared, and stays', { stream: name });
  }
}
