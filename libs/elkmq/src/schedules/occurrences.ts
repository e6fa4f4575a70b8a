import type * as Croner from 'croner';
import { InvalidOptionError } from '../model/errors.js';
import { formatValue } from '../model/options.js';
import { messageOf } from '../model/thrown.js';

/** The times of a cron expression in a time zone, ms since 1970. */
export interface Occurrences {
  /** The first one after a time; `undefined` when there is none. */
  readonly after: (time: number) => number | undefined;
  /** The latest one up to a time; `undefined` when there is none. */
  readonly upTo: (time: number) => number | undefined;
}

/** Makes the times of a cron expression. @throws {InvalidOptionError} when there are none */
export type ReadCron = (cron: string, timezone: string) => Occurrences;

/** The name is not in the import itself: a bundler would look for the package, which need not be there. */
const CRONER: string = 'croner';

/**
 * Loads croner, which the application installs when it has schedules.
 * @throws {InvalidOptionError} when it is not installed
 */
export async function loadCron(): Promise<ReadCron> {
  let croner: typeof Croner;
  try {
    croner = (await import(/* webpackIgnore: true */ CRONER)) as typeof croner;
  } catch (error) {
    const why = `schedules need the package croner: npm install croner@11 (${messageOf(error)})`;
    throw new InvalidOptionError(why, { cause: error });
  }
  return (cron, timezone) => {
    try {
      const times = new croner.Cron(cron, { timezone, paused: true, mode: '5-or-6-parts' });
      // It accepts a single date as well, which has no pattern.
      if (times.getPattern() === undefined) throw new Error('a date is no cron expression');
      if (!times.nextRun(new Date(0))) throw new Error('it has no time at all');
      return {
        after: (time) => times.nextRun(new Date(time))?.getTime(),
        // What it returns is before the time that it is given.
        upTo: (time) => times.previousRuns(1, new Date(Math.floor(time) + 1))[0]?.getTime(),
      };
    } catch (error) {
      throw new InvalidOptionError(
        `cron must be a cron expression of five or six fields with a known time zone, got ${formatValue(cron)} in ${formatValue(timezone)}: ${messageOf(error)}`,
        { cause: error },
      );
    }
  };
}
