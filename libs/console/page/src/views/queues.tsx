import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { formatCount, formatDuration } from '../format.js';
import { useLive } from '../live.js';
import { Empty, Failure } from '../parts/notice.js';
import { Sparkline } from '../parts/sparkline.js';
import { Table, type Column } from '../parts/table.js';
import { Data } from '../parts/text.js';
import { addressOf, navigateTo, route } from '../router.js';
import type { ListedQueue, QueuesAnswer, QueueState } from '../types.js';

/** The orders of the list; the largest comes first. */
const ORDERS: Readonly<Record<string, (state: QueueState) => number>> = {
  waiting: ({ waiting }) => waiting,
  oldest: ({ oldestWaiting }) => oldestWaiting,
  running: ({ running }) => running,
  delayed: ({ delayed }) => delayed,
  dead: ({ deadLetters }) => deadLetters,
  workers: ({ workers }) => workers,
};

/** All queues with their states. */
export function QueuesView(): VNode {
  const { data, error } = useLive<QueuesAnswer>('queues');
  const [filter, setFilter] = useState('');
  const order = route.value.parameters.get('order') ?? 'name';
  if (!data) return error === undefined ? <p class="muted">Reading …</p> : <Failure error={error} />;
  const shown = sorted(
    data.queues.filter(({ name }) => name.toLowerCase().includes(filter.toLowerCase())),
    order,
  );
  return (
    <>
      <h1>Queues</h1>
      <Failure error={error} />
      {data.queues.length === 0 ? (
        <Empty title="No queue was found">
          A queue is here when it holds messages or has had a worker. Send one:{' '}
          <code>npx elkmq emit NAME PATTERN</code>. Is this the right Redis, and may its user use SCAN?
        </Empty>
      ) : (
        <>
          <div class="toolbar">
            <label>
              Filter{' '}
              <input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
            </label>
            <label>
              Order by{' '}
              <select
                value={order}
                onChange={(event) => navigateTo(addressOf('', { order: event.currentTarget.value }))}
              >
                {['name', ...Object.keys(ORDERS)].map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
          </div>
          <Table label="Queues" columns={COLUMNS} rows={shown} keyOf={({ name }) => name} />
          {shown.length === 0 && <p class="muted">No queue has this in its name.</p>}
          {!data.isComplete && (
            <p class="muted">
              There may be more: not all keys of Redis were looked at. The option queues names them.
            </p>
          )}
        </>
      )}
    </>
  );
}

function Pauses({ state: { paused, waitsFor } }: { state: QueueState }): VNode {
  return (
    <>
      {paused && <em> paused</em>}
      {waitsFor !== undefined && (
        <em>
          {' '}
          waits for <Data text={waitsFor} />
        </em>
      )}
    </>
  );
}

const COLUMNS: readonly Column<ListedQueue>[] = [
  {
    title: 'Queue',
    cell: (queue) => (
      <>
        <a href={addressOf('queue', { queue: queue.name })}>
          <Data text={queue.name} />
        </a>
        {'error' in queue ? <p class="bad">{queue.error}</p> : <Pauses state={queue} />}
      </>
    ),
  },
  countColumn('Waiting', ({ waiting }) => formatCount(waiting)),
  countColumn('Oldest', ({ waiting, oldestWaiting }) =>
    waiting === 0 ? '–' : formatDuration(oldestWaiting),
  ),
  {
    title: 'Last hour',
    cell: (queue) => ('error' in queue ? '–' : <Sparkline values={queue.handled} />),
  },
  countColumn('Running', ({ running }) => formatCount(running)),
  countColumn('Delayed', ({ delayed }) => formatCount(delayed)),
  countColumn('Dead', ({ deadLetters }) => (
    <span class={deadLetters > 0 ? 'bad' : undefined}>{formatCount(deadLetters)}</span>
  )),
  countColumn('Workers', ({ workers, waiting }) => (
    <span class={workers === 0 && waiting > 0 ? 'bad' : undefined}>{formatCount(workers)}</span>
  )),
];

function countColumn(title: string, cell: (state: QueueState) => VNode | string): Column<ListedQueue> {
  return { title, isNumber: true, cell: (queue) => ('error' in queue ? '–' : cell(queue)) };
}

function sorted(queues: readonly ListedQueue[], order: string): ListedQueue[] {
  const valueOf = ORDERS[order];
  if (!valueOf) return [...queues];
  const size = (queue: ListedQueue): number => ('error' in queue ? -1 : valueOf(queue));
  return [...queues].sort((one, other) => size(other) - size(one));
}
