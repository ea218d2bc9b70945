// Installs LocalStack for a machine without a Docker engine: the Python package, with DynamoDB Local, kinesis-local and a
// Lambda executor that runs functions as processes of this machine. Everything comes from the registries of Python, npm and
// Maven, pinned; nothing is installed twice.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { takeLock } from '../lib/lock.mjs';

export const LOCALSTACK_VERSION = '4.14.0';
/** What LocalStack 4.14.0 asks for. */
const KINESIS_LOCAL_VERSION = '0.5.2';
const JSONATA_VERSION = '0.9.7';
/** The package says 3.10, but its code needs 3.13; newer ones were not tried. */
const PYTHON_VERSION = '3.13';
const JAVA_VERSION = 17;
const LOCK_LIMIT_MS = 15 * 60_000;

const HERE = dirname(fileURLToPath(import.meta.url));

/**
 * Makes sure that LocalStack is installed in a cache of the user, outside of any checkout.
 *
 * @returns {{python: string, libraries: string}} the interpreter, and the folder with what LocalStack starts
 * @throws Error saying what this machine lacks
 */
export function ensureLocalStack() {
  const folder = join(cacheFolder(), `localstack-${LOCALSTACK_VERSION}-${fingerprint()}`);
  const installed = { python: join(folder, 'venv/bin/python'), libraries: join(folder, 'lib') };
  const sign = join(folder, 'complete');
  if (existsSync(sign)) return installed;
  const tools = findTools();
  mkdirSync(folder, { recursive: true });
  const release = takeLock(`${folder}.lock`, LOCK_LIMIT_MS);
  try {
    if (existsSync(sign)) return installed;
    console.error(`Installing LocalStack ${LOCALSTACK_VERSION}: once, a minute or two, 600 MB …`);
    installPython(folder, tools);
    installJava(installed.libraries, tools);
    installDynamoDb(folder, installed.libraries, tools);
    installJsonata(installed.libraries, tools);
    installKinesis(installed.libraries);
    writeFileSync(sign, '');
    return installed;
  } finally {
    release();
  }
}

function cacheFolder() {
  return process.env.LOCKSTEP_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'lockstep');
}

/** Another one where anything in this folder is: what was installed by it is not this. */
function fingerprint() {
  const hash = createHash('sha256');
  const files = readdirSync(HERE, { recursive: true, withFileTypes: true }).filter(
    // How it is run changes nothing of what is installed.
    (entry) => entry.isFile() && entry.name !== 'run.mjs',
  );
  for (const path of files.map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort()) {
    hash.update(path.slice(HERE.length)).update(readFileSync(path));
  }
  return hash.digest('hex').slice(0, 12);
}

// -------------------------------------------------------------------------------------------------------------- tools

function findTools() {
  const python = findPython();
  const javaHome = findJava();
  const maven = findOnPath('mvn');
  const missing = [
    ...(python ? [] : [`Python ${PYTHON_VERSION} with venv (or say where with PYTHON)`]),
    ...(javaHome ? [] : [`a JDK ${JAVA_VERSION} or newer, with javac and jar (or say where with JAVA_HOME)`]),
    ...(maven ? [] : ['Maven (mvn)']),
  ];
  if (missing.length > 0) {
    throw new Error(
      `LocalStack without a Docker engine needs ${missing.join('; ')}.\n` +
        'Or start a Docker engine, or set AWS_ENDPOINT_URL to a LocalStack that runs.',
    );
  }
  return { python, javaHome, maven };
}

function findPython() {
  const pyenv = join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions');
  const ofPyenv = existsSync(pyenv) ? readdirSync(pyenv).filter((name) => name.startsWith(`${PYTHON_VERSION}.`)) : [];
  const candidates = [
    process.env.PYTHON,
    `python${PYTHON_VERSION}`,
    'python3',
    ...ofPyenv.map((name) => join(pyenv, name, 'bin/python')),
  ];
  const [major, minor] = PYTHON_VERSION.split('.');
  const check = `import sys, venv; sys.exit(sys.version_info[:2] != (${major}, ${minor}))`;
  return candidates.find((python) => python !== undefined && spawnSync(python, ['-c', check]).status === 0);
}

function findJava() {
  const onPath = findOnPath('javac');
  const candidates = [process.env.JAVA_HOME, onPath && dirname(dirname(realpathSync(onPath)))];
  return candidates.find((home) => {
    if (!home || !existsSync(join(home, 'bin/jar'))) return false;
    const { stdout = '', stderr = '' } = spawnSync(join(home, 'bin/javac'), ['-version'], { encoding: 'utf8' });
    return Number(/(\d+)/.exec(stdout || stderr)?.[1]) >= JAVA_VERSION;
  });
}

function findOnPath(name) {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Shows what a tool says only when it fails. */
function run(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    ...options,
  });
  if (status === 0) return;
  throw new Error(`${command} ${args.join(' ')} failed:\n${error?.message ?? `${stdout}\n${stderr}`.slice(-4000)}`);
}

// -------------------------------------------------------------------------------------------------------------- parts

function installPython(folder, { python }) {
  const venv = join(folder, 'venv');
  if (!existsSync(join(venv, 'bin/python'))) run(python, ['-m', 'venv', venv]);
  const pip = (...args) => run(join(venv, 'bin/python'), ['-m', 'pip', 'install', '-q', ...args]);
  pip('-c', join(HERE, 'constraints.txt'), `localstack-core[runtime]==${LOCALSTACK_VERSION}`);
  // Copied first: building it leaves files beside the sources.
  const plugin = join(folder, 'host_lambda');
  cpSync(join(HERE, 'host_lambda'), plugin, { recursive: true });
  pip('--force-reinstall', '--no-deps', plugin);
  run(join(venv, 'bin/python'), [join(HERE, 'patch_localstack.py')]);
}

/** LocalStack looks for a Java "21"; what it runs here is content with 17. */
function installJava(libraries, { javaHome }) {
  mkdirSync(join(libraries, 'java'), { recursive: true });
  rmSync(join(libraries, 'java/21'), { force: true });
  symlinkSync(javaHome, join(libraries, 'java/21'));
}

function fetchJars({ maven, javaHome }, profile, target) {
  run(
    maven,
    [
      ...['-q', '-B', '-Dstyle.color=never', '-f', join(HERE, 'maven/pom.xml'), '-P', profile],
      ...['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${target}`],
    ],
    { env: { ...process.env, JAVA_HOME: javaHome } },
  );
}

/** DynamoDB Local from Maven, with a main class of ours that listens on the loopback interface only. */
function installDynamoDb(folder, libraries, tools) {
  const target = join(libraries, 'dynamodb-local/2');
  const build = join(folder, 'build');
  if (existsSync(join(target, 'DynamoDBLocal.jar'))) return;
  for (const path of [target, build]) rmSync(path, { recursive: true, force: true });
  for (const path of ['main', 'agent']) mkdirSync(join(build, path), { recursive: true });
  const jars = join(target, 'DynamoDBLocal_lib');
  mkdirSync(jars, { recursive: true });
  fetchJars(tools, 'dynamodb', jars);
  for (const name of readdirSync(jars)) {
    // sqlite4java looks for its native libraries without the version.
    if (name.startsWith('libsqlite4java-')) copyFileSync(join(jars, name), join(jars, name.replace('-1.0.392', '')));
  }
  const bin = (name) => join(tools.javaHome, 'bin', name);
  run(bin('javac'), [
    '-nowarn',
    '-cp',
    join(jars, '*'),
    '-d',
    join(build, 'main'),
    join(HERE, 'java/LoopbackMain.java'),
  ]);
  run(bin('javac'), ['-d', join(build, 'agent'), join(HERE, 'java/NoopAgent.java')]);
  copyFileSync(join(HERE, 'java/log4j2.xml'), join(build, 'main/log4j2.xml'));
  const classPath = readdirSync(jars).filter((name) => name.endsWith('.jar'));
  const manifest = `Main-Class: LoopbackMain\nClass-Path:${classPath.map((name) => ` \n DynamoDBLocal_lib/${name}`).join('')}\n`;
  writeFileSync(join(build, 'main.mf'), manifest);
  writeFileSync(join(build, 'agent.mf'), 'Premain-Class: NoopAgent\n');
  const jar = (name, of) =>
    run(bin('jar'), ['cfm', join(target, name), join(build, `${of}.mf`), '-C', join(build, of), '.']);
  jar('ddb-local-loader-0.1.jar', 'agent');
  // Last: LocalStack takes this file as the sign that the package is complete.
  jar('DynamoDBLocal.jar', 'main');
  rmSync(build, { recursive: true });
}

/** For Step Functions. */
function installJsonata(libraries, tools) {
  const target = join(libraries, 'jsonata', JSONATA_VERSION);
  if (existsSync(join(target, `jsonata-${JSONATA_VERSION}.jar`))) return;
  mkdirSync(target, { recursive: true });
  fetchJars(tools, 'jsonata', target);
}

function installKinesis(libraries) {
  const target = join(libraries, 'kinesis-local', KINESIS_LOCAL_VERSION);
  mkdirSync(target, { recursive: true });
  execFileSync(
    'npm',
    ['install', '--silent', '--no-audit', '--no-fund', '--prefix', target, `kinesis-local@${KINESIS_LOCAL_VERSION}`],
    {
      stdio: ['ignore', 2, 2],
    },
  );
  const main = join(target, 'node_modules/kinesis-local/main.js');
  const code = readFileSync(main, 'utf8').replaceAll('"0.0.0.0"', '"127.0.0.1"');
  if (!code.includes('"127.0.0.1"')) throw new Error('kinesis-local has no address that could be replaced');
  writeFileSync(main, code);
}
