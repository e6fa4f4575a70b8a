import type { VNode } from 'preact';
import { formatDuration } from '../format.js';
import { useLive } from '../live.js';
import { Empty, Failure } from '../parts/notice.js';
import { Table, type Column } from '../parts/table.js';
import { Ago, Data } from '../parts/text.js';
import { addressOf } from '../router.js';
import type { WorkerInfo } from '../types.js';

/** The workers of all queues. */
export function WorkersView(): VNode {
  const { data, error } = useLive<{ workers: readonly WorkerInfo[] }>('workers');
  return (
    <>
      <h1>Workers</h1>
      <Failure error={error} />
      {!data && error === undefined && <p class="muted">Reading …</p>}
      {data && <WorkerTable workers={data.workers} hasQueue />}
    </>
  );
}

interface WorkerTableProperties {
  readonly workers: readonly WorkerInfo[];
  /** Whether the queue of each is shown. */
  readonly hasQueue?: boolean;
}

export function WorkerTable({ workers, hasQueue = false }: WorkerTableProperties): VNode {
  if (workers.length === 0)
    return (
      <Empty title="No worker">
        A worker is an ElkMqServer. It is here while it runs. Consumers of EventQueue and of the original are
        not.
      </Empty>
    );
  const queue: Column<WorkerInfo> = {
    title: 'Queue',
    cell: (worker) => (
      <a href={addressOf('queue', { queue: worker.queue })}>
        <Data text={worker.queue} />
      </a>
    ),
  };
  return (
    <Table
      label="Workers"
      columns={hasQueue ? [queue, ...COLUMNS] : COLUMNS}
      rows={workers}
      keyOf={({ name }) => name}
    />
  );
}

const COLUMNS: readonly Column<WorkerInfo>[] = [
  { title: 'Host', cell: ({ host }) => <Data text={host} /> },
  { title: 'Process', isNumber: true, cell: ({ pid }) => pid },
  {
    title: 'Running',
    isNumber: true,
    cell: ({ running, concurrency }) => `${String(running)} of ${String(concurrency)}`,
  },
  { title: 'Started', cell: ({ since }) => <Ago time={since} /> },
  { title: 'Lease', cell: ({ lease }) => formatDuration(lease) },
  { title: 'Version', cell: ({ version }) => <Data text={version} /> },
  { title: 'Handlers', cell: ({ handlers }) => <Handlers handlers={handlers} /> },
];

function Handlers({ handlers }: { handlers: readonly string[] }): VNode {
  return (
    <details>
      <summary>{handlers.length}</summary>
      <ul>
        {handlers.map((pattern) => (
          <li key={pattern}>
            <Data text={pattern} />
          </li>
        ))}
      </ul>
    </details>
  );
}
