import { ORIGINAL_AS_TEXT } from './original.js';
import { levelAt, oursBeside, type Report, type TransportResult } from './report.js';
import { median, medianInterval, ratios } from './statistics.js';
import { describeTargets, formatInterval, targetsOf } from './targets.js';
import { PAIR } from './surroundings.js';
import type { Usage } from './usage.js';

const HEADINGS = [
  'in flight',
  'transport',
  'req/s',
  'p50 ms',
  'p99 ms',
  'p99.9 ms',
  'lowest … highest',
  'ElkMQ / it',
  'p50 / its',
  'CPU / its',
  'CPU µs: client',
  'worker',
  'broker',
  'commands',
  'bytes',
];
const TRANSPORT_COLUMN = 1;

export function formatReport(report: Report): string {
  const { machine, versions, settings, requestReply } = report;
  const targets = targetsOf(report);
  const rows = settings.levels.flatMap((inFlight) => [
    [],
    ...requestReply.flatMap((result) => row(result, inFlight, oursBeside(report, result))),
  ]);
  const emits = [[], ...requestReply.flatMap((result) => emitRow(result, oursBeside(report, result)))];
  return [
    `Request-reply and emit until handled, ${(report.surroundings ?? [PAIR]).join(', ')}; ${settings.rounds} × ${settings.measureMs} ms, medians`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, load average ${machine.loadAverage.toFixed(1)} at the start`,
    [`Node ${versions.node}`, ...versions.brokers].join(', '),
    '',
    ...align([HEADINGS, ...rows, ...emits]),
    '',
    ...requestReply.map(({ title, keeps }) => `${title}: ${keeps}`),
    ORIGINAL_AS_TEXT,
    ...describeAbsent(report),
    ...(report.notes ?? []),
    '',
    ...(targets.length === 0 ? [] : [...describeTargets(targets), '']),
    intervalsAsText(settings.rounds),
  ].join('\n');
}

/** What did not take part, or not to the end. */
export function describeAbsent({ skipped, failed }: Report): string[] {
  return [
    ...skipped.map(({ transport, reason }) => `${transport}: skipped, ${reason}`),
    ...failed.map(({ transport, round, reason }) =>
      round === undefined
        ? `${transport}: failed, it did not start: ${reason}`
        : `${transport}: failed in round ${round + 1}: ${reason}`,
    ),
  ];
}

function row(result: TransportResult, inFlight: number, ours?: TransportResult): string[][] {
  const level = levelAt(result, inFlight);
  if (level === undefined) return [];
  const oursHere = ours && levelAt(ours, inFlight);
  const cells = [
    String(inFlight),
    result.title,
    whole(level.median),
    level.p50Ms.toFixed(2),
    level.p99Ms.toFixed(2),
    level.p999Ms.toFixed(2),
    `${whole(level.min)} … ${whole(level.max)}`,
    times(oursHere?.rounds, level.rounds),
    times(oursHere?.p50RoundsMs, level.p50RoundsMs),
    times(oursHere?.cpuRoundsUs, level.cpuRoundsUs),
    ...usageCells(level.usage),
  ];
  return [cells];
}

function emitRow({ title, emit }: TransportResult, ours?: TransportResult): string[][] {
  if (emit === undefined) return [];
  const cells = [
    'emit',
    emit.lost > 0 ? `${title} (lost ${whole(emit.lost)})` : title,
    whole(emit.median),
    '',
    '',
    '',
    `${whole(emit.min)} … ${whole(emit.max)}`,
    times(ours?.emit?.rounds, emit.rounds),
    '',
    times(ours?.emit?.cpuRoundsUs, emit.cpuRoundsUs),
    ...usageCells(emit.usage),
  ];
  return [cells];
}

/** The ratio of ElkMQ to another, such as `1.62 × (1.5 … 1.7)`. */
function times(ours: readonly number[] | undefined, theirs: readonly number[] | undefined): string {
  const all = ratios(ours ?? [], theirs ?? []);
  if (all.length === 0) return '';
  const interval = formatInterval(medianInterval(all));
  return `${median(all).toFixed(2)} ×${interval === '' ? '' : ` (${interval})`}`;
}

/** What the intervals are, in a sentence. */
export function intervalsAsText(rounds: number): string {
  return Number.isFinite(medianInterval(Array.from({ length: rounds }, () => 1))[0])
    ? 'An interval has the true median with a chance of 95 %: it is from the k-th lowest to the k-th highest round, as the binomial distribution says.'
    : `${rounds} rounds are too few to say how sure a figure is, which takes six. So no target counts as met or missed.`;
}

/** Per message. */
function usageCells({ clientCpu, workerCpu, brokerCpu, commands, bytesIn, bytesOut }: Usage): string[] {
  const figure = (value: number | undefined, digits: number) => value?.toFixed(digits) ?? '';
  const bytes = bytesIn === undefined || bytesOut === undefined ? undefined : bytesIn + bytesOut;
  return [
    figure(clientCpu, 1),
    figure(workerCpu, 1),
    figure(brokerCpu, 1),
    figure(commands, 2),
    figure(bytes, 0),
  ];
}

/** Figures to the right, names to the left. */
function align(rows: string[][]): string[] {
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  return rows.map((cells) =>
    cells
      .map((cell, column) =>
        column === TRANSPORT_COLUMN ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('   ')
      .trimEnd(),
  );
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
