import { ORIGINAL_AS_TEXT } from './original.js';
import type { LevelResult, Report, TransportResult } from './report.js';
import { deviation, ratio } from './statistics.js';
import { describeTargets, targetsOf } from './targets.js';
import { OURS } from './transports/index.js';
import type { Usage } from './usage.js';

/** A round this far from the median of its transport and level is named below the table. */
const WIDE = 0.15;

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
  const ours = requestReply.find(({ transport }) => transport === OURS);
  const rows = settings.levels.flatMap((_, level) => [
    [],
    ...requestReply.map((result) => row(result, level, ours)),
  ]);
  const emits = [[], ...requestReply.map((result) => emitRow(result, ours))];
  return [
    `Request-reply and emit until handled, one client and one worker; ${settings.rounds} × ${settings.measureMs} ms, medians`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, load average ${machine.loadAverage.toFixed(1)} at the start`,
    [`Node ${versions.node}`, ...versions.brokers].join(', '),
    '',
    ...align([HEADINGS, ...rows, ...emits]),
    '',
    ...requestReply.map(({ title, keeps }) => `${title}: ${keeps}`),
    ORIGINAL_AS_TEXT,
    ...describeAbsent(report),
    '',
    ...(targets.length === 0 ? [] : [...describeTargets(targets), '']),
    ...(settings.rounds === 1
      ? ['One round only: how much it varies is not known.']
      : describeSpread(requestReply)),
  ].join('\n');
}

/** What did not take part, or not to the end. */
export function describeAbsent({ skipped, failed }: Report): string[] {
  return [
    ...skipped.map(({ transport, missing }) => `${transport}: skipped, ${missing} is not installed`),
    ...failed.map(({ transport, round, reason }) =>
      round === undefined
        ? `${transport}: failed, its broker did not start: ${reason}`
        : `${transport}: failed in round ${round + 1}: ${reason}`,
    ),
  ];
}

function row({ transport, title, levels }: TransportResult, level: number, ours?: TransportResult): string[] {
  const result = levels[level];
  if (result === undefined) return [];
  const oursHere = transport === OURS ? undefined : ours?.levels[level];
  return [
    String(result.inFlight),
    title,
    whole(result.median),
    result.p50Ms.toFixed(2),
    result.p99Ms.toFixed(2),
    result.p999Ms.toFixed(2),
    `${whole(result.min)} … ${whole(result.max)}`,
    oursHere === undefined ? '' : `${ratio(oursHere.rounds, result.rounds).toFixed(2)} ×`,
    oursHere === undefined ? '' : `${ratio(oursHere.p50RoundsMs, result.p50RoundsMs).toFixed(2)} ×`,
    ...usageCells(result.usage),
  ];
}

function emitRow({ transport, title, emit }: TransportResult, ours?: TransportResult): string[] {
  const theirs = transport === OURS ? undefined : ours;
  return [
    'emit',
    emit.lost > 0 ? `${title} (lost ${whole(emit.lost)})` : title,
    whole(emit.median),
    '',
    '',
    '',
    `${whole(emit.min)} … ${whole(emit.max)}`,
    theirs === undefined ? '' : `${ratio(theirs.emit.rounds, emit.rounds).toFixed(2)} ×`,
    '',
    ...usageCells(emit.usage),
  ];
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

function describeSpread(results: TransportResult[]): string[] {
  const wide = results.flatMap(({ title, levels }) => levels.flatMap((level) => describeWide(title, level)));
  const percent = `${WIDE * 100} %`;
  if (wide.length === 0) return [`No round was more than ${percent} from its median.`];
  return [`Rounds more than ${percent} from their median:`, ...wide];
}

function describeWide(title: string, level: LevelResult): string[] {
  const wide = level.rounds.flatMap((requestsPerSecond, round) => {
    const off = deviation(requestsPerSecond, level.median);
    return Math.abs(off) > WIDE
      ? [`round ${round + 1} ${off > 0 ? '+' : ''}${(off * 100).toFixed(0)} %`]
      : [];
  });
  return wide.length === 0 ? [] : [`  ${title}, ${level.inFlight} in flight: ${wide.join(', ')}`];
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
