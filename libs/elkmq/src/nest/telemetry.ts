import { InvalidOptionError } from '../core/errors.js';
import { shown } from '../core/options.js';
import type { QueueState } from '../core/queue-state.js';
import type { ElkMqContext } from './elk-mq.context.js';
import { messageOf } from '../core/thrown.js';

/** The outcome of an attempt. A request has `failed` when its answer is an error. */
export type ElkMqOutcome = 'handled' | 'failed' | 'retried' | 'dead-lettered';

/** Watches one message that a client sends. */
export interface ElkMqSending {
  /** Headers that are added to those of the message. */
  readonly headers: Record<string, string>;
  /**
   * Is called when Redis has the message. Nothing follows for an event.
   * @param id the origin of the message
   */
  stored(id: string): void;
  /**
   * Is called when a request has its last reply, when the message has failed, or when nobody waits any more.
   */
  ended(error?: unknown): void;
}

/** Watches one attempt at a message. */
export interface ElkMqProcessing {
  /** Must call `work`, which runs the handler, and return its result. */
  run<T>(work: () => T): T;
  /**
   * Is called once, when the attempt has ended.
   * @param error the error that was thrown, or another reason for the outcome
   */
  ended(outcome: ElkMqOutcome, error?: unknown): void;
}

/**
 * Follows messages, like `ElkMqOpenTelemetry` of `nestjs-elkmq/opentelemetry`. An error that it throws is
 * logged.
 */
export interface ElkMqTelemetry {
  /** Is called when a client is about to send a message. */
  sending(queue: string, pattern: string, isRequest: boolean): ElkMqSending;
  /** Is called when a server is about to handle a message. */
  processing(context: ElkMqContext): ElkMqProcessing;
  /**
   * Is called when a server has begun to take messages.
   * @returns a function that the server calls when it stops
   */
  watching(queue: string, state: () => Promise<QueueState>): () => void;
}

/**
 * Calls a telemetry or a hook. An error that it throws is logged, and the message is handled all the same.
 * @returns the result, or `undefined` after an error
 */
export function guarded<T>(call: () => T, log: (message: string) => void): T | undefined {
  try {
    return call();
  } catch (error) {
    log(watcherFailed(error));
    return undefined;
  }
}

export function watcherFailed(error: unknown): string {
  return `What watches the messages has failed: ${messageOf(error)}`;
}

const METHODS = ['sending', 'processing', 'watching'] as const;

/** @throws {InvalidOptionError} */
export function telemetryOf(given: unknown): ElkMqTelemetry | undefined {
  if (given === undefined) return undefined;
  const has = (method: string): boolean =>
    typeof (given as Partial<Record<string, unknown>> | null)?.[method] === 'function';
  if (METHODS.every(has)) return given as ElkMqTelemetry;
  throw new InvalidOptionError(`telemetry must have the methods ${METHODS.join(', ')}, got ${shown(given)}`);
}
