import type { ScheduleState } from '../../schedules/schedule-state.js';
import { Schedules } from '../../schedules/schedules.js';
import { EXIT, type ExitCode } from '../exit.js';
import { note, printJson, printTable, shortText } from '../output.js';
import { redisOf, type CommonOptions } from '../session.js';
import { formatTime } from '../values.js';

export interface SchedulesCommandOptions extends CommonOptions {
  readonly remove?: string;
}

/** Lists the schedules of a queue, or removes one. */
export async function listSchedules(queue: string, options: SchedulesCommandOptions): Promise<ExitCode> {
  const { patience: timeout, json, remove } = options;
  const schedules = new Schedules(queue, await redisOf(options), { timeout });
  try {
    if (remove === undefined) {
      const all = await schedules.list();
      if (json) printJson({ queue, schedules: all });
      else printSchedules(all);
      return EXIT.fine;
    }
    const wasThere = await schedules.remove(remove);
    if (json) printJson({ queue, removed: wasThere ? [remove] : [] });
    else note(wasThere ? 'The schedule was removed.' : 'The queue has no such schedule.');
    return wasThere ? EXIT.fine : EXIT.finding;
  } finally {
    await schedules.close();
  }
}

function printSchedules(all: readonly ScheduleState[]): void {
  const rows = all.map(({ name, cron, timezone, action, missed, next, declaredAt }) => [
    shortText(name),
    shortText(cron),
    shortText(timezone),
    shortText(action),
    missed,
    formatTime(next),
    formatTime(declaredAt),
  ]);
  printTable([['SCHEDULE', 'CRON', 'TIME ZONE', 'PATTERN', 'MISSED', 'NEXT', 'DECLARED'], ...rows]);
}
