import { EventPattern } from '@nestjs/microservices';
import type { Schedule } from 'elkmq';
import { type DeclaredSchedule, parseSchedule } from 'elkmq/internal';
import { elkMqExtras, type ElkMqHandlerExtras } from './handler-extras.js';

/** The options of a schedule and of its handler. */
export interface ElkMqCronOptions extends ElkMqHandlerExtras, Omit<Schedule, 'cron' | 'action'> {
  /** Binds the handler to the servers with this `transportId`. Default: all servers of the application. */
  readonly transport?: symbol | undefined;
}

/** The name of the extra that has the schedule of a handler. */
export const SCHEDULE = 'elkMqSchedule';

/**
 * Has a method called at the times of a cron expression, once over all processes:
 * `@ElkMqCron('0 3 * * *', { name: 'nightly-report', timezone: 'Europe/Berlin' })`. It is an event handler
 * whose pattern is the name: each occurrence is an event in the queue of its server, with retries, dead
 * letters and a delivery mode as other events have them. The application needs the package croner.
 *
 * @throws {InvalidOptionError} when an option is wrong; the class is not defined then. A wrong expression or
 * time zone fails `listen`
 */
export function ElkMqCron(cron: string, options: ElkMqCronOptions): MethodDecorator {
  const { name, timezone, data, missed, transport, ...extras } = options;
  const schedule = parseSchedule({ name, cron, timezone, data, missed });
  // The type is that of elkMqExtras, for the same reason.
  const all = { ...elkMqExtras(extras), [SCHEDULE]: schedule } as ReturnType<typeof elkMqExtras>;
  return transport === undefined ? EventPattern(name, all) : EventPattern(name, transport, all);
}

/** The schedule of a handler; `undefined` when it has none. */
export function scheduleOf(extras: Record<string, unknown> | undefined): DeclaredSchedule | undefined {
  return extras?.[SCHEDULE] as DeclaredSchedule | undefined;
}
