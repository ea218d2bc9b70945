import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** The protocol takes time, randomness and waiting from its ports, so that a simulation can hold them all. */
const PASSED_IN = 'is passed in: take it from a port (src/ports/environment.ts)';

const deterministic = {
  'no-restricted-globals': [
    'error',
    ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'performance'].map((name) => ({
      name,
      message: `Time ${PASSED_IN}.`,
    })),
    { name: 'crypto', message: `Randomness ${PASSED_IN}.` },
    ...['process', 'fetch'].map((name) => ({ name, message: `The world ${PASSED_IN}.` })),
  ],
  'no-restricted-properties': [
    'error',
    { object: 'Date', property: 'now', message: `Time ${PASSED_IN}.` },
    { object: 'Math', property: 'random', message: `Randomness ${PASSED_IN}.` },
    ...['Date', 'Math', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'performance', 'crypto'].map(
      (property) => ({ object: 'globalThis', property, message: `Time and randomness: each ${PASSED_IN}.` }),
    ),
  ],
  'no-restricted-syntax': [
    'error',
    { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: `Time ${PASSED_IN}.` },
    { selector: "CallExpression[callee.name='Date']", message: `Time ${PASSED_IN}.` },
    { selector: "VariableDeclarator[init.name='Date']", message: `Time ${PASSED_IN}.` },
    { selector: "VariableDeclarator[init.name='Math']", message: `Randomness ${PASSED_IN}.` },
  ],
  'no-restricted-imports': [
    'error',
    {
      paths: ['node:crypto', 'crypto'].map((name) => ({
        name,
        allowImportNames: ['createHash', 'hash'],
        message: `Randomness ${PASSED_IN}.`,
      })),
      patterns: [
        { group: ['node:timers', 'node:timers/*', 'timers', 'timers/*', '*perf_hooks'], message: `Time ${PASSED_IN}.` },
      ],
    },
  ],
};

export default defineConfig(
  globalIgnores(['dist/', 'coverage/', 'cdk.out/', '.lockstep/', 'scripts/localstack/host_lambda/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    rules: {
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'object-shorthand': 'error',
      'no-else-return': 'error',
      complexity: ['error', 15],
      'max-depth': ['error', 4],
    },
  },

  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/prefer-nullish-coalescing': 'error',
      '@typescript-eslint/prefer-optional-chain': 'error',
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_', caughtErrors: 'all' },
      ],
      // Code points are what a spread string is meant to give.
      '@typescript-eslint/no-misused-spread': ['error', { allow: [{ from: 'lib', name: 'string' }] }],
      // An implementation of a port may have nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
    },
  },
  { files: ['src/**'], rules: { 'no-console': 'error' } },
  {
    files: ['src/**', 'cli/**'],
    rules: { 'max-lines-per-function': ['warn', { max: 80, skipBlankLines: true, skipComments: true }] },
  },
  { files: ['src/core/**', 'src/app/**', 'src/ports/**'], rules: deterministic },
  {
    // Loops over typed arrays stay within them.
    files: ['src/core/prediction/**'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // What came over the wire is asserted, not typed; matchers take methods and their results as they are.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },

  {
    files: ['**/*.mjs', '**/*.cjs'],
    languageOptions: {
      globals: Object.fromEntries(
        ['AbortSignal', 'console', 'fetch', 'performance', 'process', 'setTimeout', 'URL'].map((name) => [
          name,
          'readonly',
        ]),
      ),
    },
  },
  { files: ['**/*.cjs'], languageOptions: { globals: { module: 'writable' }, sourceType: 'commonjs' } },
);
