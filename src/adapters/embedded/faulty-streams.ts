import { PortUnavailable } from '../../ports/failures.js';
import type { PutOutcome, PutRecord, Streams } from '../../ports/streams.js';
import type { Fault } from './fault-board.js';
import { type FaultWorld, delayOf, isDown, strikes, underFaults } from './faults.js';
import { shardFor } from './hash-ranges.js';

export interface FaultyStreamsOptions {
  /** The user's name for a stream, which faults name, given the one that it has at this site. @default the same */
  readonly logicalName?: (physicalName: string) => string;
}

/**
 * A site's streams behind the fault board. Faults of a shard concern the records that hash to it and its readers; a
 * throttled record is an outcome of its own, as is one for a shard that is down.
 */
export function faultyStreams(
  site: string,
  streams: Streams,
  world: FaultWorld,
  { logicalName = (name) => name }: FaultyStreamsOptions = {},
): Streams {
  const faultsOf = (name: string): readonly Fault[] => world.board.affectingStream(site, logicalName(name));
  const through = <T>(faults: readonly Fault[], name: string, effect: () => Promise<T>): Promise<T> =>
    faults.length === 0 ? effect() : underFaults(faults, world, `stream ${name} at ${site}`, effect);
  const ofStream = <T>(name: string, effect: () => Promise<T>): Promise<T> =>
    through(faultsOf(name).filter(isWide), name, effect);
  const ofShards = <T>(name: string, shardIds: readonly string[], effect: () => Promise<T>): Promise<T> => {
    const met = (fault: Fault): boolean => fault.shardId === undefined || shardIds.includes(fault.shardId);
    return through(faultsOf(name).filter(met), name, effect);
  };
  return {
    create: (name, shardCount) => ofStream(name, () => streams.create(name, shardCount)),
    describe: (name) => ofStream(name, () => streams.describe(name)),
    remove: (name) => ofStream(name, () => streams.remove(name)),
    setRetention: (name, hours) => ofStream(name, () => streams.setRetention(name, hours)),
    resize: (name, shardCount) => ofStream(name, () => streams.resize(name, shardCount)),
    split: (name, shardId) => ofShards(name, [shardId], () => streams.split(name, shardId)),
    merge: (name, a, b) => ofShards(name, [a, b], () => streams.merge(name, a, b)),
    read: (name, shardId, position, limit) =>
      ofShards(name, [shardId], () => streams.read(name, shardId, position, limit)),
    awaitRecords: (name, timeoutMs) => ofStream(name, () => streams.awaitRecords(name, timeoutMs)),
    put: (name, records) => {
      const faults = faultsOf(name);
      return faults.length === 0 ? streams.put(name, records) : faultyPut(streams, faults, world, name, records);
    },
  };
}

function isWide(fault: Fault): boolean {
  return fault.shardId === undefined;
}

/** Throttling refuses single records; the other faults of the stream or site concern the call. */
async function faultyPut(
  streams: Streams,
  faults: readonly Fault[],
  world: FaultWorld,
  name: string,
  records: readonly PutRecord[],
): Promise<readonly PutOutcome[]> {
  const ofCall = faults.filter((fault) => isWide(fault) && fault.kind !== 'throttle');
  return underFaults(ofCall, world, `stream ${name}`, async () => {
    const ofRecords = faults.filter((fault) => !isWide(fault) || fault.kind === 'throttle');
    const fates = ofRecords.length === 0 ? [] : await fatesOf(streams, ofRecords, world, name, records);
    return putByFate(streams, name, records, fates);
  });
}

/** Refused with this outcome; `done`: put all the same, only that nobody is told. */
interface Fate {
  readonly outcome: PutOutcome;
  readonly done: boolean;
}

async function fatesOf(
  streams: Streams,
  faults: readonly Fault[],
  { clock, random }: FaultWorld,
  name: string,
  records: readonly PutRecord[],
): Promise<readonly (Fate | undefined)[]> {
  const shards = (await streams.describe(name))?.shards ?? [];
  let delayMs = 0;
  const fates = records.map(({ partitionKey }): Fate | undefined => {
    const shardId = shardFor(shards, partitionKey)?.shardId;
    const met = faults.filter((fault) => fault.shardId === undefined || fault.shardId === shardId);
    const at = shardId === undefined ? {} : { shardId };
    if (isDown(met)) return { outcome: { ok: false, ...at, reason: 'unavailable' }, done: false };
    delayMs = Math.max(delayMs, delayOf(met));
    for (const fault of met) {
      if (fault.kind === 'slow' || !strikes(fault, random)) continue;
      if (fault.kind === 'throttle') return { outcome: { ok: false, ...at, reason: 'throttled' }, done: false };
      return { outcome: { ok: false, ...at, reason: 'unavailable' }, done: random.next() < 0.5 };
    }
    return undefined;
  });
  if (delayMs > 0) await clock.sleep(delayMs);
  return fates;
}

async function putByFate(
  streams: Streams,
  name: string,
  records: readonly PutRecord[],
  fates: readonly (Fate | undefined)[],
): Promise<readonly PutOutcome[]> {
  const through = records.filter((_, index) => fates[index]?.done !== false);
  const outcomes = through.length === 0 ? [] : await streams.put(name, through);
  let next = 0;
  return records.map((_, index) => {
    const fate = fates[index];
    const outcome = fate?.done === false ? undefined : outcomes[next++];
    const told = fate?.outcome ?? outcome;
    if (told === undefined) throw new PortUnavailable(`stream ${name} gave too few outcomes`);
    return told;
  });
}
