import {
  type EventSourceMappingConfiguration,
  type LambdaClient,
  ListEventSourceMappingsCommand,
  UpdateEventSourceMappingCommand,
} from '@aws-sdk/client-lambda';
import type { Consumers } from '../../ports/consumers.js';
import type { Clock, Random } from '../../ports/environment.js';
import { PortThrottled } from '../../ports/failures.js';
import { logicalNameOf } from '../../core/ids.js';
import { failureOf, isNamed, portError } from './failures.js';
import { consumerPrefix, streamPrefix } from './names.js';
import { Backoff, type RetryLimits } from './retry.js';

export interface EventSourceMappingsOptions {
  readonly deployment: string;
  readonly site: string;
  /** Of the site's region; it must not retry by itself (`maxAttempts: 1`). */
  readonly client: LambdaClient;
  readonly clock: Clock;
  readonly random: Random;
  /** @default 4 attempts, within about a second */
  readonly retry?: RetryLimits;
}

/** States in which a mapping reads, or is about to. */
const READS: ReadonlySet<string | undefined> = new Set(['Enabled', 'Enabling', 'Creating']);

/**
 * Consumers as event source mappings: at each site one per stream that a consumer reads, which reads while the stream is
 * active there. Those of this site are switched here; other sites do theirs.
 *
 * They are known by their names: the function's is made of the site's and the consumer's (`consumerFunctionName`), the
 * stream's begins as all of this site's do. What else reads a stream is nobody's business here.
 */
export function eventSourceMappings(options: EventSourceMappingsOptions): Consumers {
  const { deployment, site, client, clock, random, retry } = options;
  const backoff = new Backoff(clock, random, retry);
  const repeated = async <T>(call: () => Promise<T>): Promise<T> => {
    try {
      return await backoff.run(call, (error) => failureOf(error) !== 'refused' || isNamed(error, BUSY));
    } catch (error) {
      if (isNamed(error, BUSY)) throw new PortThrottled(`a mapping of ${site} is being changed`, { cause: error });
      throw portError(error, `the event source mappings of ${site}`);
    }
  };

  async function all(): Promise<readonly Mapping[]> {
    const found: Mapping[] = [];
    let marker: string | undefined;
    do {
      const page = await repeated(() => client.send(new ListEventSourceMappingsCommand({ Marker: marker })));
      found.push(...(page.EventSourceMappings ?? []).flatMap((it) => mappingOf(deployment, site, it)));
      marker = page.NextMarker;
    } while (marker !== undefined);
    return found;
  }

  return {
    async follow(active) {
      for (const { id, stream, reads } of await all()) {
        const wanted = active[stream] === site;
        if (reads === wanted) continue;
        await repeated(() => client.send(new UpdateEventSourceMappingCommand({ UUID: id, Enabled: wanted })));
      }
    },
  };
}

/** It is being changed already: what was asked has to be asked again. */
const BUSY = 'ResourceInUseException';

interface Mapping {
  readonly id: string;
  readonly stream: string;
  readonly reads: boolean;
}

function mappingOf(deployment: string, site: string, found: EventSourceMappingConfiguration): readonly Mapping[] {
  const { UUID: id, FunctionArn = '', EventSourceArn = '', State } = found;
  const [, functionName = ''] = FunctionArn.split(':function:');
  // Where records are pushed, the source is a consumer of the stream: `…:stream/NAME/consumer/…`.
  const [, physicalName = ''] = /:stream\/([^/]+)/.exec(EventSourceArn) ?? [];
  const isOurs =
    functionName.startsWith(consumerPrefix(deployment, site)) &&
    EventSourceArn.includes(':kinesis:') &&
    physicalName.startsWith(streamPrefix(deployment, site));
  if (id === undefined || !isOurs || State === 'Deleting') return [];
  return [{ id, stream: logicalNameOf(deployment, site, physicalName), reads: READS.has(State) }];
}
