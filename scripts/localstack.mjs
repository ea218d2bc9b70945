// npm run localstack: a LocalStack for as long as this runs. Its address is the only line on stdout; Ctrl-C ends it, and
// with `--attached` the end of stdin does: it never outlives whoever started it, however that one ended.
import { startLocalStack } from './localstack/run.mjs';

const ending = new Promise((resolve) => {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, resolve);
  if (process.argv.includes('--attached')) process.stdin.on('close', resolve).resume();
});

try {
  const { url, stop } = await startLocalStack();
  console.log(url);
  await ending;
  await stop();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
process.exit();
