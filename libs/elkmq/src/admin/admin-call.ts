import { DequeueError } from '../model/errors.js';
import type { QueueKeys } from '../model/keys.js';
import type { Connection } from '../redis/connection.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably, reliably, type Doubt } from '../redis/reliable-call.js';
import { send, type ScriptCall } from '../redis/scripts.js';

/** A queue that is looked at from outside. */
export interface AdminContext {
  readonly connection: Connection;
  readonly keys: QueueKeys;
  /** The time that Redis may take for one call, ms. */
  readonly timeoutMs: number;
}

/**
 * Runs a script of the admin.
 * @throws {ConnectionError} when Redis takes too long
 * @throws {DequeueError} when Redis refuses
 */
export async function callScript(
  { connection, timeoutMs }: AdminContext,
  call: ScriptCall,
  doubt?: Doubt,
): Promise<unknown> {
  return refusalsNamed(callReliably(connection, call, timeoutMs, doubt));
}

/**
 * Sends a command that only reads.
 * @throws {ConnectionError} when Redis takes too long
 * @throws {DequeueError} when Redis refuses
 */
export async function readCommand(
  { connection, timeoutMs }: Omit<AdminContext, 'keys'>,
  command: string,
  args: (string | number)[],
): Promise<unknown> {
  return refusalsNamed(reliably(connection, (client) => send(client, command, args), timeoutMs));
}

/** Turns a refusal of Redis into a `DequeueError`. */
export async function refusalsNamed(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (!isReplyError(error)) throw error;
    throw new DequeueError(`Redis refuses a call of the admin: ${error.message}`, { cause: error });
  }
}
