import { ConnectionError, DequeueError } from '../model/errors.js';
import type { QueueKeys } from '../model/keys.js';
import type { Connection } from '../redis/connection.js';
import type { AdminContext } from './admin-call.js';
import { readBlockedKeys, type BlockedKey } from './blocked-keys.js';
import { formatPartitionedId } from './partitioned-id.js';
import type { QueueLimits } from './queue-limits.js';
import { readLatestRates, readRates, type MinuteRates } from './queue-rates.js';
import { readQueueState, sumOfStates, type AwayPartition, type QueueState } from './queue-state.js';
import { readWorkers, type WorkerInfo } from './worker-info.js';

/**
 * Reads the state of a queue over all its partitions.
 * @param partitions the keys of each partition
 * @param timeoutMs the time that Redis may take, ms
 * @throws {ConnectionError} when no partition answers in time
 * @throws {DequeueError} when Redis refuses
 */
export async function readWholeState(
  connection: Connection,
  partitions: readonly QueueKeys[],
  timeoutMs: number,
): Promise<QueueState> {
  const [first, ...others] = partitions;
  if (first && others.length === 0) return readQueueState(connection, first, timeoutMs);
  const names = partitions.map(({ queue }) => queue);
  const { answers, away } = await askAll(partitions, names, (keys) =>
    readQueueState(connection, keys, timeoutMs),
  );
  return { ...stateOfPartitions(answers), partitions: partitions.length, ...(away.length > 0 && { away }) };
}

/**
 * Reads the workers of a queue over all its partitions that answer, in the order in which they started. A
 * worker has one name in all of them.
 */
export async function readAllWorkers(
  connection: Connection,
  partitions: readonly QueueKeys[],
  timeoutMs: number,
): Promise<WorkerInfo[]> {
  const [first, ...others] = partitions;
  if (first && others.length === 0) return readWorkers(connection, first, timeoutMs);
  const names = partitions.map((keys) => keys.queue);
  const { answers } = await askAll(partitions, names, (keys) => readWorkers(connection, keys, timeoutMs));
  const workers = new Map<string, WorkerInfo>();
  const queue = first?.queue ?? '';
  for (const worker of answers.flat()) {
    const known = workers.get(worker.name);
    workers.set(worker.name, known ? joined(known, worker) : { ...worker, queue });
  }
  return [...workers.values()].sort(
    (one, other) => one.since - other.since || (one.name < other.name ? -1 : 1),
  );
}

/** Reads the rates of a queue over all its partitions. */
export async function readAllRates(
  partitions: readonly AdminContext[],
  from?: number,
  to?: number,
): Promise<MinuteRates[]> {
  return joinedRates(await Promise.all(partitions.map((context) => readRates(context, from, to))));
}

/** Reads the rates of the latest minutes of a queue over all its partitions. */
export async function readAllLatestRates(
  partitions: readonly AdminContext[],
  minutes: number,
): Promise<MinuteRates[]> {
  return joinedRates(await Promise.all(partitions.map((context) => readLatestRates(context, minutes))));
}

/** Adds up the rates of partitions, minute by minute. */
function joinedRates(lists: readonly MinuteRates[][]): MinuteRates[] {
  const minutes = new Map<number, MinuteRates>();
  for (const rates of lists.flat()) {
    const known = minutes.get(rates.minute);
    minutes.set(rates.minute, known ? sumOfRates(known, rates) : rates);
  }
  return [...minutes.values()].sort((one, other) => one.minute - other.minute);
}

/**
 * Reads the blocked keys of all partitions. A head has an id that names the partition, if there are
 * several.
 */
export async function* readBlockedKeysOf(
  partitions: readonly AdminContext[],
): AsyncGenerator<BlockedKey, void, undefined> {
  for (const [partition, context] of partitions.entries()) {
    for await (const blocked of readBlockedKeys(context)) {
      yield partitions.length === 1
        ? blocked
        : { ...blocked, head: formatPartitionedId(partition, blocked.head) };
    }
  }
}

/**
 * Asks all partitions. Those that are away do not stop the others.
 * @param names by which they are found in Redis
 * @throws the error of one of them when all are away
 */
export async function askAll<Keys, T>(
  partitions: readonly Keys[],
  names: readonly string[],
  ask: (keys: Keys) => Promise<T>,
): Promise<{ answers: T[]; away: AwayPartition[] }> {
  const results = await Promise.allSettled(partitions.map(ask));
  const answers: T[] = [];
  const away: AwayPartition[] = [];
  for (const [partition, result] of results.entries()) {
    if (result.status === 'fulfilled') {
      answers.push(result.value);
      continue;
    }
    const error: unknown = result.reason;
    const isLast = away.length === partitions.length - 1;
    if (!isAway(error) || isLast) throw error;
    away.push({ partition, name: names[partition] ?? '', error: error.message });
  }
  return { answers, away };
}

/** Says it as a part of a sentence: `partition 3 (orders#3.1) is away: Redis did not answer`. */
export function describeAway({ partition, name, error }: AwayPartition): string {
  return `partition ${String(partition)} (${name}) is away: ${error}`;
}

/** A partition is away when its server does not answer, or the Cluster says that its slot has none. */
function isAway(error: unknown): error is Error {
  if (error instanceof ConnectionError) return true;
  return error instanceof DequeueError && /CLUSTERDOWN/.test(error.message);
}

/** The state of a queue whose partitions have these states. */
export function stateOfPartitions(states: readonly QueueState[]): QueueState {
  const olderWorkers = Math.max(...states.map((state) => state.olderWorkers ?? 0));
  const pauses = states.flatMap(({ paused }) => paused ?? []);
  const [paused] = pauses.sort((one, other) => one.since - other.since);
  const waitsFor = states.find((state) => state.waitsFor !== undefined)?.waitsFor;
  const limits = sumOfLimits(states.map((state) => state.limits ?? {}));
  return {
    ...sumOfStates(states),
    // Each worker serves all partitions. One that a partition does not know yet is on its way.
    workers: Math.min(...states.map(({ workers }) => workers)),
    ...(olderWorkers > 0 && { olderWorkers }),
    ...(paused && { paused }),
    ...(waitsFor !== undefined && { waitsFor }),
    ...(limits && { limits }),
  };
}

/** A limit of the queue is the sum of those of its partitions. It is none where a partition has none. */
function sumOfLimits(limits: readonly QueueLimits[]): QueueLimits | undefined {
  const sum = (values: readonly (number | undefined)[]): number | undefined =>
    values.reduce(
      (total, value) => (total === undefined || value === undefined ? undefined : total + value),
      0,
    );
  const per = limits[0]?.rate?.per;
  const concurrency = sum(limits.map((each) => each.concurrency));
  const limit = sum(limits.map(({ rate }) => (rate?.per === per ? rate?.limit : undefined)));
  const rate = limit === undefined || per === undefined ? undefined : { limit, per };
  if (concurrency === undefined && !rate) return undefined;
  return { ...(concurrency !== undefined && { concurrency }), ...(rate && { rate }) };
}

function sumOfRates(one: MinuteRates, other: MinuteRates): MinuteRates {
  return {
    minute: one.minute,
    stored: one.stored + other.stored,
    handled: one.handled + other.handled,
    retried: one.retried + other.retried,
    dead: one.dead + other.dead,
    expired: one.expired + other.expired,
    totalTime: one.totalTime + other.totalTime,
    longestTime: Math.max(one.longestTime, other.longestTime),
  };
}

/** One worker, as two partitions know it. */
function joined(one: WorkerInfo, other: WorkerInfo): WorkerInfo {
  return {
    ...one,
    running: one.running + other.running,
    since: Math.min(one.since, other.since),
    paused: one.paused && other.paused,
    features: one.features.filter((feature) => other.features.includes(feature)),
    seen: Math.min(one.seen, other.seen),
  };
}
