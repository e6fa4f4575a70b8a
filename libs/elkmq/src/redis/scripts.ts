import { Command, type Cluster, type Redis } from 'ioredis';
import { AnswerTimer } from './answer-timer.js';
import { hasTimedOut, isForbidden, isReadOnly, TIMED_OUT } from './redis-errors.js';
import { replaceConnection } from './replace-connection.js';

/**
 * A script with its keys and arguments. The functions of `scripts.generated.ts` make it, one for each
 * script.
 */
export interface ScriptCall {
  readonly script: { readonly sha1: string; readonly source: string };
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

/** Clients whose Redis refuses EVALSHA. */
const withoutDigests = new WeakSet<Redis | Cluster>();

/** The answer of a script, and the number of replicas that have confirmed its writes. */
export interface Replicated {
  readonly answer: unknown;
  readonly confirmed: number;
}

/**
 * Runs a script by its digest. Its text is sent only where Redis does not have it (restarted, flushed, a new
 * node).
 * @param form of the strings in the reply
 */
export async function runScript(
  client: Redis | Cluster,
  call: ScriptCall,
  form: 'text' | 'bytes' = 'text',
): Promise<unknown> {
  const { sha1, source } = call.script;
  try {
    if (!withoutDigests.has(client)) return await send(client, 'evalsha', argumentsOf(sha1, call), form);
  } catch (error) {
    if (isForbidden(error, 'evalsha')) withoutDigests.add(client);
    else if (!isMissing(error)) throw error;
  }
  return send(client, 'eval', argumentsOf(source, call), form);
}

/** All arguments of EVALSHA or EVAL. Loops take a third of the time that spreading takes. */
function argumentsOf(script: string, { keys, args }: ScriptCall): string[] {
  const all = [script, String(keys.length)];
  for (const key of keys) all.push(key);
  for (const arg of args) all.push(String(arg));
  return all;
}

/**
 * Runs a script, as `runScript` does, and asks for the number of replicas that have its writes. The
 * connection is blocked until that answer comes.
 * @param replicas number of replicas to wait for
 * @param timeout longest time to wait, whole ms
 */
export async function runReplicated(
  client: Redis | Cluster,
  call: ScriptCall,
  replicas: number,
  timeout: number,
): Promise<Replicated> {
  const { sha1, source } = call.script;
  const both = async (command: string, script: string): Promise<Replicated> => {
    const answer = send(client, command, argumentsOf(script, call));
    const confirmed = send(client, 'wait', [replicas, timeout]) as Promise<number>;
    // When both fail, the error of the script is reported.
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
 * Sends one command as it is. The typed methods of ioredis may transform arguments or the reply. A connection
 * that turns out to be half open, or to lead to a replica, is replaced.
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
  // See "Arguments pass by the constructor" in docs/performance.md.
  sent.args = args.map(String);
  const answer = client.sendCommand(sent) as Promise<unknown>;
  answer.then(
    () => {
      sent.stopTimeout();
    },
    (error: unknown) => {
      sent.stopTimeout();
      if (hasTimedOut(error) || isReadOnly(error)) replaceConnection(client, sent);
    },
  );
  return answer;
}

/**
 * A command whose timeout is an `AnswerTimer`. The timeout of ioredis takes a busy process for a Redis that
 * is away.
 */
class PatientCommand extends Command {
  #timeout: AnswerTimer | undefined;

  /** ioredis calls this with its `commandTimeout`. A Cluster calls it again when it is redirected. */
  override setTimeout(milliseconds: number): void {
    this.#timeout ??= new AnswerTimer(milliseconds, () => {
      this.reject(new Error(TIMED_OUT));
    });
  }

  stopTimeout(): void {
    this.#timeout?.stopTimer();
  }
}
