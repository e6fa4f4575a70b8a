/** A schedule as it is in Redis. */
export interface ScheduleRow {
  readonly name: string;
  /** Its definition as JSON; `undefined` when somebody has removed it. */
  readonly definition: string | undefined;
  /** The time of its last declaration, or of its removal, ms since 1970. */
  readonly at: number;
  /** Its next occurrence, ms since 1970; `undefined` when there is none. */
  readonly due: number | undefined;
}

/**
 * Reads the answer of `read_schedules.lua`: the time of Redis, and three texts for each schedule. The second
 * one is `TIME DEFINITION`, or `TIME` alone when the schedule was removed.
 */
export function scheduleRowsOf(answer: unknown): { now: number; rows: ScheduleRow[] } {
  const [now, ...texts] = answer as string[];
  const rows: ScheduleRow[] = [];
  for (let i = 0; i < texts.length; i += 3) {
    const [name = '', entry = '', due = ''] = texts.slice(i, i + 3);
    const space = entry.indexOf(' ');
    // Somebody may have set a time by hand that is none.
    const isTime = due !== '' && Number.isFinite(Number(due));
    rows.push({
      name,
      definition: space < 0 ? undefined : entry.slice(space + 1),
      at: Number.parseInt(entry, 10),
      due: isTime ? Number(due) : undefined,
    });
  }
  return { now: Number(now), rows };
}
