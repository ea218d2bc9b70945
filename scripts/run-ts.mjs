// node scripts/run-ts.mjs FILE [arguments]: runs a TypeScript file of this repository.
import { relative, resolve } from 'node:path';
import { importTypeScript } from './lib/bundle.mjs';
import { ensureInstalled, ROOT } from './lib/install.mjs';

const [file, ...rest] = process.argv.slice(2);
if (file === undefined) {
  console.error('usage: node scripts/run-ts.mjs FILE [arguments]');
  process.exit(2);
}
ensureInstalled();
process.env.LOCKSTEP_PACKAGE_ROOT = ROOT;
process.argv = [process.execPath, resolve(file), ...rest];
await importTypeScript(relative(ROOT, resolve(file)));
