import { setTimeout as sleep } from 'node:timers/promises';
import { callApart, LARGE_CHARACTERS } from './call-apart.js';
import type { Connection } from './connection.js';
import { attentiveNow, AnswerTimer } from './answer-timer.js';
import { ConnectionError, EventQueueError } from '../model/errors.js';
import { isCutOff, isReplyError, isTransient } from './redis-errors.js';
import { runScript, type ScriptCall } from './scripts.js';

/** The pause between two tries of a command that Redis refuses for now, ms. */
const RETRY_PAUSE_MS = 50;

/** Whether the answer may be that of a second run. */
export interface Doubt {
  isInDoubt: boolean;
}

/**
 * Runs a script that can be run twice without harm until Redis has answered it. It runs again after a
 * reconnect, when its answer was lost, and when Redis refuses it for now.
 * @param timeoutMs ms after which it fails; a call that was sent by then may have been carried out
 * @param doubt is marked when the script is run again although it may have been carried out already
 * @throws {ConnectionError} when there was no answer in time
 * @throws the error of Redis, when it refuses the script for good; a `TooLargeCallError` when it cannot say
 * so; any error of this package that the call raises
 */
export function callReliably(
  connection: Connection,
  call: ScriptCall,
  timeoutMs: number,
  doubt?: Doubt,
): Promise<unknown> {
  const size = (): number => call.args.reduce<number>((sum, arg) => sum + String(arg).length, 0);
  return reliably(connection, (client) => runScript(client, call), timeoutMs, { doubt, size });
}

export interface CallOptions {
  readonly doubt?: Doubt | undefined;
  /**
   * The `attentiveNow()` from which the timeout counts. When it is over, the call is not run at all.
   */
  readonly since?: number;
  /** The number of characters that are sent. */
  readonly size?: () => number;
}

/** Runs anything that can be run twice without harm, as `callReliably` runs a script. */
export async function reliably<T>(
  connection: Connection,
  run: (client: Connection['client']) => Promise<T>,
  timeoutMs: number,
  { doubt, since = attentiveNow(), size }: CallOptions = {},
): Promise<T> {
  const deadline = since + timeoutMs;
  const left = (): number => Math.max(deadline - attentiveNow(), 1);
  let latest: unknown;
  for (;;) {
    if (attentiveNow() >= deadline) throw outOfTime(timeoutMs, latest);
    if (!connection.isConnected) await connection.whenConnected(left());
    try {
      const characters = isCutOff(latest) && size ? size() : 0;
      const answer =
        characters >= LARGE_CHARACTERS
          ? callApart(connection, run, characters, left)
          : run(connection.client);
      // A call that takes longer than the connection allows fails by itself.
      return await (left() > connection.commandTimeout
        ? answer
        : within(left(), answer, () => outOfTime(timeoutMs, latest)));
    } catch (error) {
      if (!isTransient(error) || error instanceof EventQueueError) throw error;
      latest = error;
      if (attentiveNow() >= deadline || connection.status === 'closed') throw outOfTime(timeoutMs, error);
      // Redis refused for now, or ioredis has noticed a close before it notified its listeners.
      if (isReplyError(error) || connection.isConnected) await sleep(RETRY_PAUSE_MS);
      if (doubt && !isReplyError(error)) doubt.isInDoubt = true;
    }
  }
}

function outOfTime(timeoutMs: number, cause?: unknown): ConnectionError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new ConnectionError(`Redis did not answer within ${String(timeoutMs)} ms${why}`, { cause });
}

async function within<T>(left: number, answer: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = new AnswerTimer(left, () => {
      reject(late());
    });
    answer.then(resolve, reject).finally(() => {
      timer.stopTimer();
    });
  });
}

/**
 * Sends a batch at the right moment. When nothing is on its way, waiting gains nothing: the batch goes at the
 * end of this callback, with everything that the callback and its promises add. Otherwise the batch goes at
 * the end of the tick, while the answer to the batch before arrives.
 */
export function scheduleFlush(isIdle: boolean, flush: () => void): void {
  if (isIdle) process.nextTick(flush);
  else setImmediate(flush);
}
