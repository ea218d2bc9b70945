/** What API Gateway itself refuses, as the problem documents that the app answers with. */
import { type GatewayResponseOptions, ResponseType } from 'aws-cdk-lib/aws-apigateway';
import { PROBLEMS } from '../src/core/errors.js';

interface Refusal {
  readonly type: ResponseType;
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly retryable: boolean;
}

const HOW_TO_SIGN =
  'Sign the request with AWS Signature Version 4 for the service execute-api in the region of this site';

function known(type: ResponseType, code: keyof typeof PROBLEMS, detail: string): Refusal {
  const { status, title, retryable } = PROBLEMS[code];
  return { type, status, code, title, detail, retryable };
}

function forbidden(type: ResponseType, detail: string): Refusal {
  return { type, status: 403, code: 'Forbidden', title: 'Not allowed', detail, retryable: false };
}

function broken(type: ResponseType, status: number): Refusal {
  const detail = 'The request may or may not have had its effect. Send it again with the same id';
  return { type, status, code: 'Unavailable', title: PROBLEMS.Unavailable.title, detail, retryable: true };
}

export const GATEWAY_REFUSALS: readonly Refusal[] = [
  known(
    ResponseType.BAD_REQUEST_BODY,
    'InvalidRequest',
    'The body is not a JSON object with the members that this request needs; see /openapi.json',
  ),
  known(
    ResponseType.BAD_REQUEST_PARAMETERS,
    'InvalidRequest',
    'A query parameter is missing that this request needs; see /openapi.json',
  ),
  known(ResponseType.REQUEST_TOO_LARGE, 'TransactionTooLarge', 'The body is too long: split it up'),
  known(ResponseType.THROTTLED, 'Throttled', 'Too many requests in a second: slow down and try again'),
  known(ResponseType.QUOTA_EXCEEDED, 'Throttled', 'Too many requests: slow down and try again'),
  known(ResponseType.RESOURCE_NOT_FOUND, 'NotFound', 'There is no such path; see /openapi.json'),
  forbidden(
    ResponseType.MISSING_AUTHENTICATION_TOKEN,
    `${HOW_TO_SIGN}. If it is signed, there is no such path: see /openapi.json`,
  ),
  forbidden(ResponseType.INVALID_SIGNATURE, `The signature is not right. ${HOW_TO_SIGN}`),
  forbidden(ResponseType.EXPIRED_TOKEN, 'The credentials have expired: take new ones'),
  forbidden(ResponseType.ACCESS_DENIED, 'These credentials lack execute-api:Invoke on this path'),
  broken(ResponseType.INTEGRATION_FAILURE, 503),
  broken(ResponseType.INTEGRATION_TIMEOUT, 503),
  broken(ResponseType.DEFAULT_5XX, 500),
  known(ResponseType.DEFAULT_4XX, 'InvalidRequest', 'The request is not one that this API takes; see /openapi.json'),
];

export function gatewayProblem(refusal: Refusal): GatewayResponseOptions {
  const { type, status, code, title, detail, retryable } = refusal;
  // The catch-all leaves the status as it is: what it stands for is in the document.
  const catchAll = type === ResponseType.DEFAULT_4XX;
  return {
    type,
    ...(catchAll ? {} : { statusCode: String(status) }),
    responseHeaders: {
      'content-type': "'application/problem+json'",
      ...(code === 'Throttled' ? { 'retry-after': "'1'" } : {}),
    },
    templates: {
      'application/json': JSON.stringify({
        type: `urn:lockstep:problem:${code}`,
        title,
        status,
        detail,
        code,
        retryable,
      }),
    },
  };
}
