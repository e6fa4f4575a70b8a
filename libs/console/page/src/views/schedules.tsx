import type { VNode } from 'preact';
import { removeSchedule } from '../changes.js';
import { formatSecond, visibleText } from '../format.js';
import { Empty } from '../parts/notice.js';
import { Table, type Column } from '../parts/table.js';
import { Ago, Data } from '../parts/text.js';
import type { ListedSchedule } from '../types.js';

interface ScheduleTableProperties {
  readonly queue: string;
  readonly schedules: readonly ListedSchedule[];
  readonly readOnly: boolean;
}

/** The schedules of a queue. */
export function ScheduleTable({ queue, schedules, readOnly }: ScheduleTableProperties): VNode {
  if (schedules.length === 0)
    return <Empty title="No schedule">A schedule is here when a server that declares it has started.</Empty>;
  const change: Column<ListedSchedule> = {
    title: 'Change',
    hasHiddenTitle: true,
    cell: ({ name }) => (
      <button
        type="button"
        class="danger"
        aria-label={`Remove ${visibleText(name)}`}
        onClick={() => void removeSchedule(queue, name)}
      >
        Remove
      </button>
    ),
  };
  return (
    <Table
      label="Schedules"
      columns={readOnly ? COLUMNS : [...COLUMNS, change]}
      rows={schedules}
      keyOf={({ name }) => name}
    />
  );
}

const COLUMNS: readonly Column<ListedSchedule>[] = [
  { title: 'Schedule', cell: (schedule) => <Name schedule={schedule} /> },
  { title: 'Cron', cell: ({ cron }) => <Data text={cron} /> },
  { title: 'Time zone', cell: ({ timezone }) => <Data text={timezone} /> },
  { title: 'Missed', cell: ({ missed }) => missed },
  { title: 'Next', cell: ({ next }) => <Next time={next} /> },
  { title: 'Declared', cell: ({ declaredAt }) => <Ago time={declaredAt} /> },
];

/** The name, and the pattern of its events where that is another one. */
function Name({ schedule: { name, action } }: { schedule: ListedSchedule }): VNode {
  return (
    <div>
      <Data text={name} />
      {action !== name && (
        <div class="muted">
          pattern <Data text={action} />
        </div>
      )}
    </div>
  );
}

function Next({ time }: { time: number | undefined }): VNode {
  return (
    <div>
      <Ago time={time} />
      {time !== undefined && <div class="muted">{formatSecond(time)}</div>}
    </div>
  );
}
