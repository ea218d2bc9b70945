/** What a user of the package gets: by its name, each part alone, and nothing that the part does not need. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(__dirname, '..', '..');
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  bin: Record<string, string>;
  exports: Record<string, string | { types: string; default: string }>;
};

describe('the package', () => {
  test('lockstep-streams/client pulls in neither storage nor AWS nor the server', async () => {
    const { files, packages } = await contentsOf('src/client/index.ts');
    expect(files).toContain('src/client/index.ts');
    expect(files.filter((file) => !/^src\/(client|core|ports)\//.test(file))).toEqual([]);
    expect(packages.filter((name) => name !== 'zod')).toEqual([]);
  });

  test('lockstep-streams itself is types and client', async () => {
    const { files, packages } = await contentsOf('src/index.ts');
    expect(files.filter((file) => /^src\/(adapters|app|embedded|http|workflows)\//.test(file))).toEqual([]);
    expect(packages.filter((name) => name !== 'zod')).toEqual([]);
  });

  test('lockstep-streams/aws signs, and pulls in nothing else', async () => {
    const { files, packages } = await contentsOf('src/aws/index.ts');
    expect(files.sort()).toEqual(['src/adapters/aws/signing.ts', 'src/aws/index.ts']);
    expect(packages.sort()).toEqual([
      '@aws-crypto/sha256-js',
      '@aws-sdk/credential-provider-node',
      '@smithy/signature-v4',
    ]);
  });

  test('every exported path has its source', () => {
    for (const target of Object.values(manifest.exports)) {
      if (typeof target === 'string') continue;
      const built = builtOf(target.default);
      expect(target.types).toBe(built.replace(/\.js$/, '.d.ts'));
      const source = built.replace(/^\.\/dist\//, '').replace(/\.js$/, '.ts');
      expect([source, existsSync(join(ROOT, source))]).toEqual([source, true]);
    }
  });

  test('the command is there', () => {
    expect(readFileSync(join(ROOT, manifest.bin['lockstep']!), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });
});

/** A launcher, which is there as it is, passes on what was built. */
function builtOf(path: string): string {
  if (!path.endsWith('.mjs')) return path;
  const [, passedOn] = /export \* from '\.\.\/(dist\/.+)'/.exec(readFileSync(join(ROOT, path), 'utf8')) ?? [];
  return `./${passedOn}`;
}

/** Everything that an entry point imports, however indirectly: own files, and packages by name. */
async function contentsOf(entry: string): Promise<{ files: string[]; packages: string[] }> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    write: false,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    metafile: true,
  });
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
  const external = imports.filter((one) => one.external === true && !one.path.startsWith('node:'));
  return { files: Object.keys(metafile.inputs), packages: [...new Set(external.map((one) => one.path))] };
}
