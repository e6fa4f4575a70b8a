import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from './connection.js';
import { ConnectionError } from '../errors.js';
import { isReplyError, isTransient } from './redis-errors.js';
import { runScript, type ScriptName } from './scripts.js';

/** Between two tries of a command that Redis refuses for now, ms. */
const PAUSE = 50;

/** Whether the answer may be that of a second run. */
export interface Doubt {
  isInDoubt: boolean;
}

/**
 * Runs a script that can be run twice without harm until Redis has answered it: again after a reconnect, when its
 * answer was lost, and when Redis refuses it for now.
 * @param patience ms after which it fails; what was sent by then may have been carried out
 * @param doubt is marked when the script is run again although it may have been carried out already
 * @throws {ConnectionError} when there was no answer in time
 * @throws the error of Redis, when it refuses the script for good
 */
export function callReliably(
  connection: Connection,
  script: ScriptName,
  keys: readonly string[],
  args: readonly (string | number)[],
  patience: number,
  doubt?: Doubt,
): Promise<unknown> {
  return reliably(connection, (client) => runScript(client, script, keys, args), patience, doubt);
}

/**
 * As `callReliably`, for anything that can be run twice without harm.
 * @param since from when on the patience counts, `performance.now()`; it is not run at all when that is over
 */
export async function reliably<T>(
  connection: Connection,
  run: (client: Connection['client']) => Promise<T>,
  patience: number,
  doubt?: Doubt,
  since = performance.now(),
): Promise<T> {
  const deadline = since + patience;
  const left = (): number => Math.max(deadline - performance.now(), 1);
  let latest: unknown;
  for (;;) {
    if (performance.now() >= deadline) throw outOfTime(patience, latest);
    if (!connection.isConnected) await connection.whenConnected(left());
    try {
      const answer = run(connection.client);
      // What takes longer than the connection allows fails by itself.
      return await (left() > connection.commandTimeout
        ? answer
        : within(left(), answer, () => outOfTime(patience, latest)));
    } catch (error) {
      if (!isTransient(error) || error instanceof ConnectionError) throw error;
      latest = error;
      if (performance.now() >= deadline || connection.status === 'closed') throw outOfTime(patience, error);
      // Refused for now, or a close that ioredis has noticed before it told its listeners.
      if (isReplyError(error) || connection.isConnected) await sleep(PAUSE);
      if (doubt && !isReplyError(error)) doubt.isInDoubt = true;
    }
  }
}

function outOfTime(patience: number, cause?: unknown): ConnectionError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new ConnectionError(`Redis did not answer within ${String(patience)} ms${why}`, { cause });
}

async function within<T>(left: number, answer: Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(late());
    }, left);
  });
  try {
    return await Promise.race([answer, end]);
  } finally {
    clearTimeout(timer);
  }
}
