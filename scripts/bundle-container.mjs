// node scripts/bundle-container.mjs [FOLDER]: the container for SageMaker as one file, FOLDER/main.mjs (dist/container).
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { ROOT } from './lib/install.mjs';

await build({
  absWorkingDir: ROOT,
  entryPoints: { main: 'src/container/main.ts' },
  outdir: resolve(process.argv[2] ?? join(ROOT, 'dist', 'container')),
  outExtension: { '.js': '.mjs' },
  bundle: true,
  minify: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  legalComments: 'none',
  logLevel: 'warning',
});
