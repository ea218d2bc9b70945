/** What the functions share: their site, opened once per process and kept warm. */
import { readConfig } from '../src/adapters/aws/config.js';
import type { SiteNode } from '../src/app/node.js';
import { type AwsOverrides, type AwsSite, openAwsSite } from '../src/aws/site.js';

/** A client is not kept waiting for work that may take minutes; what is left goes on with the next call. */
const SETTLE_MS = 2000;

let opened: Promise<AwsSite> | undefined;

function site(overrides: AwsOverrides = {}): Promise<AwsSite> {
  opened ??= openAwsSite(readConfig(process.env), overrides).catch((error: unknown) => {
    // The next call tries again.
    opened = undefined;
    throw error;
  });
  return opened;
}

/** Answers somebody who waits. */
export async function answerAt<T>(work: (site: AwsSite) => Promise<T>): Promise<T> {
  const open = await site();
  const answer = await work(open);
  await Promise.race([open.settle(), open.node.site.clock.sleep(SETTLE_MS)]);
  return answer;
}

/**
 * Does work that nobody waits for, from what is written down now, and ends when all of it has ended.
 *
 * @param overrides of the site, where it is not open yet
 */
export async function workAt<T>(work: (node: SiteNode) => Promise<T>, overrides?: AwsOverrides): Promise<T> {
  const open = await site(overrides);
  await open.node.refresh();
  const result = await work(open.node);
  await open.settle();
  return result;
}
