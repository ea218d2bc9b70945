import { hash } from 'node:crypto';
import type { Proof, RangeDigests } from './api.js';
import { canonicalJson } from './canonical-json.js';

/** The digest of a site that has no replica of a stream. */
export const NO_REPLICA = 'none';

/** SHA-256 over the RFC 8785 form of all the rest: a proof that was changed afterwards does not have it any more. */
export function sealOf({ seal: _seal, ...proof }: Omit<Proof, 'seal'> & Partial<Pick<Proof, 'seal'>>): string {
  return hash('sha256', canonicalJson(proof), 'hex');
}

/** Whether all these sides hold the same, each on its stream what it has in its log. */
export function areEqual(sides: readonly (RangeDigests | undefined)[]): boolean {
  const [first] = sides;
  return (
    first !== undefined &&
    sides.every((side) => side?.log === first.log && (side.stream === side.log || side.stream === NO_REPLICA))
  );
}
