import {
  CreateEventSourceMappingCommand,
  type CreateEventSourceMappingCommandInput,
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
 * active there. A replica that began anew has another stream, and gets a mapping like the one before. Those of this site are switched here; other sites do theirs.
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
      if (isNamed(error, 'ResourceConflictException')) throw error;
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
    async follow(streams) {
      const mappings = await all();
      for (const { id, stream, physicalName, reads } of mappings) {
        const known = streams[stream];
        const wanted = known?.isActiveHere === true && (known.physicalName ?? physicalName) === physicalName;
        if (reads === wanted) continue;
        await repeated(() => client.send(new UpdateEventSourceMappingCommand({ UUID: id, Enabled: wanted }))).catch(
          // Its stream is gone: it reads nothing, and must not keep the others from following.
          unlessNamed('InvalidParameterValueException'),
        );
      }
      for (const mapping of mappings) {
        const { physicalName, isActiveHere } = streams[mapping.stream] ?? { isActiveHere: false };
        const isThere = (it: Mapping) => it.functionArn === mapping.functionArn && it.physicalName === physicalName;
        if (physicalName === undefined || mappings.some(isThere)) continue;
        const made = { ...likeBefore(mapping.whole), Enabled: isActiveHere };
        // Of the stream itself: where its records were pushed, they are asked for now.
        const EventSourceArn = mapping.whole.EventSourceArn?.replace(/:stream\/.*/, `:stream/${physicalName}`);
        await repeated(() => client.send(new CreateEventSourceMappingCommand({ ...made, EventSourceArn }))).catch(
          // One of several that were before was enough.
          unlessNamed('ResourceConflictException'),
        );
      }
    },
  };
}

/** It is being changed already: what was asked has to be asked again. */
const BUSY = 'ResourceInUseException';

interface Mapping {
  readonly id: string;
  readonly functionArn: string;
  readonly stream: string;
  readonly physicalName: string;
  readonly reads: boolean;
  readonly whole: EventSourceMappingConfiguration;
}

/** A replica that began anew has another stream: its mapping is as the one before, and begins at the oldest record. */
function likeBefore(
  before: EventSourceMappingConfiguration,
): Omit<CreateEventSourceMappingCommandInput, 'EventSourceArn'> {
  return {
    FunctionName: before.FunctionArn,
    StartingPosition: 'TRIM_HORIZON',
    BatchSize: before.BatchSize,
    MaximumBatchingWindowInSeconds: before.MaximumBatchingWindowInSeconds,
    ParallelizationFactor: before.ParallelizationFactor,
    FunctionResponseTypes: before.FunctionResponseTypes,
    FilterCriteria: before.FilterCriteria,
    DestinationConfig: before.DestinationConfig,
    BisectBatchOnFunctionError: before.BisectBatchOnFunctionError,
    MaximumRetryAttempts: before.MaximumRetryAttempts,
    MaximumRecordAgeInSeconds: before.MaximumRecordAgeInSeconds,
  };
}

function unlessNamed(name: string): (error: unknown) => void {
  return (error) => {
    if (!isNamed(error, name)) throw error;
  };
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
  const stream = logicalNameOf(deployment, site, physicalName);
  return [{ id, functionArn: FunctionArn, stream, physicalName, reads: READS.has(State), whole: found }];
}
