import { limitsOf, type QueueLimits } from './queue-limits.js';
import { pauseOf, type QueuePause } from './queue-pause.js';
import { DequeueError } from '../model/errors.js';
import { ORDERING_KEYS } from '../model/features.js';
import { pairsOf } from '../model/fields.js';
import { GROUP, type QueueKeys } from '../model/keys.js';
import type { Connection } from '../redis/connection.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';

/** The state of a queue at one moment. */
export interface QueueState {
  /**
   * Messages that no worker has taken, also those that wait behind another one of their ordering key. Those
   * that legacy consumers have taken count too, because they never delete them.
   */
  readonly waiting: number;
  /** Messages that workers have taken and not settled. */
  readonly running: number;
  /** Messages that are due later. */
  readonly delayed: number;
  /** Messages that were not handled and are kept. */
  readonly deadLetters: number;
  /** Those of the waiting messages that wait behind another one of their ordering key. */
  readonly behindKeys: number;
  /** Ordering keys behind whose first message others wait. */
  readonly blockedKeys: number;
  /**
   * The time for which the first of the waiting messages has been waiting, ms; 0 when there is none. Messages
   * behind another one of their ordering key do not count: more workers would not help them.
   */
  readonly oldestWaiting: number;
  /**
   * The workers (`ElkMqServer`) that take messages from the queue. A worker that was killed counts for 15
   * seconds more. These do not count: a process that takes events with an `EventQueue`, a legacy consumer,
   * and a worker of a version without a registry.
   */
  readonly workers: number;
  /**
   * The workers of an earlier version that know no ordering keys. It is there only when there are such
   * workers, and messages with ordering keys: those can run at once and out of order.
   */
  readonly olderWorkers?: number;
  /**
   * Messages on their way to another queue, if there are any. A move that goes on or has ended early leaves
   * them there. No worker takes them; a repeated move to the same queue delivers them.
   */
  readonly moving?: number;
  /** The pause, if the queue is paused: its workers take nothing. */
  readonly paused?: QueuePause;
  /**
   * The queue that must be empty before the workers take messages (their option `after`), while all of them
   * wait for it.
   */
  readonly waitsFor?: string;
  /** The limits over all workers, if the queue has any. */
  readonly limits?: QueueLimits;
  /** The number of partitions, if the queue has any. */
  readonly partitions?: number;
  /** The partitions that do not answer, if there are any. The counts are those of the others. */
  readonly away?: readonly AwayPartition[];
}

/** A partition of a queue that does not answer. */
export interface AwayPartition {
  /** Its index, from 0. */
  readonly partition: number;
  /** The name by which it is found in Redis, such as `orders#1.78`. */
  readonly name: string;
  /** The reason. */
  readonly error: string;
}

/** The answer of `queue_state.lua`. The script says what each value is. */
type Answer = Readonly<Record<NumberName, number> & Record<TextName, string>>;
type NumberName =
  | 'entries'
  | 'responses'
  | 'running'
  | 'delayed'
  | 'deadLetters'
  | 'now'
  | 'workers'
  | 'behindKeys'
  | 'blockedKeys'
  | 'olderWorkers'
  | 'moving';
type TextName = 'oldest' | 'paused' | 'by' | 'concurrency' | 'rate' | 'per' | 'waitsFor';

/**
 * @param timeoutMs the time that Redis may take, ms
 * @throws {ConnectionError} when it takes longer
 * @throws {DequeueError} when it refuses
 */
export async function readQueueState(
  connection: Connection,
  keys: QueueKeys,
  timeoutMs: number,
): Promise<QueueState> {
  try {
    const answer = await callReliably(
      connection,
      scripts.queueState(keys, { group: GROUP, orderingKeys: ORDERING_KEYS }),
      timeoutMs,
    );
    const state = Object.fromEntries(pairsOf(answer as (string | number)[])) as unknown as Answer;
    const { running, oldest, behindKeys, olderWorkers, moving, waitsFor } = state;
    const paused = pauseOf(state.paused, state.by);
    const limits = limitsOf(state.concurrency, state.rate, state.per);
    const waitingInStream = Math.max(state.entries - state.responses - running, 0);
    const isOldestKnown = waitingInStream > 0 && oldest !== '';
    return {
      waiting: waitingInStream + behindKeys,
      running,
      delayed: state.delayed,
      deadLetters: state.deadLetters,
      behindKeys,
      blockedKeys: state.blockedKeys,
      oldestWaiting: isOldestKnown ? Math.max(state.now - Number.parseInt(oldest), 0) : 0,
      workers: state.workers,
      ...(olderWorkers > 0 && { olderWorkers }),
      ...(moving > 0 && { moving }),
      ...(paused && { paused }),
      ...(waitsFor && { waitsFor }),
      ...(limits && { limits }),
    };
  } catch (error) {
    if (isReplyError(error))
      throw new DequeueError(`Redis refuses to tell: ${error.message}`, { cause: error });
    throw error;
  }
}

/** The state of several queues together. */
export function sumOfStates(states: readonly QueueState[]): QueueState {
  const sum = (name: Exclude<keyof QueueState, 'paused' | 'waitsFor' | 'limits' | 'away'>): number =>
    states.reduce((total, state) => total + (state[name] ?? 0), 0);
  const olderWorkers = sum('olderWorkers');
  const moving = sum('moving');
  return {
    waiting: sum('waiting'),
    running: sum('running'),
    delayed: sum('delayed'),
    deadLetters: sum('deadLetters'),
    behindKeys: sum('behindKeys'),
    blockedKeys: sum('blockedKeys'),
    oldestWaiting: Math.max(0, ...states.map(({ oldestWaiting }) => oldestWaiting)),
    workers: sum('workers'),
    ...(olderWorkers > 0 && { olderWorkers }),
    ...(moving > 0 && { moving }),
  };
}
