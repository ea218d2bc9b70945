// Completes package-lock.json with the packages for other platforms that a registry did not offer.
//
// A registry that mirrors only a part leaves optional packages such as `@swc/core-darwin-arm64` out of the lock, and
// `npm ci` then refuses the lock on every machine. Run this after adding or updating a package; it changes nothing where
// nothing is missing. Such an entry has no checksum.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './lib/install.mjs';

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const PROCESSORS = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];

const file = join(ROOT, 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const added = [];
for (const parent of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const path = `node_modules/${name}`;
    if (lock.packages[path] !== undefined || !/^\d+\.\d+\.\d+$/.test(version)) continue;
    const platform = platformOf(name);
    if (platform === undefined) throw new Error(`${name}: its name does not say for which platform it is`);
    const { dev, license } = parent;
    const { cpu, libc, os } = platform;
    lock.packages[path] = { version, cpu, dev, libc, license, optional: true, os }; // in npm's order
    added.push(`${name}@${version}`);
  }
}
if (added.length > 0) {
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')));
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(added.length === 0 ? 'package-lock.json is complete' : `added ${added.join(', ')}`);

function platformOf(name) {
  const words = name.split(/[/-]/);
  const os = words.find((word) => SYSTEMS.includes(word));
  const cpu = words.find((word) => PROCESSORS.includes(word));
  if (os === undefined || cpu === undefined) return undefined;
  const libc = os !== 'linux' ? undefined : /musl/.test(name) ? ['musl'] : /gnu/.test(name) ? ['glibc'] : undefined;
  return { cpu: [cpu], libc, os: [os] };
}
