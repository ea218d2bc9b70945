// npm run test:localstack: the tests that need AWS, against LocalStack. Arguments go to jest. One that runs already is
// used where AWS_ENDPOINT_URL names it; else one is started, installed before if need be, and ended afterwards.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { ensureInstalled, ROOT } from './lib/install.mjs';
import { line, runJest } from './lib/run.mjs';

ensureInstalled();
const started = process.env.AWS_ENDPOINT_URL === undefined ? await startLocalStack() : undefined;
if (started) process.env.AWS_ENDPOINT_URL = started.url;
process.env.AWS_ENDPOINT_URL_S3 ??= process.env.AWS_ENDPOINT_URL;
process.env.AWS_ACCESS_KEY_ID ??= 'test';
process.env.AWS_SECRET_ACCESS_KEY ??= 'test';

const args = ['--config', 'jest.localstack.config.mjs', ...process.argv.slice(2)];
const { passed, failed, skipped } = await runJest(args);
await started?.stop();
console.log(`\n${line(passed, failed, skipped)}`);
process.exitCode = failed === 0 ? 0 : 1;

/** In a process of its own that ends with this one, even if this one is killed. */
async function startLocalStack() {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/localstack.mjs'), '--attached'], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const [url] = await Promise.race([
    new Promise((resolve) => createInterface(child.stdout).once('line', (text) => resolve([text]))),
    ended.then(() => []),
  ]);
  if (url === undefined) {
    console.log('\n0 passed, 1 failed');
    process.exit(1);
  }
  console.log(`LocalStack answers at ${url}`);
  return {
    url,
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
