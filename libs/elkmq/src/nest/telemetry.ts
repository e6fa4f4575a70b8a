import { InvalidOptionError } from '../core/errors.js';
import { shown } from '../core/options.js';
import type { QueueState } from '../core/queue-state.js';
import type { ElkMqContext } from './elk-mq.context.js';
import { messageOf } from '../core/thrown.js';

/** What became of an attempt: for a request `failed` is an error as its answer. */
export type ElkMqOutcome = 'handled' | 'failed' | 'retried' | 'dead-lettered';

/** Watches one message that a client sends. */
export interface ElkMqSending {
  /** They go with the message, beside its own. */
  readonly headers: Record<string, string>;
  /** Redis has it. An event has ended then. @param id of the message, its origin */
  stored(id: string): void;
  /** A request has its last reply, or the message has failed, or nobody waits any more. */
  ended(error?: unknown): void;
}

/** Watches one attempt at a message. */
export interface ElkMqProcessing {
  /** What is done in it, handlers above all, runs inside `work`, which must be called. */
  run<T>(work: () => T): T;
  /** Is called once. @param error what was thrown, or why the attempt ended like that */
  ended(outcome: ElkMqOutcome, error?: unknown): void;
}

/** Follows messages: `ElkMqOpenTelemetry` of `nestjs-elkmq/opentelemetry` is one. What it throws is logged. */
export interface ElkMqTelemetry {
  /** A client is about to send a message; a request waits for replies. */
  sending(queue: string, pattern: string, isRequest: boolean): ElkMqSending;
  /** A server is about to handle a message. */
  processing(context: ElkMqContext): ElkMqProcessing;
  /** A server has begun to take messages. @returns what is called when it stops */
  watching(queue: string, state: () => Promise<QueueState>): () => void;
}

/** A telemetry or a hook that throws is told in the log, and harms no message. @returns `undefined` then */
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
