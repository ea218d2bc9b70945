import { Sha256 } from '@aws-crypto/sha256-js';
import { defaultProvider } from '@aws-sdk/credential-provider-node';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Clock, Random } from '../../ports/environment.js';
import { PortUnavailable } from '../../ports/failures.js';
import type { TrainingFiles } from '../../ports/training-files.js';
import { Backoff, type RetryLimits } from './retry.js';
import { fileIn } from './tar.js';

export interface S3FilesOptions {
  /** Without dots in its name. */
  readonly bucket: string;
  readonly region: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Of an emulator. @default AWS_ENDPOINT_URL, or AWS itself */
  readonly endpoint?: string | undefined;
  readonly credentials?: ConstructorParameters<typeof SignatureV4>[0]['credentials'];
  readonly retry?: RetryLimits;
}

/** A part of training data has 8 MB. */
const TIMEOUT_MS = 60_000;
const MODEL = 'model.json';

/**
 * Training files in a bucket. Two requests of S3 are all that is needed: they are signed here, its client would be larger
 * than the function.
 */
export function s3Files({ bucket, region, clock, random, retry, ...more }: S3FilesOptions): TrainingFiles {
  const { endpoint = process.env['AWS_ENDPOINT_URL'], credentials = defaultProvider() } = more;
  const suffix = region.startsWith('cn-') ? '.cn' : '';
  const base = endpoint
    ? `${endpoint.replace(/\/+$/, '')}/${bucket}`
    : `https://${bucket}.s3.${region}.amazonaws.com${suffix}`;
  const backoff = new Backoff(clock, random, retry);
  const signer = new SignatureV4({
    service: 's3',
    region,
    credentials,
    sha256: Sha256,
    uriEscapePath: false,
    applyChecksum: true,
  });

  async function once(method: 'GET' | 'PUT', name: string, body?: string): Promise<Uint8Array | undefined> {
    const { protocol, hostname, host, port, pathname } = new URL(`${base}/${name}`);
    const { headers } = await signer.sign({
      method,
      protocol,
      hostname,
      ...(port === '' ? {} : { port: Number(port) }),
      path: pathname,
      headers: { host, ...(body === undefined ? {} : { 'content-type': 'application/octet-stream' }) },
      ...(body === undefined ? {} : { body }),
    });
    const response = await fetch(`${base}/${name}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (method === 'GET' && response.status === 404) return undefined;
    if (!response.ok) throw new Refused(response.status, await response.text());
    return new Uint8Array(await response.arrayBuffer());
  }

  async function send(method: 'GET' | 'PUT', name: string, body?: string): Promise<Uint8Array | undefined> {
    try {
      return await backoff.run(() => once(method, name, body), isPassing);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new PortUnavailable(`${method} ${name}: ${why}`, { cause: error });
    }
  }

  return {
    put: async (name, text) => {
      await send('PUT', name, text);
    },
    get: async (name) => textOf(await send('GET', name)),
    getModel: async (name) => {
      const packed = await send('GET', name);
      return packed && textOf(fileIn(packed, MODEL));
    },
    url: (name) => `s3://${bucket}/${name}`,
  };
}

class Refused extends Error {
  readonly status: number;

  constructor(status: number, body: string) {
    super(`${status} ${/<Code>(\w+)<\/Code>/.exec(body)?.[1] ?? ''}`.trim());
    this.status = status;
  }
}

const isPassing = (error: unknown): boolean => !(error instanceof Refused) || error.status >= 500;

const textOf = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString();
