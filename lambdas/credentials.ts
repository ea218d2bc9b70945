/**
 * Stands for `@aws-sdk/credential-provider-node` in the bundles (lib/bundles.ts): a function has its credentials in its
 * environment, and does not carry all the other ways to come by some.
 */
export function defaultProvider() {
  return () => {
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN: sessionToken } = process.env;
    if (AWS_ACCESS_KEY_ID === undefined || AWS_SECRET_ACCESS_KEY === undefined) {
      return Promise.reject(new Error('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set'));
    }
    const keys = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
    return Promise.resolve({ ...keys, ...(sessionToken === undefined ? {} : { sessionToken }) });
  };
}
