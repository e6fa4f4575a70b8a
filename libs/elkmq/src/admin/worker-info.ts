import { DequeueError } from '../model/errors.js';
import { pairsOf } from '../model/fields.js';
import type { QueueKeys } from '../model/keys.js';
import type { Connection } from '../redis/connection.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';

/** One worker of a queue, as it described itself a few seconds ago. */
export interface WorkerInfo {
  /**
   * The name, which is unique. The worker's consumers in the group, and so `consumer` of a dead letter, begin
   * with it.
   */
  readonly name: string;
  /** The name of its host. */
  readonly host: string;
  /** The id of its process. */
  readonly pid: number;
  /** The version of its package `nestjs-elkmq`. */
  readonly version: string;
  /** The name of its queue. */
  readonly queue: string;
  /**
   * The patterns that it has handlers for, sorted. A pattern that is an object is in Nest's normalised form.
   */
  readonly handlers: readonly string[];
  /** The number of messages that it handles at once. */
  readonly concurrency: number;
  /** The number of messages that it was handling. */
  readonly running: number;
  /** The time at which it started: ms since 1970 on the clock of Redis. */
  readonly since: number;
  /** Its option `lease`, ms. */
  readonly lease: number;
  /** Whether it takes no messages because the queue is paused. */
  readonly paused: boolean;
  /** The queue that must be empty before it takes messages, if it waits for one (the option `after`). */
  readonly waitsFor?: string;
  /**
   * The names of its features: `limits`, `ordering_keys`, `pause`, `pushed_replies`. A worker of an earlier
   * version has none.
   */
  readonly features: readonly string[];
  /** The time at which it described itself: ms since 1970 on the clock of Redis. */
  readonly seen: number;
}

/** The description that a worker gives of itself. */
export type WorkerDescription = Omit<WorkerInfo, 'name' | 'seen'>;

/**
 * The workers of a queue that have described themselves lately, in the order in which they started.
 * @param timeoutMs time that Redis may take, ms
 * @throws {ConnectionError} when it takes longer
 * @throws {DequeueError} when it refuses
 */
export async function readWorkers(
  connection: Connection,
  keys: QueueKeys,
  timeoutMs: number,
): Promise<WorkerInfo[]> {
  try {
    const answer = (await callReliably(connection, scripts.listWorkers(keys), timeoutMs)) as string[];
    const workers = pairsOf(answer).flatMap(([name, json]) => workerInfo(name, json) ?? []);
    return workers.sort((one, other) => one.since - other.since || (one.name < other.name ? -1 : 1));
  } catch (error) {
    if (!isReplyError(error)) throw error;
    throw new DequeueError(`Redis refuses to tell the workers: ${error.message}`, { cause: error });
  }
}

/** Reads one member; `undefined` when something else wrote it. */
function workerInfo(name: string, json: string): WorkerInfo | undefined {
  try {
    const said = JSON.parse(json) as Omit<WorkerInfo, 'name'> & { readonly ttl: number };
    const { host, pid, version, queue, concurrency, running, since, lease, paused, seen } = said;
    const numbers = [pid, concurrency, running, since, lease, seen];
    const isRight =
      [host, version, queue, ...said.handlers].every((text) => typeof text === 'string') &&
      numbers.every((number) => typeof number === 'number');
    const handlers = [...said.handlers];
    const features = Array.isArray(said.features)
      ? said.features.filter((each) => typeof each === 'string')
      : [];
    if (!isRight) return undefined;
    const { waitsFor } = said;
    const waiting = typeof waitsFor === 'string' ? { waitsFor } : {};
    const shape = { concurrency, running, since, lease, paused, ...waiting, features, seen };
    return { name, host, pid, version, queue, handlers, ...shape };
  } catch {
    return undefined;
  }
}
