/** npm run spec -- explore [--json]: the larger configurations of the explorer. */
import { CONFIGURATIONS } from './configurations.js';
import { explore } from './explore.js';

const json = process.argv.includes('--json');
const results = [];
for (const { name, bounds, what } of CONFIGURATIONS) {
  const startedMs = performance.now();
  const { states, depth, violation } = await explore(bounds);
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  results.push({ name, states, depth, seconds, ok: !violation, ...violation });
  if (json) continue;
  const result = violation ? `${violation.invariant} fails` : 'holds';
  console.log(
    `${violation ? 'FAIL' : 'ok  '} ${name.padEnd(17)} ${result.padEnd(12)} ${states} states ${seconds} s  ${what}`,
  );
  for (const step of violation?.steps ?? []) console.log(`       ${step}`);
}
const failed = results.filter(({ ok }) => !ok).length;
if (json) console.log(JSON.stringify({ results, passed: results.length - failed, failed }, undefined, 2));
else console.log(`\n${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
