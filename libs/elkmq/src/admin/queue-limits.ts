import { InvalidOptionError } from '../model/errors.js';
import { parseInteger, parseMembers } from '../model/options.js';
import * as scripts from '../redis/scripts.generated.js';
import { callScript, type AdminContext } from './admin-call.js';

/** The number of messages of a queue that may be started in a time. */
export interface QueueRate {
  /** The number of messages. */
  readonly limit: number;
  /** The time, whole ms from 100. */
  readonly per: number;
}

/** The limits of a queue, over all its workers together. */
export interface QueueLimits {
  /** The largest number of messages that run at once. Without it there is no such limit. */
  readonly concurrency?: number | undefined;
  /** The largest number of messages that are started in a time. Without it there is no such limit. */
  readonly rate?: QueueRate | undefined;
}

const SHORTEST_PER_MS = 100;
const LARGEST = 2 ** 31 - 1;

/** Says it as the end of a sentence: `at most 10 messages run at once, at most 100 start in 1000 ms`. */
export function describeLimits({ concurrency, rate }: QueueLimits): string {
  const parts = [
    ...(concurrency === undefined ? [] : [`at most ${String(concurrency)} messages run at once`]),
    ...(rate === undefined ? [] : [`at most ${String(rate.limit)} start in ${String(rate.per)} ms`]),
  ];
  return parts.join(', ');
}

/**
 * Makes limits of the fields of the key; `undefined` when there are none. A field that somebody has set by
 * hand and that is no limit counts as none, as in `take.lua`.
 */
export function limitsOf(
  concurrencyField?: string | null,
  rateField?: string | null,
  perField?: string | null,
): QueueLimits | undefined {
  const [concurrency, limit, per] = [concurrencyField, rateField, perField].map(limitOf);
  const rate = limit === undefined || per === undefined ? undefined : { limit, per };
  if (concurrency === undefined && rate === undefined) return undefined;
  return { ...(concurrency !== undefined && { concurrency }), ...(rate && { rate }) };
}

function limitOf(field?: string | null): number | undefined {
  const value = Number(field ?? '');
  return value >= 1 && value <= LARGEST ? Math.floor(value) : undefined;
}

/** Sets the limits of a queue in place of those before. */
export async function setQueueLimits(context: AdminContext, given: QueueLimits): Promise<QueueLimits> {
  const limits = parseLimits(given);
  const { concurrency = '', rate } = limits;
  const call = scripts.setLimits(context.keys, {
    concurrency: String(concurrency),
    rate: String(rate?.limit ?? ''),
    per: String(rate?.per ?? ''),
  });
  await callScript(context, call);
  return limits;
}

/**
 * Checks limits.
 * @throws {InvalidOptionError}
 */
export function parseLimits(given: unknown): QueueLimits {
  const { concurrency, rate } = parseMembers('limits', given, ['concurrency', 'rate']);
  return {
    ...(concurrency !== undefined && { concurrency: requiredInteger('concurrency', concurrency, 1) }),
    ...(rate !== undefined && { rate: parseRate(rate) }),
  };
}

function parseRate(given: unknown): QueueRate {
  const { limit, per } = parseMembers('rate', given, ['limit', 'per']);
  return {
    limit: requiredInteger('rate.limit', limit, 1),
    per: requiredInteger('rate.per', per, SHORTEST_PER_MS),
  };
}

function requiredInteger(name: string, value: unknown, min: number): number {
  const parsed = parseInteger(name, value, Number.NaN, min);
  if (!Number.isNaN(parsed)) return parsed;
  throw new InvalidOptionError(`${name} must be a whole number from ${String(min)}, got undefined`);
}
