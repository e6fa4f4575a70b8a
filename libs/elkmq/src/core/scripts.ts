import { Command, type Cluster, type Redis } from 'ioredis';
import { hasTimedOut, isReadOnly } from './redis-errors.js';
import { SCRIPTS } from './scripts.generated.js';

export type ScriptName = keyof typeof SCRIPTS;

/** Runs a script by its digest; sends its text only where Redis does not have it (restarted, flushed, a new node). */
export async function runScript(
  client: Redis | Cluster,
  name: ScriptName,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  const { sha1, source } = SCRIPTS[name];
  const rest = [keys.length, ...keys, ...args];
  try {
    return await send(client, 'evalsha', [sha1, ...rest]);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return await send(client, 'eval', [source, ...rest]);
  }
}

/**
 * One command as it is: no transformation of arguments or reply, which the typed methods of ioredis may do.
 * A connection that turns out to be half open, or to lead to a replica, is replaced.
 */
export function send(client: Redis | Cluster, command: string, args: (string | number)[]): Promise<unknown> {
  const answer = client.sendCommand(
    new Command(command, args, { replyEncoding: 'utf8' }),
  ) as Promise<unknown>;
  answer.catch((error: unknown) => {
    if (hasTimedOut(error) || isReadOnly(error)) client.disconnect(true);
  });
  return answer;
}
