import type { Invoke } from '../../ports/predictor.js';

/** No answer of the contract is as long: 256 lists of 64 candidates are some hundred KB. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/**
 * A predictor of one's own, asked over HTTP: `POST {url}/invocations`.
 *
 * @param timeoutMs an answer that takes longer is none
 */
export function httpEndpoint(url: string, timeoutMs: number): Invoke {
  const target = `${url.replace(/\/+$/, '')}/invocations`;
  return async (body) => {
    const response = await fetch(target, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body,
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    if (Number(response.headers.get('content-length') ?? 0) > MAX_ANSWER_BYTES)
      throw new Error('its answer is too long');
    return response.text();
  };
}
