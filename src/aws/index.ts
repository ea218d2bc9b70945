/**
 * What a client needs to call a deployment on AWS. It is apart from the client, which brings no AWS packages.
 *
 * @example
 * import { signRequests } from 'lockstep-streams/aws';
 * import { LockstepClient } from 'lockstep-streams/client';
 *
 * const client = new LockstepClient({ endpoints: [url], sign: signRequests() });
 */
export { signRequests } from '../adapters/aws/signing.js';
export type { SigningOptions } from '../adapters/aws/signing.js';
