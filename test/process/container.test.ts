import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FinishedContext } from '../../src/core/prediction/context.js';
import { MAX_CONTEXTS, parseAnswer } from '../../src/core/prediction/contract.js';
import { openEmbedded } from '../../src/embedded/index.js';
import { farReaching } from '../unit/prediction/support.js';

/** The container's program as SageMaker starts it, with its files below another prefix. */

const ROOT = join(import.meta.dirname, '..', '..');
const running: ChildProcess[] = [];
let folder: string;
let main: string;

beforeAll(() => {
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  folder = mkdtempSync(join(ROOT, 'dist', '.container-test-'));
  execFileSync(process.execPath, [join('scripts', 'bundle-container.mjs'), folder], { cwd: ROOT });
  main = join(folder, 'main.mjs');
});
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function prefixWith(files: Readonly<Record<string, string>>): string {
  const prefix = mkdtempSync(join(folder, 'ml-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(prefix, name, '..'), { recursive: true });
    writeFileSync(join(prefix, name), text);
  }
  return prefix;
}

const jsonLines = (transactions: readonly FinishedContext[]): string =>
  transactions.map((each) => `${JSON.stringify(each)}\n`).join('');

async function run(command: string, prefix: string): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [main, command], { env: { ...process.env, LOCKSTEP_ML_PREFIX: prefix } });
  running.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, text };
}

/** Starts serving, with whatever program, and resolves with its address when it says the port. */
async function started(
  program: string,
  args: readonly string[],
  prefix: string,
): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(program, args, {
    env: { ...process.env, LOCKSTEP_ML_PREFIX: prefix, SAGEMAKER_BIND_TO_PORT: '0', LOCKSTEP_HOST: '127.0.0.1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.push(child);
  const port = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += String(chunk);
      const told = /serving on port (\d+)/.exec(text)?.[1];
      if (told !== undefined) resolve(told);
    });
    child.once('close', (code) => {
      reject(new Error(`ended with ${code}: ${text}`));
    });
  });
  return { url: `http://127.0.0.1:${port}`, child };
}

interface Invoked {
  readonly status: number;
  readonly body: { readonly version?: string; readonly candidates: readonly (readonly unknown[])[] };
}

async function invoke(url: string, body: unknown): Promise<Invoked> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`${url}/invocations`, { method: 'POST', body: text });
  return { status: response.status, body: (await response.json()) as Invoked['body'] };
}

const open = (n: number, written: number) => {
  const { id, startedAtMs, events } = farReaching(n);
  const seen = events.slice(0, written);
  return { id, streams: ['log'], startedAtMs, nowMs: startedAtMs, events: seen };
};

const LOG = Array.from({ length: 90 }, (_, n) => farReaching(n));
const LATER = Array.from({ length: 20 }, (_, n) => farReaching(1000 + n));
const SMALL = JSON.stringify({ hidden: '8', maxEpochs: '2', seed: '7' });

describe('the container', () => {
  it('trains from files, judges challenger and champion on later data, and serves what it has trained', async () => {
    const prefix = prefixWith({
      'input/config/hyperparameters.json': SMALL,
      'input/data/training/a.jsonl': `${jsonLines(LOG.slice(0, 50))}\nnot JSON\n{"id":"no events"}\n`,
      // As a manifest leaves them.
      'input/data/training/data/run/early-0000.jsonl': jsonLines(LOG.slice(50)),
      'input/data/training/README.txt': 'no data',
      'input/data/validation/later.jsonl': jsonLines(LATER),
    });
    const trained = await run('train', prefix);
    expect(trained).toEqual({
      code: 0,
      text: expect.stringMatching(/90 transactions; 2 broken lines left out[^]*epoch=2; validation:loss=/),
    });
    const evaluation = JSON.parse(readFileSync(join(prefix, 'output/data/evaluation.json'), 'utf8'));
    expect(evaluation).toEqual({
      challenger: { logLoss: expect.any(Number), accuracy: expect.any(Number), drifts: expect.any(Number) },
      champion: null,
      isBetter: true,
    });
    expect(existsSync(join(prefix, 'output/failure'))).toBe(false);

    // The same again is not better than itself.
    const model = readFileSync(join(prefix, 'model/model.json'), 'utf8');
    mkdirSync(join(prefix, 'input/data/champion'), { recursive: true });
    writeFileSync(join(prefix, 'input/data/champion/model.json'), model);
    expect((await run('train', prefix)).code).toBe(0);
    const again = JSON.parse(readFileSync(join(prefix, 'output/data/evaluation.json'), 'utf8'));
    expect([again.isBetter, again.champion]).toEqual([false, again.challenger]);

    const { url, child } = await started(process.execPath, [main, 'serve'], prefix);
    const ping = await fetch(`${url}/ping`);
    expect([ping.status, await ping.json()]).toEqual([
      200,
      expect.objectContaining({ version: JSON.parse(model).version }),
    ]);
    const { status, body } = await invoke(url, { contexts: [open(500, 1), open(501, 3), open(502, 0)] });
    expect([status, body.version]).toEqual([200, JSON.parse(model).version]);
    expect(parseAnswer(body, 3)).toMatchObject({ dropped: 0 });
    expect(body.candidates[0]?.[0]).toMatchObject({ stream: 'log', type: 'm', key: 'k-500', step: 1 });

    expect(await answeredBy(url)).toBe(JSON.parse(model).version);

    child.kill('SIGTERM');
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
  }, 120_000);

  it('serves without a model too: it learns from what it is sent', async () => {
    const { url } = await started(process.execPath, [main, 'serve'], prefixWith({}));
    expect((await invoke(url, { contexts: [open(1, 1)] })).body.candidates).toEqual([[]]);
    const { body } = await invoke(url, { contexts: [open(1, 1)], finished: LOG });
    expect(body.candidates[0]?.[0]).toMatchObject({ stream: 'log', type: 'm' });
  }, 60_000);

  it('refuses what is no request, and goes on', async () => {
    const { url } = await started(process.execPath, [main, 'serve'], prefixWith({}));
    const many = Array.from({ length: MAX_CONTEXTS + 1 }, (_, n) => open(n, 0));
    const wrong: [unknown, number][] = [
      ['{"contexts":', 400],
      [{}, 400],
      [{ contexts: 'none' }, 400],
      [{ contexts: [{ id: 'x' }] }, 400],
      [{ contexts: [], more: 1 }, 400],
      [{ contexts: many }, 400],
      ['x'.repeat(7 * 1024 * 1024), 413],
    ];
    for (const [body, status] of wrong) expect((await invoke(url, body)).status).toBe(status);
    expect((await fetch(`${url}/elsewhere`)).status).toBe(404);
    expect((await fetch(`${url}/invocations`)).status).toBe(405);
    expect((await invoke(url, { contexts: [open(1, 1)] })).status).toBe(200);
  }, 60_000);

  it('says why where SageMaker looks when it cannot train, and does not start with a model that is none', async () => {
    const cases: [Record<string, string>, RegExp][] = [
      [{ 'input/data/training/a.jsonl': '' }, /no transaction in input\/data\/training/],
      [{ 'input/config/hyperparameters.json': '{"hidden":"many"}' }, /hyperparameters\.json: hidden/],
      [{ 'input/config/hyperparameters.json': SMALL }, /ENOENT/],
    ];
    for (const [files, why] of cases) {
      const prefix = prefixWith(files);
      expect((await run('train', prefix)).code).toBe(1);
      expect(readFileSync(join(prefix, 'output/failure'), 'utf8')).toMatch(why);
      expect(existsSync(join(prefix, 'model/model.json'))).toBe(false);
    }
    const foreign = await run('serve', prefixWith({ 'model/model.json': '{"format":"onnx"}' }));
    expect(foreign).toEqual({ code: 1, text: expect.stringContaining('ModelForeign') });
  }, 60_000);
});

const python = ['python3', '-c', 'import sys; assert sys.version_info >= (3, 8)'] as const;
const hasPython = (() => {
  try {
    execFileSync(python[0], python.slice(1), { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** Transactions through an engine whose mirror asks this endpoint. @returns the version that answered there */
async function answeredBy(url: string): Promise<string> {
  const options = { predictionPeriodMs: 20, predictionTimeoutMs: 4000 };
  const engine = await openEmbedded({ roundTripMs: 10, options, predictorEndpoint: url });
  try {
    const { service } = engine;
    await service.putStream('log', {});
    const told = async () => (await service.getPredictions()).model;
    for (let n = 0; ((await told()).metrics['answered'] ?? 0) < 3; n += 1) {
      await service.begin({ id: `t-${n}`, streams: ['log'] });
      await service.write(`t-${n}`, { events: [{ stream: 'log', key: 'k', type: 'a', data: { n } }] });
      await service.abort(`t-${n}`, {});
    }
    return (await told()).version;
  } finally {
    await engine.close();
  }
}

describe('a model of one’s own', () => {
  // The example is in Python: without Python there is nothing to start.
  (hasPython ? it : it.skip)(
    'in Python answers the same contract',
    async () => {
      const { url } = await started('python3', ['-u', join(ROOT, 'examples', 'predictor.py')], folder);
      expect((await fetch(`${url}/ping`)).status).toBe(200);
      const { status, body } = await invoke(url, { contexts: [open(1, 1), open(2, 2)], finished: LOG });
      expect(status).toBe(200);
      const answer = parseAnswer(body, 2);
      expect(answer?.dropped).toBe(0);
      expect(answer?.candidates[0]?.[0]).toMatchObject({ stream: 'log', type: 'm', key: 'k-1', step: 1 });
      expect((await invoke(url, 'not JSON')).status).toBe(400);
      expect(await answeredBy(url)).toBe('example');
    },
    60_000,
  );
});
