/** A schedule as it is in Redis. */
export interface ScheduleRow {
  readonly name: string;
  /** Its entry in the hash, see `readScheduleEntry`. */
  readonly entry: string;
  /** Its next occurrence, ms since 1970; `undefined` when there is none. */
  readonly due: number | undefined;
}

/** Reads the answer of `read_schedules.lua`: the time of Redis, and three texts for each schedule. */
export function scheduleRowsOf(answer: unknown): { now: number; rows: ScheduleRow[] } {
  const [now, ...texts] = answer as string[];
  const rows: ScheduleRow[] = [];
  for (let i = 0; i < texts.length; i += 3) {
    const [name = '', entry = '', due = ''] = texts.slice(i, i + 3);
    // Somebody may have set a time by hand that is none.
    const isTime = due !== '' && Number.isFinite(Number(due));
    rows.push({ name, entry, due: isTime ? Number(due) : undefined });
  }
  return { now: Number(now), rows };
}
