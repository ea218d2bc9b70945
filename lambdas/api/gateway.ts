/** Requests and answers as API Gateway (REST, Lambda proxy) has them, and as the web does. */
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';

export function toRequest(event: APIGatewayProxyEvent): Request {
  const { httpMethod: method, path, body, isBase64Encoded } = event;
  const url = new URL(`https://api.invalid${path}`);
  // An emulator, and a test event, give one of the two.
  const query = event.multiValueQueryStringParameters ?? single(event.queryStringParameters);
  for (const [name, values] of Object.entries(query)) {
    for (const value of values ?? []) url.searchParams.append(name, value);
  }
  const headers = new Headers();
  const { multiValueHeaders } = event as Partial<APIGatewayProxyEvent>;
  for (const [name, values] of Object.entries(multiValueHeaders ?? single(event.headers))) {
    for (const value of values ?? []) headers.append(name, value);
  }
  const hasBody = body !== null && method !== 'GET' && method !== 'HEAD';
  return new Request(url, { method, headers, ...(hasBody ? { body: isBase64Encoded ? bytesOf(body) : body } : {}) });
}

export async function fromResponse(response: Response): Promise<APIGatewayProxyResult> {
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
  };
}

function single(
  values: Readonly<Record<string, string | undefined>> | null,
): Readonly<Record<string, readonly string[] | undefined>> {
  return Object.fromEntries(
    Object.entries(values ?? {}).map(([name, value]) => [name, value === undefined ? [] : [value]]),
  );
}

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(base64, 'base64'));
