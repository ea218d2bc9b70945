import { Sha256 } from '@aws-crypto/sha256-js';
import { defaultProvider } from '@aws-sdk/credential-provider-node';
import { SignatureV4 } from '@smithy/signature-v4';

export interface SigningOptions {
  /** @default those of the environment, the shared files, the instance or the container, as the SDK looks for them */
  readonly credentials?: Credentials;
  /** For endpoints with a domain of your own, which do not tell theirs. Without it such requests are not signed. */
  readonly region?: string;
}

interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Keys, or what gives some: it is asked again when they expire. */
type Credentials = Keys | (() => Promise<Keys & { readonly expiration?: Date }>);

interface Unsigned {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The host of a REST API as API Gateway names it, within a network of its own too. */
const GATEWAY = /\.execute-api\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$/;

/**
 * Signs requests to API Gateway with Signature Version 4, each for the region of its site, and leaves others as they are:
 * a local server, or an emulator, takes them unsigned.
 *
 * @returns what the client takes as `sign`
 * @example
 * new LockstepClient({ endpoints: ['https://abc123.execute-api.us-east-1.amazonaws.com/v1'], sign: signRequests() });
 */
export function signRequests({ credentials = defaultProvider(), region: given }: SigningOptions = {}): (
  request: Unsigned,
) => Promise<Readonly<Record<string, string>>> {
  const signers = new Map<string, SignatureV4>();
  const signerFor = (region: string): SignatureV4 => {
    const known = signers.get(region);
    if (known) return known;
    const signer = new SignatureV4({ service: 'execute-api', region, credentials, sha256: Sha256 });
    signers.set(region, signer);
    return signer;
  };
  return async ({ method, url, headers, body }) => {
    const { protocol, hostname, host, port, pathname, searchParams } = new URL(url);
    const region = regionOf(url, given);
    if (region === undefined) return headers;
    const signed = await signerFor(region).sign({
      method,
      protocol,
      hostname,
      ...(port === '' ? {} : { port: Number(port) }),
      path: pathname,
      query: Object.fromEntries(searchParams),
      headers: { ...headers, host },
      ...(body === undefined ? {} : { body }),
    });
    return signed.headers;
  };
}

/**
 * For which region a request to this URL is signed.
 *
 * @param given of endpoints whose names do not tell @returns undefined where it is not signed
 */
export function regionOf(url: string, given?: string): string | undefined {
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'https:') return undefined;
  return GATEWAY.exec(hostname)?.[1] ?? given;
}
