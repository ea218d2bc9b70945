// node scripts/bundle-functions.mjs FOLDER: every function of lambdas/ as one small file, FOLDER/{function}/index.mjs.
//
// Whatever makes a bundle small makes a cold start short. The SDK and zod are written so that most of them could be left
// out, but for some habits that a bundler must take for effects; these are undone here, without changing what runs.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { ROOT } from './lib/install.mjs';

const [outdir] = process.argv.slice(2);
if (outdir === undefined) {
  console.error('usage: node scripts/bundle-functions.mjs FOLDER');
  process.exit(2);
}

/** Only these answer what their schemas look like. */
const TELL_SCHEMAS = ['api'];

const functions = readdirSync(join(ROOT, 'lambdas'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

const forAll = [plainSchemas(), shortErrors(), versionsOnly(), withoutHttp2(), withoutUnused(), withoutEndpointCache()];
await bundle(TELL_SCHEMAS, forAll);
await bundle(
  functions.filter((name) => !TELL_SCHEMAS.includes(name)),
  [...forAll, withoutJsonSchema()],
);

async function bundle(names, plugins) {
  await build({
    absWorkingDir: ROOT,
    entryPoints: Object.fromEntries(names.map((name) => [`${name}/index`, `lambdas/${name}/index.ts`])),
    outdir: resolve(outdir),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    minify: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    // ES modules first: only of them can what is not used be left out.
    mainFields: ['module', 'main'],
    conditions: ['module', 'import'],
    alias: { '@aws-sdk/credential-provider-node': './lambdas/credentials.ts' },
    legalComments: 'none',
    // What is still CommonJS inside asks for Node's own modules by `require`.
    banner: { js: "import{createRequire as r}from'node:module';const require=r(import.meta.url);" },
    logLevel: 'warning',
    plugins,
  });
}

/**
 * The SDK's schemas have keys that are constants: a bundler cannot know that taking them has no effect. And each client
 * registers an error for whatever any of its operations may answer. Of those whose errors are told by name and message
 * alone none is: an error that is not registered has its name all the same. DynamoDB's carry reasons.
 */
function plainSchemas() {
  return onLoad(
    'plain-schemas',
    /@aws-sdk[/\\]client-[^/\\]+[/\\]dist-es[/\\]schemas[/\\]schemas_\d+\.js$/,
    (text, path) => {
      const constants = new Map(
        [...text.matchAll(/^const (\w+) = ("[^"]*");$/gm)].map(([, name, value]) => [name, value]),
      );
      const plain = text.replaceAll(/\[(_\w+)\]:/g, (all, name) =>
        constants.has(name) ? `${constants.get(name)}:` : all,
      );
      return path.includes('client-dynamodb') ? plain : plain.replaceAll(/^n0_registry\.registerError\(.*\);$/gm, '');
    },
  );
}

/** Every error that a service may answer with is a class of the same making: here they are made by one function. */
function shortErrors() {
  return onLoad('short-errors', /@aws-sdk[/\\]client-[^/\\]+[/\\]dist-es[/\\]models[/\\]errors\.js$/, (text) => {
    const make = `const make = (name, $fault, members, more) => class extends __BaseException {
      static shapeId = SHAPES + name;
      constructor(opts) {
        super({ name, $fault, ...opts });
        Object.setPrototypeOf(this, new.target.prototype);
        Object.assign(this, { name, $fault }, more);
        for (const member of members) this[member] = opts[member];
      }
    };`;
    const [, shapes] = /static shapeId = "([^"]+#)/.exec(text) ?? [];
    const short = text.replaceAll(/^export class (\w+) extends __BaseException \{$[^]*?^\}$/gm, (whole, name) => {
      const [, fault] = /\$fault = ("\w+")/.exec(whole) ?? [];
      const members = [...whole.matchAll(/this\.(\w+) = opts/g)].map(([, member]) => member);
      const retryable = /^ {4}\$retryable = \{[^]*?\};$/m.exec(whole)?.[0].trim().slice('$retryable = '.length, -1);
      const more = retryable === undefined ? '' : `, { $retryable: ${retryable} }`;
      return `export const ${name} = /* @__PURE__ */ make("${name}", ${fault}, ${JSON.stringify(members)}${more});`;
    });
    return short.replace(/^(?=export const)/m, `const SHAPES = ${JSON.stringify(shapes)};\n${make}\n`);
  });
}

/** Of its package.json a client wants to know its version. */
function versionsOnly() {
  return onLoad('versions-only', /@aws-sdk[/\\]client-[^/\\]+[/\\]package\.json$/, (text) => {
    const { name, version } = JSON.parse(text);
    return `export default ${JSON.stringify({ name, version })}`;
  });
}

/** Kinesis' client would speak HTTP/2 by itself; all clients here are given what speaks HTTP/1.1. */
function withoutHttp2() {
  return onLoad(
    'without-http2',
    /@smithy[/\\]node-http-handler[/\\]dist-es[/\\]node-http2-handler\.js$/,
    () => "export { NodeHttpHandler as NodeHttp2Handler } from './node-http-handler.js';",
  );
}

/**
 * What the SDK holds ready and no function asks for: streams of events within one answer, such as SubscribeToShard's; a
 * SHA-256 for where Node has none; retries that adapt, since the adapters try again by themselves; streams of a browser.
 */
function withoutUnused() {
  const unused = [
    'event-streams/EventStreamSerde',
    'event-streams/eventstream-codec/\\w+',
    'event-streams/eventstream-serde-universal/\\w+',
    'event-streams/eventstream-serde/utils',
    'checksum/sha256/Sha256Js',
    'retry/util-retry/(DefaultRateLimiter|AdaptiveRetryStrategy)',
    'serde/util-stream/sdk-stream-mixin\\.browser',
  ];
  const path = `@smithy/core/dist-es/submodules/(${unused.join('|')})\\.js$`;
  return onLoad('without-unused', new RegExp(path.replaceAll('/', '[/\\\\]')), (text) => {
    const names = [...text.matchAll(/^export (?:async )?(?:class|const|function\*?) (\w+)/gm)].map(([, name]) => name);
    return names.map((name) => `export class ${name} {}`).join('\n');
  });
}

/** DynamoDB's client is ready to discover endpoints, which nobody asks it to, and brings a cache for them. */
function withoutEndpointCache() {
  return onLoad(
    'without-endpoint-cache',
    /mnemonist[/\\]lru-cache\.js$/,
    () => 'export default class extends Map { constructor() { super(); } }',
  );
}

/** Every schema of zod can tell itself as JSON Schema. */
function withoutJsonSchema() {
  return onLoad(
    'without-json-schema',
    /zod[/\\]v4[/\\]core[/\\](json-schema-processors|to-json-schema)\.js$/,
    (text) => {
      const names = [...text.matchAll(/^export (?:function|const) (\w+)/gm)].map(([, name]) => name);
      const stub = "() => () => { throw new Error('JSON Schema is not in this bundle'); }";
      return names.map((name) => `export const ${name} = ${stub};`).join('\n');
    },
  );
}

function onLoad(name, filter, change) {
  return {
    name,
    setup: ({ onLoad: on }) => {
      on({ filter }, ({ path }) => ({ contents: change(readFileSync(path, 'utf8'), path), loader: 'js' }));
    },
  };
}
