import { InvalidOptionError } from '../model/errors.js';
import { formatValue } from '../model/options.js';
import * as scripts from '../redis/scripts.generated.js';
import { callScript, type AdminContext } from './admin-call.js';

/** The work of the processes of a queue in one minute, as far as they count. */
export interface MinuteRates {
  /** The begin of the minute, ms since 1970 on the clock of Redis. */
  readonly minute: number;
  /** Messages that were sent. A duplicate counts too, and a delayed message counts at once. */
  readonly stored: number;
  /** Messages that were handled. */
  readonly handled: number;
  /** Attempts that failed, and after which the message is tried again. */
  readonly retried: number;
  /** Messages that became dead letters. */
  readonly dead: number;
  /** Messages whose time was over. Such an event counts as dead too. */
  readonly expired: number;
  /** The time of all handled messages together, from when each was stored, or due, until handled, ms. */
  readonly totalTime: number;
  /** The longest of these times, ms. */
  readonly longestTime: number;
}

const MINUTE_MS = 60_000;
/** The number of minutes that Redis keeps. The same number is in redis/lua/shared/rate_minutes.lua. */
export const KEPT_MINUTES = 2_880;
const DEFAULT_MINUTES = 60;

/**
 * Reads the rates of a queue, minute by minute.
 * @param from ms since 1970; default: an hour before `to`
 * @param to ms since 1970; default: now
 */
export async function readRates(context: AdminContext, from?: number, to?: number): Promise<MinuteRates[]> {
  const first = from === undefined ? 0 : minuteOf('from', from);
  const last = to === undefined ? 0 : minuteOf('to', to);
  if (first > 0 && last > 0 && last < first)
    throw new InvalidOptionError(`to must not be before from, got ${String(from)} to ${String(to)}`);
  const count = first === 0 ? DEFAULT_MINUTES : KEPT_MINUTES;
  let minutes = await readMinutes(context, first, last, count);
  // Times that are 48 hours apart can begin one more minute than Redis keeps. The first of them is not kept any
  // more.
  if (minutes.end - minutes.start === KEPT_MINUTES)
    minutes = await readMinutes(context, minutes.start + 1, minutes.end, count);
  const { start, end, texts } = minutes;
  if (end - start >= KEPT_MINUTES) {
    const times = `${String(from)} to ${to === undefined ? 'now' : String(to)}`;
    throw new InvalidOptionError(`from and to must be at most 48 hours apart, got ${times}`);
  }
  return texts.map((text, index) => ratesOf((start + index) * MINUTE_MS, text));
}

/**
 * Reads the rates of the latest minutes, on the clock of Redis, the earliest first.
 * @param minutes 1 to 2,880
 */
export async function readLatestRates(context: AdminContext, minutes: number): Promise<MinuteRates[]> {
  const { start, texts } = await readMinutes(context, 0, 0, minutes);
  return texts.map((text, index) => ratesOf((start + index) * MINUTE_MS, text));
}

/** See `read_rates.lua`. */
async function readMinutes(
  context: AdminContext,
  first: number,
  last: number,
  count: number,
): Promise<{ start: number; end: number; texts: string[] }> {
  const call = scripts.readRates(context.keys, { first, last, count });
  const [start, end, ...texts] = (await callScript(context, call)) as [number, number, ...string[]];
  return { start, end, texts };
}

function minuteOf(name: string, value: unknown): number {
  const minute = typeof value === 'number' ? Math.floor(value / MINUTE_MS) : Number.NaN;
  if (minute >= 1 && minute <= Number.MAX_SAFE_INTEGER / MINUTE_MS) return minute;
  throw new InvalidOptionError(`${name} must be a time in ms since 1970, got ${formatValue(value)}`);
}

function ratesOf(minute: number, text: string): MinuteRates {
  const [, stored = 0, handled = 0, retried = 0, dead = 0, expired = 0, totalTime = 0, longestTime = 0] =
    text === '' ? [] : text.split(' ').map(Number);
  return { minute, stored, handled, retried, dead, expired, totalTime, longestTime };
}
