import { openApiDocument } from '../../src/http/openapi.js';
import { fakeControls, fakeService } from './support/fake-service.js';
import { ask, Servers } from './support/running.js';

const servers = new Servers();
afterAll(() => servers.close());

/** Every request of the contract (shared/api.md). */
const CONTRACT = `
  POST /transactions
  POST /transactions/{id}/events
  GET /transactions/{id}
  GET /transactions
  POST /transactions/{id}/commit
  POST /transactions/{id}/abort
  POST /commits
  POST /commits/batch
  GET /route
  GET /streams
  GET /streams/{name}
  PUT /streams/{name}
  GET /streams/{name}/scaling
  POST /streams/{name}/scaling/plan
  GET /streams/{name}/events
  GET /transactions/stream
  POST /streams/{name}/switchover
  POST /route/home
  POST /reconciliations
  GET /reconciliations/{id}
  POST /audits
  GET /audits/{id}
  GET /incidents
  GET /conflicts
  GET /conflicts/{id}
  POST /conflicts/{id}/resolution
  GET /predictions
  GET /health
  GET /openapi.json
  PUT /local/faults
  GET /local/faults
  PUT /local/network
`
  .trim()
  .split('\n')
  .map((line) => line.trim());

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a document of another standard, asserted piece by piece
type Loose = any;

const LOCAL: Loose = openApiDocument({
  info: { title: 'Lockstep', version: '1.2.3' },
  sites: ['east', 'west'],
  local: true,
});

function requestsOf(document: Loose): string[] {
  return Object.entries(document.paths as Record<string, object>).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

/** Every object of a document. */
function* objectsOf(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value as Record<string, unknown>;
  for (const member of Object.values(value)) yield* objectsOf(member);
}

test('it has every request of the contract and no other', () => {
  expect(requestsOf(LOCAL).sort()).toEqual([...CONTRACT].sort());
});

test('it leaves out the switches where there are none', () => {
  const deployed: Loose = openApiDocument({ info: { title: 'Lockstep', version: '1' } });
  expect(requestsOf(deployed).sort()).toEqual(CONTRACT.filter((line) => !line.includes('/local/')).sort());
});

test('the server gives it, with its sites as servers', async () => {
  const service = fakeService();
  const { url } = await servers.start(service, {
    siteServices: { east: service, west: service },
    controls: fakeControls(),
    info: { title: 'Lockstep', version: '1.2.3' },
  });
  const { status, json } = await ask(`${url}/openapi.json`);
  expect(status).toBe(200);
  expect(json).toEqual(JSON.parse(JSON.stringify(LOCAL)));
  expect(json.openapi).toMatch(/^3\.1\./);
  expect(json.servers[1].variables.site.enum).toEqual(['east', 'west']);
});

test('every reference leads to a schema, and every schema is referred to', () => {
  const known = Object.keys(LOCAL.components.schemas).map((name) => `#/components/schemas/${name}`);
  const used = [...objectsOf(LOCAL)].flatMap((object) => (typeof object['$ref'] === 'string' ? [object['$ref']] : []));
  expect([...new Set(used)].sort()).toEqual(known.sort());
});

test('operations have unique names, all path parameters, and answers', () => {
  const names = new Set<string>();
  for (const [path, item] of Object.entries(LOCAL.paths as Record<string, Record<string, Loose>>)) {
    for (const operation of Object.values(item)) {
      names.add(operation.operationId);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const declared = (operation.parameters ?? []).filter((each: Loose) => each.in === 'path');
      expect(declared.map((each: Loose) => each.name)).toEqual(inPath);
      for (const each of declared) expect(each).toMatchObject({ required: true, schema: { type: 'string' } });
      expect(Object.keys(operation.responses).some((status) => status.startsWith('2'))).toBe(true);
    }
  }
  expect(names.size).toBe(CONTRACT.length);
});

test('objects that a client sends are closed, and limits are told', () => {
  const { schemas } = LOCAL.components;
  for (const name of ['EventIn', 'BeginRequest', 'CommitRequest', 'CommitBatchRequest', 'StreamPolicy', 'Faults']) {
    expect([name, schemas[name].additionalProperties]).toEqual([name, false]);
  }
  expect(schemas.EventIn).toMatchObject({
    required: ['stream', 'key', 'type'],
    oneOf: [{ required: ['data'] }, { required: ['dataBase64'] }],
    properties: { key: { minLength: 1, maxLength: 256 }, expectedVersion: { type: 'integer', minimum: 0 } },
  });
  expect(schemas.BeginRequest.properties.deadlineMs).toMatchObject({ minimum: 1000, maximum: 900000 });
  expect(schemas.CommitRequest.properties.events).toMatchObject({ minItems: 1, maxItems: 500 });
  const read = LOCAL.paths['/streams/{name}/events'].get;
  const limit = read.parameters.find((each: Loose) => each.name === 'limit');
  expect(limit).toMatchObject({ in: 'query', required: false, schema: { type: 'integer', minimum: 1, maximum: 1000 } });
  expect(read.responses['410'].description).toBe('Gap');
});

test('every problem that is not an answer is a problem document', () => {
  for (const item of Object.values(LOCAL.paths as Record<string, Record<string, Loose>>)) {
    for (const { operationId, responses } of Object.values(item)) {
      for (const [status, response] of Object.entries(responses as Record<string, Loose>)) {
        if (status.startsWith('2') || (operationId === 'getHealth' && status === '503')) continue;
        expect(response.content['application/problem+json'].schema.$ref).toBe('#/components/schemas/Problem');
      }
    }
  }
});
