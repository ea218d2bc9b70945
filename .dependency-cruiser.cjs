// Who may import whom (docs/ARCHITECTURE.md): core ← ports ← app ← http, lambdas, cli; adapters implement ports.
// Type imports count. test/unit/layers.test.ts tries each rule on a violation.

const PACKAGE = '(^|/)node_modules/';
const BUILT_IN = ['core']; // dependency-cruiser's word for Node's own modules
const FROM_NPM = ['npm', 'npm-dev', 'npm-optional', 'npm-peer'];

/** A folder under src/ and the only folders under src/ that it may import from. */
function layer(folder, allowed, comment) {
  return {
    name: `layer-${folder}`,
    comment,
    severity: 'error',
    from: { path: `^src/${folder}/` },
    to: { path: '^src/', pathNot: `^src/(${[folder, ...allowed].join('|')})/` },
  };
}

/** What a folder may use from outside of this repository. */
function outside(folder, types, allowed, comment) {
  return {
    name: `packages-${folder}`,
    comment,
    severity: 'error',
    from: { path: `^src/${folder}/` },
    to: { dependencyTypes: types, pathNot: allowed },
  };
}

/** A package that only some folders may use. Tests may use all. */
function only(name, packages, folders, comment) {
  return {
    name,
    comment,
    severity: 'error',
    from: { pathNot: `^((${[...folders, 'test'].join('|')})/|lockstep\\.config\\.ts$)` },
    to: { path: `${PACKAGE}(${packages})(/|$)` },
  };
}

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or lack a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'Nothing imports it and it imports nothing.',
      severity: 'error',
      from: {
        orphan: true,
        pathNot: [
          '^test/.+\\.test\\.ts$',
          '^examples/',
          '^cli/(main\\.ts|lockstep\\.mjs)$',
          '^src/index\\.ts$',
          '^lib/entry\\.mjs$',
          '^lambdas/credentials\\.ts$',
        ],
      },
      to: {},
    },
    {
      name: 'resolvable',
      comment: 'The imported file or package is not there.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: 'dist/(cli/main|lib/index)\\.js$' }, // the launchers' other halves, once built
    },
    {
      name: 'declared',
      comment: 'The package is not in package.json, or only there for development.',
      severity: 'error',
      from: { path: '^(src|cli)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['npm', 'type-only'] },
    },

    layer('core', [], 'The protocol is pure and knows nothing else.'),
    layer('ports', ['core'], 'Ports speak the language of the core.'),
    layer('app', ['core', 'ports'], 'Use cases need the core and ports, never an adapter.'),
    layer('workflows', ['core', 'ports', 'app'], 'Workflows are made of use cases.'),
    layer('adapters', ['core', 'ports'], 'Adapters implement ports. src/embedded/ puts them together with use cases.'),
    layer('http', ['core', 'ports', 'app'], 'One API app over the use cases, for each engine.'),
    layer('client', ['core', 'ports'], 'The client carries no server.'),
    outside('core', BUILT_IN, '^(node:)?(crypto|buffer)$', 'Pure: of Node only the digests, and what is text.'),
    outside('core', FROM_NPM, `${PACKAGE}zod/`, 'Pure: of packages only zod.'),
    outside(
      '(ports|app|workflows)',
      [...BUILT_IN, ...FROM_NPM],
      '^$',
      'No I/O, no clock, no packages: ports provide them.',
    ),
    outside('http', FROM_NPM, `${PACKAGE}(hono|@hono/[^/]+|zod)/`, 'The API needs Hono and zod.'),
    outside('client', FROM_NPM, `${PACKAGE}zod/`, 'A client is small.'),
    {
      name: 'adapters-apart',
      comment: 'One engine does not lean on another.',
      severity: 'error',
      from: { path: '^src/adapters/([^/]+)/' },
      to: { path: '^src/adapters/', pathNot: '^src/adapters/$1/' },
    },
    {
      name: 'engines-apart',
      comment: 'What puts one engine together needs nothing of another.',
      severity: 'error',
      from: { path: '^src/(aws|embedded)/' },
      to: { path: '^src/(adapters/)?(aws|embedded)/', pathNot: '^src/(adapters/)?$1/' },
    },
    {
      name: 'src-inward',
      comment: 'What is published imports only what is published.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(cli|test|examples|scripts|bin|lib|lambdas|console)/' },
    },
    {
      name: 'lambdas-apart',
      comment: 'A function carries the sources and nothing of how it is deployed.',
      severity: 'error',
      from: { path: '^lambdas/' },
      to: { path: '^(lib|bin|cli|examples|scripts)/|^lockstep\\.config\\.ts$' },
    },
    {
      name: 'constructs-alone',
      comment:
        'A construct is used from other apps: it knows neither this one nor what it was told. Of the sources it takes names, schemas and routes, and runs nothing.',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '^(bin|cli|examples|scripts|lambdas)/|^lockstep\\.config\\.ts$|^src/(app|embedded|client)/' },
    },
    {
      name: 'tests-last',
      comment: 'Nothing imports tests but tests.',
      severity: 'error',
      from: { pathNot: '^test/' },
      to: { path: '^test/' },
    },
    {
      name: 'examples-public',
      comment: 'An example uses what a user can: the entry points of the package.',
      severity: 'error',
      from: { path: '^examples/' },
      to: { path: '^(src|cli|test|scripts)/', pathNot: '^src/((client|embedded|lambda)/)?index\\.ts$' },
    },

    only('lmdb-embedded', 'lmdb', ['src/adapters/embedded'], 'Storage is behind the ports.'),
    only(
      'aws-outside',
      '@aws-sdk|@smithy|@aws-crypto|@aws-lambda-powertools|aws-sdk',
      ['src/adapters/aws', 'lambdas', 'lib', 'bin'],
      'AWS is an adapter.',
    ),
    only('cdk-outside', 'aws-cdk-lib|constructs|@aws-cdk', ['lib', 'bin'], 'Stacks and constructs live in lib/.'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
