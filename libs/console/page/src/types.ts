// The shapes of the API. They are what the routes in ../../src/api send.
import type { MoveResult, QueueState, TopicState, WorkerInfo } from 'elkmq';
import type { ListedQueue, ListedSchedule } from '../../src/queues/queue-list.js';
import type { RatePoint } from '../../src/queues/rate-points.js';
import type { ConsoleMessage, ShortMessage } from '../../src/queues/console-message.js';
import type { ActionRecord } from '../../src/queues/action-log.js';

export type { ActionRecord, ConsoleMessage, ListedQueue, ListedSchedule, QueueState, RatePoint };
export type { ShortMessage, WorkerInfo };

export interface QueuesAnswer {
  readonly queues: readonly ListedQueue[];
  readonly isComplete: boolean;
  readonly readOnly: boolean;
}

export type QueueAnswer = ListedQueue & {
  readonly workerList: readonly WorkerInfo[];
  readonly readOnly: boolean;
};

export interface RatesAnswer {
  readonly minutesPerPoint: number;
  readonly points: readonly RatePoint[];
}

export interface SchedulesAnswer {
  readonly schedules: readonly ListedSchedule[];
}

/** One topic: its state, or the reason why Redis does not tell. */
export type ListedTopic = { readonly name: string } & (TopicState | { readonly error: string });

export interface TopicsAnswer {
  readonly topics: readonly ListedTopic[];
  readonly isComplete: boolean;
}

export interface MessagesAnswer {
  readonly messages: readonly ShortMessage[];
  readonly next?: string;
}

export type MessageAnswer = ConsoleMessage & { readonly readOnly: boolean };

export interface SearchLine {
  readonly found: readonly ShortMessage[];
  readonly searched: number;
  readonly total: number;
}

export type MessageState = ShortMessage['state'];
export type ChangeKind = 'retry' | 'remove' | 'runNow' | 'move';

export interface ChangeAnswer {
  readonly count: number;
  /** The number of messages that a move has left where they are, by reason. */
  readonly stayed?: MoveResult['stayed'];
}
