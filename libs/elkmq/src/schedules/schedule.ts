import { InvalidOptionError } from '../model/errors.js';
import { textOf } from '../model/codec.js';
import { formatValue, parseMembers } from '../model/options.js';

/**
 * What becomes of occurrences that have passed while no process looked at the schedule:
 * - `'one'`: an event for the latest of them.
 * - `'all'`: an event for each.
 * - `'none'`: no event.
 */
export type MissedOccurrences = 'one' | 'all' | 'none';

/** An event that comes at the times of a cron expression. */
export interface Schedule {
  /** The name of the schedule, which no other schedule of the queue has: 1 to 128 bytes of UTF-8. */
  readonly name: string;
  /**
   * A cron expression of five fields, or six with seconds first: `0 3 * * *` is at 3:00 each day. It is
   * [croner](https://croner.56k.guru) that reads it, so `@daily` and `L` are there too.
   */
  readonly cron: string;
  /** The time zone in which `cron` is read: `Europe/Berlin`. Default `UTC`. */
  readonly timezone?: string | undefined;
  /** The action of the event. Nest's handlers are found by it. Default: the name. */
  readonly action?: string | undefined;
  /** The payload of the event: a string stays as it is, anything else becomes JSON. Default: none. */
  readonly data?: unknown;
  /** What becomes of occurrences that were missed. Default `'one'`. */
  readonly missed?: MissedOccurrences | undefined;
}

/** A schedule without defaults. In Redis it is the JSON of this, so its members keep their order. */
export interface Definition {
  readonly cron: string;
  readonly timezone: string;
  readonly action: string;
  readonly payload: string | null;
  readonly missed: MissedOccurrences;
}

/** A schedule that is being declared. */
export interface DeclaredSchedule {
  readonly name: string;
  readonly definition: Definition;
}

const MEMBERS = ['name', 'cron', 'timezone', 'action', 'data', 'missed'] as const;
const MISSED: readonly unknown[] = ['one', 'all', 'none'];
const MAX_NAME_BYTES = 128;

/**
 * Checks everything but the cron expression and the time zone: those need croner.
 * @throws {InvalidOptionError}
 */
export function parseSchedule(given: unknown): DeclaredSchedule {
  const {
    name,
    cron,
    timezone = 'UTC',
    action,
    data,
    missed = 'one',
  } = parseMembers('schedule', given, MEMBERS);
  const schedule = parseScheduleName(name);
  const where = `the schedule ${formatValue(schedule)}`;
  if (typeof cron !== 'string')
    throw new InvalidOptionError(`${where}: cron must be a cron expression, got ${formatValue(cron)}`);
  if (typeof timezone !== 'string')
    throw new InvalidOptionError(
      `${where}: timezone must be a name such as Europe/Berlin, got ${formatValue(timezone)}`,
    );
  if (action !== undefined && (typeof action !== 'string' || !action.isWellFormed()))
    throw new InvalidOptionError(
      `${where}: action must be a string of well-formed Unicode, got ${formatValue(action)}`,
    );
  if (!MISSED.includes(missed))
    throw new InvalidOptionError(
      `${where}: missed must be 'one', 'all' or 'none', got ${formatValue(missed)}`,
    );
  return {
    name: schedule,
    definition: {
      cron,
      timezone,
      action: action ?? schedule,
      payload: payloadOf(where, data),
      missed: missed as MissedOccurrences,
    },
  };
}

/** @throws {InvalidOptionError} when it is not 1 to 128 bytes of well-formed Unicode */
export function parseScheduleName(name: unknown): string {
  const bytes = typeof name === 'string' ? Buffer.byteLength(name) : 0;
  if (typeof name === 'string' && bytes >= 1 && bytes <= MAX_NAME_BYTES && name.isWellFormed()) return name;
  throw new InvalidOptionError(
    `the name of a schedule must be a string of 1 to ${String(MAX_NAME_BYTES)} bytes of well-formed Unicode, got ${formatValue(name)}`,
  );
}

function payloadOf(where: string, data: unknown): string | null {
  let payload: string | null | undefined;
  try {
    payload = textOf(data);
  } catch {
    // Such as a BigInt, or an object that refers to itself.
  }
  if (payload === undefined || payload?.isWellFormed() === false)
    throw new InvalidOptionError(`${where}: data must be text or a value of JSON, got ${formatValue(data)}`);
  return payload;
}

/** Returns `undefined` when it is no definition that this version knows: a later version has made it. */
export function readDefinition(text: string): Definition | undefined {
  try {
    const { cron, timezone, action, payload, missed } = JSON.parse(text) as Record<string, unknown>;
    const isText = typeof cron === 'string' && typeof timezone === 'string' && typeof action === 'string';
    if (!isText || !MISSED.includes(missed) || (typeof payload !== 'string' && payload !== null))
      return undefined;
    return { cron, timezone, action, payload, missed: missed as MissedOccurrences };
  } catch {
    return undefined;
  }
}
