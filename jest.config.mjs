/** The sources are ESM; jest runs them as CommonJS. These packages exist as ESM only and are turned round too. */
const ESM_ONLY = ['canonicalize'];

const swc = {
  jsc: { parser: { syntax: 'typescript' }, target: 'es2023', transform: { verbatimModuleSyntax: true } },
  module: { type: 'commonjs' },
  sourceMaps: 'inline',
};

// The launchers tell the program where the package lies; here jest is the launcher. Workers inherit it.
process.env.LOCKSTEP_PACKAGE_ROOT = import.meta.dirname;

/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  // They need an emulator: jest.localstack.config.mjs.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/localstack/'],
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  transform: {
    '^.+\\.ts$': ['@swc/jest', swc],
    [`/node_modules/(${ESM_ONLY.join('|')})/.+\\.js$`]: ['@swc/jest', swc],
  },
  transformIgnorePatterns: [`/node_modules/(?!(${ESM_ONLY.join('|')})/)`],
  moduleNameMapper: {
    '^canonicalize$': '<rootDir>/node_modules/canonicalize/lib/canonicalize.js',
    '^lockstep-streams$': '<rootDir>/src/index.ts',
    '^lockstep-streams/(client|embedded|lambda)$': '<rootDir>/src/$1/index.ts',
    '^(\\.{1,2}/.*)\\.js$': ['$1.ts', '$1.js'],
  },
  testTimeout: 20_000,
  maxWorkers: 2,
  workerIdleMemoryLimit: '1GB',
};
