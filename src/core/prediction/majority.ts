import type { Leaf } from './leaves.js';

/** The most frequent of many values, in constant memory (Boyer and Moore): a rival wears the holder down. */
export interface Majority {
  value: Leaf;
  lead: number;
}

/** A holder of long standing gives way after so many rivals at most. */
const MAX_LEAD = 50;

export function vote(majority: Majority | undefined, value: Leaf): Majority {
  if (majority === undefined) return { value, lead: 1 };
  if (majority.value === value) majority.lead = Math.min(majority.lead + 1, MAX_LEAD);
  else if (majority.lead > 1) majority.lead -= 1;
  else majority.value = value;
  return majority;
}
