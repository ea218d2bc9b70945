import type { DigestAnswer, DigestRequest } from '../ports/mirror-agent.js';
import { bucketsHere } from './log-compare.js';
import type { Site } from './site.js';
import { surveyHere } from './survey.js';

/** What a site computes of itself when two sides are compared. Nothing here writes. */
export async function digestsHere(site: Site, { log, ranges }: DigestRequest): Promise<DigestAnswer> {
  return {
    ...(log ? { log: (await bucketsHere(site, log)).encode() } : {}),
    ranges: ranges && ranges.length > 0 ? (await surveyHere(site, ranges)).ranges : [],
  };
}
