import { InvalidOptionError, type QueueState } from 'elkmq';
import { callListener, messageOf, formatValue } from 'elkmq/internal';
import type { ElkMqContext } from './server/elk-mq.context.js';

/** The outcome of an attempt. A request has `failed` when its answer is an error. */
export type ElkMqOutcome = 'handled' | 'failed' | 'retried' | 'dead-lettered';

/** Watches one message that a client sends. */
export interface ElkMqSendObserver {
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
export interface ElkMqProcessObserver {
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
 * logged, and so is the rejection of a promise that it returns. Nobody waits for that promise.
 */
export interface ElkMqTelemetry {
  /** Is called when a client is about to send a message. */
  startSend(queue: string, pattern: string, isRequest: boolean): ElkMqSendObserver;
  /** Is called when a server is about to handle a message. */
  startProcess(context: ElkMqContext): ElkMqProcessObserver;
  /**
   * Is called when a server has begun to take messages.
   * @returns a function that the server calls when it stops
   */
  observeQueue(queue: string, state: () => Promise<QueueState>): () => void;
}

/**
 * Calls a telemetry or a hook. An error that it throws or rejects with is logged, and the message is handled
 * all the same.
 * @returns the result, or `undefined` after an error
 */
export function callSafely<T>(call: () => T, log: (message: string) => void): T | undefined {
  return callListener(call, (error) => {
    log(describeObserverFailure(error));
  });
}

export function describeObserverFailure(error: unknown): string {
  return `What watches the messages has failed: ${messageOf(error)}`;
}

const TELEMETRY_METHODS = ['startSend', 'startProcess', 'observeQueue'] as const;

/** @throws {InvalidOptionError} */
export function parseTelemetry(given: unknown): ElkMqTelemetry | undefined {
  if (given === undefined) return undefined;
  const has = (method: string): boolean =>
    typeof (given as Partial<Record<string, unknown>> | null)?.[method] === 'function';
  if (TELEMETRY_METHODS.every(has)) return given as ElkMqTelemetry;
  throw new InvalidOptionError(
    `telemetry must have the methods ${TELEMETRY_METHODS.join(', ')}, got ${formatValue(given)}`,
  );
}
