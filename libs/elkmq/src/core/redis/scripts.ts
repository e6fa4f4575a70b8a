import { Command, type Cluster, type Redis } from 'ioredis';
import { Deadline } from './deadline.js';
import { hasTimedOut, isForbidden, isReadOnly, TIMED_OUT } from './redis-errors.js';
import { SCRIPTS } from './scripts.generated.js';

export type ScriptName = keyof typeof SCRIPTS;

/** Clients whose Redis refuses EVALSHA. */
const withoutDigests = new WeakSet<Redis | Cluster>();

/** What a script answered, and how many replicas have confirmed what it wrote. */
export interface Replicated {
  readonly answer: unknown;
  readonly confirmed: number;
}

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
    if (!withoutDigests.has(client)) return await send(client, 'evalsha', [sha1, ...rest]);
  } catch (error) {
    if (isForbidden(error, 'evalsha')) withoutDigests.add(client);
    else if (!isMissing(error)) throw error;
  }
  return send(client, 'eval', [source, ...rest]);
}

/**
 * As `runScript`, and asks in the same go how many replicas have what it wrote; the connection is blocked until then.
 * @param replicas how many are waited for
 * @param timeout for how long at the most, whole ms
 */
export async function runReplicated(
  client: Redis | Cluster,
  name: ScriptName,
  keys: readonly string[],
  args: readonly (string | number)[],
  replicas: number,
  timeout: number,
): Promise<Replicated> {
  const { sha1, source } = SCRIPTS[name];
  const rest = [keys.length, ...keys, ...args];
  const both = async (command: string, script: string): Promise<Replicated> => {
    const answer = send(client, command, [script, ...rest]);
    const confirmed = send(client, 'wait', [replicas, timeout]) as Promise<number>;
    // When both fail, the script tells why.
    confirmed.catch(() => undefined);
    return { answer: await answer, confirmed: await confirmed };
  };
  try {
    if (!withoutDigests.has(client)) return await both('evalsha', sha1);
  } catch (error) {
    if (isForbidden(error, 'evalsha')) withoutDigests.add(client);
    else if (!isMissing(error)) throw error;
  }
  return both('eval', source);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

/**
 * One command as it is: no transformation of arguments or reply, which the typed methods of ioredis may do.
 * A connection that turns out to be half open, or to lead to a replica, is replaced.
 * @param form of the strings in the reply; bytes are Buffers
 */
export function send(
  client: Redis | Cluster,
  command: string,
  args: (string | number)[],
  form: 'text' | 'bytes' = 'text',
): Promise<unknown> {
  const options = { replyEncoding: form === 'text' ? 'utf8' : null } as const;
  const sent = new PatientCommand(command, [], options);
  // The constructor would look for arrays in them, which takes 130 ns each.
  sent.args = args.map(String);
  const answer = client.sendCommand(sent) as Promise<unknown>;
  answer.then(
    () => {
      sent.stopTimeout();
    },
    (error: unknown) => {
      sent.stopTimeout();
      replaceWhenUseless(client, error);
    },
  );
  return answer;
}

/** A command whose timeout is a `Deadline`, where that of ioredis takes a busy process for a Redis that is away. */
class PatientCommand extends Command {
  #timeout: Deadline | undefined;

  /** Called by ioredis with its `commandTimeout`; by a Cluster again, when it is redirected. */
  override setTimeout(milliseconds: number): void {
    this.#timeout ??= new Deadline(milliseconds, () => {
      this.reject(new Error(TIMED_OUT));
    });
  }

  stopTimeout(): void {
    this.#timeout?.stop();
  }
}

function replaceWhenUseless(client: Redis | Cluster, error: unknown): void {
  if (hasTimedOut(error) || isReadOnly(error)) client.disconnect(true);
}
