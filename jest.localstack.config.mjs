import base from './jest.config.mjs';

/**
 * The stacks as they are deployed take a quarter of an hour, and their tour does not end well yet (docs/DEPLOY.md): they run
 * when they are asked for, `npm run test:localstack -- deployed`.
 */
const ASKED_FOR = process.argv.some((one) => one.includes('deployed')) ? [] : ['/deployed\\.test\\.ts$'];

/**
 * Tests against LocalStack: `npm run test:localstack` starts one for them.
 *
 * @type {import('jest').Config}
 */
export default {
  ...base,
  testPathIgnorePatterns: ['/node_modules/', ...ASKED_FOR],
  testMatch: ['<rootDir>/test/localstack/**/*.test.ts'],
  testTimeout: 120_000,
  // One emulator, two cores.
  maxWorkers: 1,
};
