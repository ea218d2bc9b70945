#!/usr/bin/env node
// The command `lockstep`. In a checkout it runs the TypeScript sources as they are now, never an older build of them;
// in the published package, which has no sources, the build.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.env.LOCKSTEP_PACKAGE_ROOT = fileURLToPath(new URL('..', import.meta.url));

if (existsSync(new URL('main.ts', import.meta.url))) {
  const { importTypeScript } = await import('../scripts/lib/bundle.mjs');
  await importTypeScript('cli/main.ts');
} else {
  await import('../dist/cli/main.js');
}
