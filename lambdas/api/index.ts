/** The REST API: the app that also the local server runs, behind API Gateway. */
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import { type App, createApp } from '../../src/http/app.js';
import { answerAt } from '../site.js';
import { fromResponse, toRequest } from './gateway.js';

let app: App | undefined;

export function handler(event: APIGatewayProxyEvent): Promise<APIGatewayProxyResult> {
  return answerAt(async ({ node }) => {
    app ??= createApp({ service: node.service, observer: node.site.ports.observer });
    return fromResponse(await app.fetch(toRequest(event)));
  });
}
