// node scripts/bundle-container.mjs [FOLDER]: what the image for SageMaker is built from, in FOLDER (dist/container): the
// program as one file, main.mjs, and its Dockerfile.
import { copyFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { ROOT } from './lib/install.mjs';

const outdir = resolve(process.argv[2] ?? join(ROOT, 'dist', 'container'));

await build({
  absWorkingDir: ROOT,
  entryPoints: { main: 'src/container/main.ts' },
  outdir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  minify: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  legalComments: 'none',
  logLevel: 'warning',
});
copyFileSync(join(ROOT, 'src', 'container', 'Dockerfile'), join(outdir, 'Dockerfile'));
