import type { VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import { formatCount, formatTime } from '../format.js';
import { useLive } from '../live.js';
import { Chart, type Line } from '../parts/chart.js';
import { Empty, Failure } from '../parts/notice.js';
import { Table, type Column } from '../parts/table.js';
import { addressOf, route } from '../router.js';
import type { RatePoint, RatesAnswer } from '../types.js';

const HOURS = ['1', '24', '48'] as const;

/** What happened in a queue over time, as charts and as a table. */
export function RatesPanel({ queue }: { queue: string }): VNode {
  const hours = route.value.parameters.get('hours') ?? '1';
  const { data, error } = useLive<RatesAnswer>(`rates?${new URLSearchParams({ queue, hours }).toString()}`);
  return (
    <section aria-label="Rates">
      <Failure error={error} />
      <nav aria-label="Time" class="toolbar">
        {HOURS.map((each) => (
          <a
            key={each}
            href={addressOf('queue', { queue, tab: 'rates', hours: each })}
            aria-current={each === hours ? 'page' : undefined}
          >
            {each} h
          </a>
        ))}
      </nav>
      {data && <Charts answer={data} />}
      <p class="muted">
        Clients and workers count, and tell every five seconds. Those of the original ElkMQ and of earlier
        versions do not.
      </p>
    </section>
  );
}

function Charts({ answer }: { answer: RatesAnswer }): VNode {
  const { points, minutesPerPoint } = answer;
  const times = useMemo(() => points.map(({ time }) => time), [points]);
  const counts = useMemo(() => countLines(points), [points]);
  const latencies = useMemo(() => timeLines(points), [points]);
  const busy = points.filter(({ stored, handled, retried, dead, expired }) =>
    [stored, handled, retried, dead, expired].some((count) => count > 0),
  );
  if (busy.length === 0) {
    return (
      <Empty title="Nothing happened in this time">
        No message was sent or handled, as far as is counted.
      </Empty>
    );
  }
  const per = minutesPerPoint === 1 ? 'each minute' : `each ${String(minutesPerPoint)} minutes`;
  const sumOf = (member: 'stored' | 'handled' | 'dead'): string =>
    formatCount(points.reduce((sum, point) => sum + point[member], 0));
  const slowest = Math.max(...points.map(({ longestTime }) => longestTime ?? 0));
  return (
    <>
      <h2>Messages in {per}</h2>
      <Chart
        label={`Messages in ${per}. In all ${sumOf('stored')} sent, ${sumOf('handled')} handled, ${sumOf('dead')} became dead letters. The table below has the numbers.`}
        times={times}
        lines={counts}
        format={formatCount}
      />
      <h2>Time until handled</h2>
      <Chart
        label={`Time until handled in ${per}. The longest was ${formatTime(slowest)}. The table below has the numbers.`}
        times={times}
        lines={latencies}
        format={formatTime}
      />
      <details>
        <summary>The same as a table</summary>
        <Table label="Rates" columns={COLUMNS} rows={busy.toReversed()} keyOf={({ time }) => String(time)} />
      </details>
    </>
  );
}

function countLines(points: readonly RatePoint[]): Line[] {
  return [
    { name: 'sent', colour: '--muted', dash: [6, 4], values: points.map(({ stored }) => stored) },
    { name: 'handled', colour: '--accent', values: points.map(({ handled }) => handled) },
    { name: 'tried again', colour: '--warn', dash: [2, 3], values: points.map(({ retried }) => retried) },
    { name: 'dead letters', colour: '--bad', dash: [9, 3, 2, 3], values: points.map(({ dead }) => dead) },
  ];
}

function timeLines(points: readonly RatePoint[]): Line[] {
  return [
    { name: 'mean', colour: '--accent', values: points.map(({ meanTime }) => meanTime) },
    { name: 'longest', colour: '--bad', dash: [6, 4], values: points.map(({ longestTime }) => longestTime) },
  ];
}

const COLUMNS: readonly Column<RatePoint>[] = [
  {
    title: 'From',
    cell: ({ time }) => {
      const iso = new Date(time).toISOString();
      return <time dateTime={iso}>{`${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`}</time>;
    },
  },
  countColumn('Sent', ({ stored }) => stored),
  countColumn('Handled', ({ handled }) => handled),
  countColumn('Tried again', ({ retried }) => retried),
  countColumn('Dead', ({ dead }) => dead),
  countColumn('Expired', ({ expired }) => expired),
  timeColumn('Mean time', ({ meanTime }) => meanTime),
  timeColumn('Longest time', ({ longestTime }) => longestTime),
];

function countColumn(title: string, valueOf: (point: RatePoint) => number): Column<RatePoint> {
  return { title, isNumber: true, cell: (point) => formatCount(valueOf(point)) };
}

function timeColumn(title: string, valueOf: (point: RatePoint) => number | null): Column<RatePoint> {
  const cell = (point: RatePoint): string => {
    const value = valueOf(point);
    return value === null ? '–' : formatTime(value);
  };
  return { title, isNumber: true, cell };
}
