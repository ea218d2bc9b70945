import {
  ProvisionedThroughputExceededException,
  TransactionCanceledException,
  type TransactWriteItemsCommandInput,
} from '@aws-sdk/client-dynamodb';
import type { PutRecordsCommandInput, PutRecordsCommandOutput, PutRecordsResultEntry } from '@aws-sdk/client-kinesis';
import type { Clock, Random } from '../../ports/environment.js';
import type { HasMiddleware, Middleware } from './count-calls.js';

/** How often each fault strikes one call, 0 to 1. @default 0 */
export interface FaultRates {
  /** Of a transaction: another one holds an item. */
  readonly conflict?: number;
  /** Nothing is done, for load. */
  readonly throttle?: number;
  /** Of `PutRecords`, for each record: not taken, for load. */
  readonly partial?: number;
  /** Nothing is done, and nobody answers. */
  readonly lostRequest?: number;
  /** It is done, and nobody answers. */
  readonly lostAnswer?: number;
  /** The answer takes `delayMs` longer. */
  readonly delay?: number;
  /** @default 50 */
  readonly delayMs?: number;
}

export interface InjectedFaults {
  /** Seeded, so that a run can be had again. */
  readonly random: Random;
  readonly clock: Clock;
  readonly ratesOf: (command: string, input: object) => FaultRates;
}

const REFUSED = { httpStatusCode: 400 } as const;
const THROTTLED = 'ProvisionedThroughputExceededException';

/** What emulators never do and AWS does now and then: between the adapters and the service, in this client. */
export function injectFaults(client: HasMiddleware, { random, clock, ratesOf }: InjectedFaults): void {
  const strikes = (rate = 0): boolean => rate > 0 && random.next() < rate;
  const middleware: Middleware = (next, { commandName }) => {
    const command = commandName?.replace(/Command$/, '') ?? '';
    return async (args) => {
      const rates = ratesOf(command, args.input);
      if (strikes(rates.delay)) await clock.sleep(rates.delayMs ?? 50);
      if (strikes(rates.lostRequest)) throw noAnswer('before it was sent');
      if (strikes(rates.throttle))
        throw new ProvisionedThroughputExceededException({ message: 'injected', $metadata: REFUSED });
      if (command === 'TransactWriteItems' && strikes(rates.conflict)) {
        throw conflict(args.input as TransactWriteItemsCommandInput, random);
      }
      const result =
        command === 'PutRecords' && rates.partial
          ? await putSome(next, args, () => strikes(rates.partial))
          : await next(args);
      if (strikes(rates.lostAnswer)) throw noAnswer('after it was done');
      return result;
    };
  };
  client.middlewareStack.add(middleware, { step: 'initialize', name: 'lockstepInjectedFaults' });
}

function noAnswer(when: string): Error {
  return Object.assign(new Error(`injected: no answer, ${when}`), { name: 'TimeoutError' });
}

function conflict({ TransactItems = [] }: TransactWriteItemsCommandInput, random: Random): Error {
  const struck = Math.floor(random.next() * TransactItems.length);
  return new TransactionCanceledException({
    message: 'injected',
    $metadata: REFUSED,
    CancellationReasons: TransactItems.map((_, index) => ({ Code: index === struck ? 'TransactionConflict' : 'None' })),
  });
}

type Next = Parameters<Middleware>[0];

/** Some records get through, each with its own outcome in its own place. */
async function putSome(next: Next, args: Parameters<Next>[0], isStruck: () => boolean): ReturnType<Next> {
  const { Records = [], ...input } = args.input as PutRecordsCommandInput;
  const struck = Records.map(isStruck);
  const left = Records.filter((_, index) => !struck[index]);
  const refused: PutRecordsResultEntry = { ErrorCode: THROTTLED, ErrorMessage: 'injected' };
  if (left.length === 0) return { output: { $metadata: {}, Records: Records.map(() => refused) }, response: undefined };
  const { output, response } = await next({ ...args, input: { ...input, Records: left } });
  const taken = [...((output as PutRecordsCommandOutput).Records ?? [])];
  const merged = struck.map((isRefused) => (isRefused ? refused : (taken.shift() ?? refused)));
  return { output: { ...output, FailedRecordCount: struck.filter(Boolean).length, Records: merged }, response };
}
