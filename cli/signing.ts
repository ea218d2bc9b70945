import type { HttpOptions } from '../src/client/index.js';

type Sign = NonNullable<HttpOptions['sign']>;

/**
 * Signs what an AWS deployment wants signed, with the credentials that the AWS tools would use.
 *
 * @param region for endpoints whose names do not tell theirs
 */
export function signer(region?: string): Sign {
  let loaded: Promise<Sign> | undefined;
  return async (request) => {
    // A local server takes requests unsigned, and the AWS packages take a while to load.
    if (!request.url.startsWith('https:')) return request.headers;
    loaded ??= import('../src/aws/index.js').then(({ signRequests }) =>
      signRequests(region === undefined ? {} : { region }),
    );
    return (await loaded)(request);
  };
}
