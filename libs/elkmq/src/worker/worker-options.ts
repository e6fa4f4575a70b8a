import type { Slots } from '../consumer/slots.js';
import type { DeadLetterCap } from '../dead-letters/dead-letter.js';
import type { Connection } from '../redis/connection.js';
import type { PartitionNumber } from '../redis/partition-check.js';
import type { KeeperListener, ServedSubscription } from '../topics/subscription-keeper.js';
import type { WorkerControlListener } from './control-listener.js';
import type { IntakeListener } from './intake.js';

export interface WorkerOptions {
  /** The patterns that there are handlers for. */
  readonly handlers: readonly string[];
  /** The number of messages that are handled at once. */
  readonly concurrency: number;
  /** The time for which a worker that has gone keeps its messages, ms. */
  readonly leaseMs: number;
  /** The largest number of workers that may die with a message, if it is handed out again at all. */
  readonly maxDeliveries: number;
  readonly deadLetters: DeadLetterCap;
  /** Whether legacy consumers read the queue too. */
  readonly legacyConsumers: boolean;
  /** The subscription of which this is the queue, if it is that of one. */
  readonly subscription?: ServedSubscription | undefined;
}

export interface WorkerListener extends IntakeListener, KeeperListener, WorkerControlListener {
  /** Something is wrong with Redis that the queue can live with. */
  warned(message: string): void;
  /**
   * Dead letters were removed to make room, since the last call: those beyond the largest number, and those
   * that were too old. Some of them have held `freedKeys` ordering keys, whose next messages go on.
   */
  lettersRemoved(tooMany: number, tooOld: number, freedKeys: number): void;
}

/** Is notified when a queue waits for its predecessor. */
export interface SuccessorListener {
  /**
   * Nothing is taken while the predecessor is not empty; with `undefined` messages are taken.
   * @param predecessor its name, and what is left there, for the log
   */
  waiting(predecessor: string | undefined): void;
  warned(message: string): void;
}

/** The parts that the workers of all partitions share. */
export interface SharedParts {
  readonly connection: Connection;
  readonly slots: Slots;
  readonly number: PartitionNumber;
  /** The first part of the names of its consumers. */
  readonly name: string;
}
