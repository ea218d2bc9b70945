import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { systemClock, systemRandom } from '../../../src/adapters/aws/environment.js';
import { s3Files } from '../../../src/adapters/aws/s3-files.js';
import type { TrainingFiles } from '../../../src/ports/training-files.js';

/** A bucket as plain as can be, behind HTTP. */

let server: Server;
let files: TrainingFiles;
let stored: Map<string, Buffer>;
let asked: { method: string; path: string; headers: NodeJS.Dict<string | string[]> }[];
/** Answered to the next requests, instead of what is there. */
let failures: number[];

beforeEach(async () => {
  stored = new Map();
  asked = [];
  failures = [];
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      asked.push({ method: request.method ?? '', path, headers: request.headers });
      const failure = failures.shift();
      const found = stored.get(path);
      if (failure !== undefined) response.writeHead(failure).end('<Error><Code>SlowDown</Code></Error>');
      else if (request.method === 'PUT') {
        stored.set(path, Buffer.concat(chunks));
        response.end();
      } else if (found) response.end(found);
      else response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  files = s3Files({
    bucket: 'models',
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}/`,
    clock: { ...systemClock, sleep: async () => undefined },
    random: systemRandom,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b', sessionToken: 'c' },
  });
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** One entry of an archive. */
function entry(name: string, text: string, type = '0'): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(`${Buffer.byteLength(text).toString(8).padStart(11, '0')}\0`, 124);
  header.write(type, 156);
  const body = Buffer.alloc(Math.ceil(Buffer.byteLength(text) / 512) * 512);
  body.write(text);
  return Buffer.concat([header, body]);
}
const archive = (...entries: Buffer[]): Buffer => gzipSync(Buffer.concat([...entries, Buffer.alloc(1024)]));

describe('files in a bucket', () => {
  test('what was put is found under its name, and nothing else', async () => {
    await files.put('data/run/early-0000.jsonl', '{"ä":1}\n');
    expect(await files.get('data/run/early-0000.jsonl')).toBe('{"ä":1}\n');
    expect(await files.get('record.json')).toBeUndefined();
    expect(files.url('models/')).toBe('s3://models/models/');
    expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'PUT /models/data/run/early-0000.jsonl',
      'GET /models/data/run/early-0000.jsonl',
      'GET /models/record.json',
    ]);
  });

  test('requests are signed, with the sum of what they hold', async () => {
    await files.put('record.json', '{}');
    const { headers } = asked[0]!;
    expect(headers['authorization']).toMatch(
      /^AWS4-HMAC-SHA256 Credential=a\/\d{8}\/us-east-1\/s3\/aws4_request, SignedHeaders=[a-z0-9;-]*host;[a-z0-9;-]*x-amz-content-sha256[a-z0-9;-]*, Signature=[0-9a-f]{64}$/,
    );
    expect(headers['x-amz-content-sha256']).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
    expect(headers['x-amz-security-token']).toBe('c');
  });

  test('the model is taken out of what the job packed, whatever else is in there', async () => {
    const packed = archive(
      entry('./', '', '5'),
      entry('PaxHeaders/model.json', '30 mtime=1767603600.123456789\n', 'x'),
      entry('notes/more.txt', 'x'.repeat(1000)),
      entry('./model.json', '{"format":"ä"}'),
    );
    stored.set('/models/models/j/output/model.tar.gz', packed);
    expect(await files.getModel('models/j/output/model.tar.gz')).toBe('{"format":"ä"}');
    stored.set('/models/empty.tar.gz', archive(entry('other.json', '{}')));
    expect(await files.getModel('empty.tar.gz')).toBeUndefined();
    expect(await files.getModel('none.tar.gz')).toBeUndefined();
  });

  test('what passes is tried again, a refusal is not', async () => {
    failures = [503, 500];
    await files.put('record.json', '{}');
    expect(asked).toHaveLength(3);
    failures = [403];
    await expect(files.get('record.json')).rejects.toMatchObject({
      name: 'PortUnavailable',
      message: 'GET record.json: 403 SlowDown',
    });
    expect(asked).toHaveLength(4);
  });
});
