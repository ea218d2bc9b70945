import base from './jest.config.mjs';

/**
 * Tests against LocalStack: `npm run test:localstack` starts one for them.
 *
 * @type {import('jest').Config}
 */
export default {
  ...base,
  testPathIgnorePatterns: ['/node_modules/'],
  testMatch: ['<rootDir>/test/localstack/**/*.test.ts'],
  testTimeout: 120_000,
  // One emulator, two cores.
  maxWorkers: 1,
};
