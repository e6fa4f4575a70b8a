import { InvalidOptionError } from '../model/errors.js';
import { formatValue } from '../model/options.js';
import type { Doubt } from '../redis/reliable-call.js';
import { reliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import { send } from '../redis/scripts.js';
import { callScript, refusalsNamed, type AdminContext } from './admin-call.js';

/** A pause of a queue. */
export interface QueuePause {
  /** The time at which the queue was paused, ms since 1970 on the clock of Redis. */
  readonly since: number;
  /** The one who paused it, if `pause` was told. */
  readonly by?: string;
}

/** The number of characters that `by` may have. */
const MAX_BY_CHARACTERS = 256;
/** The latest time of a `Date`, ms since 1970. */
const LATEST_MS = 8.64e15;

/** Says it as the end of a sentence: `is paused since 2030-01-31T09:00:00.000Z by anna`. */
export function describePause({ since, by }: QueuePause): string {
  // A time that somebody has set by hand may be none.
  const isTime = since > 0 && since <= LATEST_MS;
  const time = isTime ? ` since ${new Date(since).toISOString()}` : '';
  return `is paused${time}${by === undefined ? '' : ` by ${by}`}`;
}

/** Makes a pause of the fields of the key; `undefined` when the queue is not paused. */
export function pauseOf(paused?: string | null, by?: string | null): QueuePause | undefined {
  if (paused === undefined || paused === null || paused === '') return undefined;
  // Somebody may have set the field by hand, without a time.
  const since = Number.isFinite(Number(paused)) ? Number(paused) : 0;
  return by ? { since, by } : { since };
}

/** Pauses a queue, unless it is paused. */
export async function pauseQueue(context: AdminContext, by = ''): Promise<QueuePause> {
  if (typeof by !== 'string' || by.length > MAX_BY_CHARACTERS) {
    const accepted = `text of at most ${String(MAX_BY_CHARACTERS)} characters`;
    throw new InvalidOptionError(`by must be ${accepted}, got ${formatValue(by)}`);
  }
  const answer = await callScript(context, scripts.pause(context.keys, { by }));
  const [since, who] = answer as [string, string];
  return pauseOf(since, who) as QueuePause;
}

/**
 * Ends the pause of a queue.
 * @returns whether it was paused
 */
export async function resumeQueue({ connection, keys, timeoutMs }: AdminContext): Promise<boolean> {
  const doubt: Doubt = { isInDoubt: false };
  const args = [keys.control, 'paused', 'by'];
  const call = reliably(connection, (client) => send(client, 'hdel', args), timeoutMs, { doubt });
  // A call whose answer was lost has ended the pause.
  return (await refusalsNamed(call)) !== 0 || doubt.isInDoubt;
}
