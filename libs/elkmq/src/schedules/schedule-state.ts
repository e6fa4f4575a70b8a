import type { AdminContext } from '../admin/admin-call.js';
import { valueOf } from '../model/codec.js';
import { DequeueError } from '../model/errors.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import type { ScriptCall } from '../redis/scripts.js';
import { readDefinition, type MissedOccurrences } from './schedule.js';
import { scheduleRowsOf, type ScheduleRow } from './schedule-rows.js';

/** A schedule of a queue, as `list` tells it. */
export interface ScheduleState {
  readonly name: string;
  readonly cron: string;
  readonly timezone: string;
  readonly action: string;
  /** The value of the payload; `undefined` when there is none. */
  readonly data: unknown;
  readonly missed: MissedOccurrences;
  /** The time of its next occurrence, ms since 1970; `undefined` when there is none. */
  readonly next: number | undefined;
  /** The time at which a process has declared it for the last time, ms since 1970. */
  readonly declaredAt: number;
}

/**
 * Reads the schedules of a queue, in the order of their names. One that this version cannot read is left out.
 * @param context of the queue, or of its partition 0
 * @throws {ConnectionError} when Redis takes too long
 * @throws {DequeueError} when Redis refuses
 */
export async function readSchedules(context: AdminContext): Promise<ScheduleState[]> {
  const { rows } = scheduleRowsOf(await callScript(context, scripts.readSchedules(context.keys)));
  return rows.flatMap(stateOf).sort((one, other) => (one.name < other.name ? -1 : 1));
}

/**
 * Removes a schedule. Its events that are in the queue stay.
 * @param context of the queue, or of its partition 0
 * @param name as `parseScheduleName` has returned it
 * @returns whether it was there
 * @throws {ConnectionError} when Redis takes too long
 * @throws {DequeueError} when Redis refuses
 */
export async function removeSchedule(context: AdminContext, name: string): Promise<boolean> {
  return (await callScript(context, scripts.removeSchedule(context.keys, { name }))) === 1;
}

async function callScript({ connection, timeoutMs }: AdminContext, call: ScriptCall): Promise<unknown> {
  try {
    return await callReliably(connection, call, timeoutMs);
  } catch (error) {
    if (!isReplyError(error)) throw error;
    throw new DequeueError(`Redis refuses a call of the schedules: ${error.message}`, { cause: error });
  }
}

/** Returns nothing for a schedule that was removed, or that this version cannot read. */
function stateOf({ name, definition, at, due }: ScheduleRow): ScheduleState[] {
  const known = definition === undefined ? undefined : readDefinition(definition);
  if (!known) return [];
  const { payload, ...others } = known;
  return [{ name, ...others, data: valueOf(payload), next: due, declaredAt: at }];
}
