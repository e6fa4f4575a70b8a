import { growthChartFile, type GrowthReport } from './growth-report.js';
import { ORIGINAL_AS_TEXT } from './original.js';
import {
  levelAt,
  oursBeside,
  type LevelResult,
  type Report,
  type RunTargets,
  type Target,
  type TransportResult,
} from './report.js';
import { deviation, median, medianInterval, ratios } from './statistics.js';
import { short } from './svg.js';
import { describeAbsent, intervalsAsText, whole } from './table.js';
import { formatInterval, growthTargetsOf, targetFigures, targetsOf, verdictOf } from './targets.js';
import { OURS } from './transports/index.js';

/** What the pages show of the reports, as Markdown. */

/** Where CPU and traffic are shown: enough in flight for batches, and no queue that grows. */
const USAGE_AT = 64;

/** For the project's README: a chart, and the figures of ElkMQ beside those of the fastest and the nearest transport of Nest. */
export function summary(report: Report): string {
  const described = [OURS, 'redis', 'tcp'].flatMap((transport) => {
    const result = report.requestReply.find((each) => each.transport === transport);
    return result === undefined ? [] : [describeSpeed(result)];
  });
  return [
    '![Requests per second of each transport](docs/benchmarks/throughput.svg)',
    `${described.join(';\n')}.\nOne client and one worker, medians of ${report.settings.rounds} rounds; ${describeRun(report)}.`,
  ].join('\n\n');
}

/** Such as "ElkMQ: 30,000 requests per second with 64 in flight, 60,000 events per second, p50 0.40 ms with one in flight". */
function describeSpeed(result: TransportResult): string {
  const requests = at(result, USAGE_AT, ({ median }) => whole(median));
  const p50 = at(result, 1, ({ p50Ms }) => p50Ms.toFixed(2));
  return [
    `${result.title}: ${requests} requests per second with ${USAGE_AT} in flight`,
    ...(result.emit === undefined ? [] : [`${whole(result.emit.median)} events per second`]),
    `p50 ${p50} ms with one in flight`,
  ].join(', ');
}

/** For the page of the benchmark. */
export function results(report: Report): string {
  const { requestReply, settings, versions } = report;
  const levels = settings.levels.map(String);
  const perLevel = (result: TransportResult, cell: (level: LevelResult) => string) =>
    settings.levels.map((level) => at(result, level, cell));
  const ours = requestReply.find(({ transport }) => transport === OURS);
  const packages = Object.entries(versions.packages).map(([name, version]) => `${name} ${version}`);
  return [
    `${settings.rounds} rounds of ${settings.measureMs} ms for each transport and level${inRuns(report)}; ${describeRun(report)}.`,
    intervalsAsText(settings.rounds),
    `${versions.brokers.join(', ')};\n${packages.join(', ')}.`,
    '![Requests per second](throughput.svg)',
    'Requests per second by how many are in flight, and events per second until the last is handled: medians, and their ' +
      'intervals or how far the furthest round was from them.',
    table(
      ['', ...levels, 'events'],
      requestReply.map((result) => [result.title, ...perLevel(result, withSpread), events(result)]),
    ),
    '![Time until the reply, median](latency.svg)\n![Time until the reply, 99 of 100](latency-p99.svg)',
    'Time until the reply in ms: p50 / p99 / p99.9.',
    table(
      ['', ...levels],
      requestReply.map((result) => [
        result.title,
        ...perLevel(result, ({ p50Ms, p99Ms, p999Ms }) => [p50Ms, p99Ms, p999Ms].map(short).join(' / ')),
      ]),
    ),
    ...(ours === undefined ? [] : comparison(report, ours)),
    '![Events per second](emit.svg)',
    `![CPU per request](cpu.svg)`,
    `CPU in µs, commands (those in scripts as well) and bytes at the broker, for each request with ${USAGE_AT} in flight.`,
    table(
      ['', 'client', 'worker', 'broker', 'commands', 'bytes'],
      requestReply.map((result) => [result.title, ...usage(result)]),
    ),
    'This is how each of them treats a message:',
    requestReply.map(({ title, keeps }) => `- ${title}: ${keeps}`).join('\n'),
    ...describeAbsent(report),
    ...(report.notes ?? []),
    ORIGINAL_AS_TEXT,
    targetTable(targetsOf(report)),
    ...(report.runs === undefined ? [] : [runTable(report.runs)]),
  ].join('\n\n');
}

/** For the page of the runs under other conditions: what one of them came to. */
export function otherRun(report: Report): string {
  const { requestReply, settings, surroundings = [] } = report;
  const levels = settings.levels.filter((level) => requestReply.some((result) => levelAt(result, level)));
  const hasEvents = requestReply.some(({ emit }) => emit !== undefined);
  const headings = ['', ...levels.map(String), ...(hasEvents ? ['events'] : [])];
  const rows = (cell: (level: LevelResult, own?: LevelResult) => string, ofEvents: typeof events) =>
    requestReply.map((result) => [
      result.title,
      ...levels.map((inFlight) => {
        const ours = oursBeside(report, result);
        return at(result, inFlight, (level) => cell(level, ours && levelAt(ours, inFlight)));
      }),
      ...(hasEvents ? [ofEvents(result)] : []),
    ]);
  const eventsToOurs = (result: TransportResult): string => {
    const ours = oursBeside(report, result)?.emit;
    return ours && result.emit ? times(result.emit.rounds, ours.rounds) : '';
  };
  const targets = targetsOf(report);
  return [
    `${[...surroundings, `${settings.rounds} rounds of ${settings.measureMs} ms`].join(', ')}; ${describeRun(report)}.`,
    'Requests per second by how many are in flight, and events per second: medians, and their intervals.',
    table(headings, rows(withSpread, events)),
    'The same as a ratio to ElkMQ, round by round.',
    table(
      headings,
      rows((level, own) => (own ? times(level.rounds, own.rounds) : ''), eventsToOurs),
    ),
    'Time until the reply in ms, p50 / p99, and CPU for an event in µs: client, worker, broker.',
    table(
      headings,
      rows(
        ({ p50Ms, p99Ms }) => `${short(p50Ms)} / ${short(p99Ms)}`,
        ({ emit }) => (emit === undefined ? '' : cpuOf(emit)),
      ),
    ),
    ...describeAbsent(report),
    ...(report.notes ?? []),
    ...(targets.length === 0 ? [] : [targetTable(targets)]),
  ].join('\n\n');
}

/** For the page of the benchmark. */
export function growth(report: GrowthReport): string {
  const { waitingMessage, waitingRequestHeap, waitingRequester } = report;
  return [
    `${describeMachine(report)}, Node ${report.versions.node}.`,
    [
      `- A message that waits takes ${short(waitingMessage.bytes)} bytes of Redis; its payload has ${waitingMessage.payload}.`,
      `- A request that waits for its reply takes ${short(waitingRequestHeap)} bytes of its client's heap.`,
      `- A client that waits for a reply sends ${short(waitingRequester.commandsPerSecond)} commands per second and takes ${short(waitingRequester.redisCpu * 100)} % of a core of Redis.`,
    ].join('\n'),
    ...report.grown.map((series) => `![${series.title}](${growthChartFile(series)})`),
    targetTable(growthTargetsOf(report)),
  ].join('\n\n');
}

/** Ratios ElkMQ / it. */
function comparison({ requestReply, settings }: Report, ours: TransportResult): string[] {
  const rows = requestReply
    .filter((result) => result !== ours)
    .map((result) => [
      result.title,
      ...settings.levels.map((level) =>
        at(result, level, ({ rounds }) => at(ours, level, (own) => times(own.rounds, rounds))),
      ),
      ours.emit && result.emit ? times(ours.emit.rounds, result.emit.rounds) : '',
      at(result, 1, ({ p50RoundsMs }) => at(ours, 1, (own) => times(own.p50RoundsMs, p50RoundsMs))),
      at(result, USAGE_AT, ({ cpuRoundsUs }) =>
        at(ours, USAGE_AT, (own) => cpuTimes(own.cpuRoundsUs, cpuRoundsUs)),
      ),
    ]);
  return [
    'ElkMQ / it, compared round by round, by how many requests are in flight (more is better), p50 at 1 in flight, and ' +
      `CPU of all processes with ${USAGE_AT} in flight (less is better).`,
    table(['', ...settings.levels.map(String), 'events', 'p50 at 1', `CPU at ${USAGE_AT}`], rows),
  ];
}

function targetTable(targets: readonly Target[]): string {
  const rows = targets.map((target) => [
    target.what,
    ...targetFigures(target),
    verdictOf(target) === 'missed' ? '**missed**' : verdictOf(target),
  ]);
  return `Figures and targets:\n\n${table(['', 'is', 'interval', 'target', ''], rows)}`;
}

/** The same figures of each run, with their intervals. */
function runTable(runs: readonly RunTargets[]): string {
  const [first] = runs as [RunTargets];
  const rows = first.targets.map(({ what }) => [
    what,
    ...runs.map(({ targets }) => {
      const target = targets.find((each) => each.what === what);
      if (target === undefined) return '';
      const [value, interval] = targetFigures(target);
      return interval === '' ? value : `${value} (${interval})`;
    }),
  ]);
  const headings = ['', ...runs.map((_, run) => `run ${run + 1}`)];
  return `The same figures in each of the ${runs.length} runs:\n\n${table(headings, rows)}`;
}

function at(result: TransportResult, inFlight: number, cell: (level: LevelResult) => string): string {
  const level = levelAt(result, inFlight);
  return level === undefined ? '' : cell(level);
}

type Spread = Pick<LevelResult, 'rounds' | 'median' | 'min' | 'max'>;

function withSpread({ rounds, median, min, max }: Spread): string {
  const [low, high] = medianInterval(rounds);
  if (Number.isFinite(low)) return `${whole(median)} (${whole(low)} … ${whole(high)})`;
  const furthest = Math.max(-deviation(min, median), deviation(max, median));
  return `${whole(median)} ± ${(furthest * 100).toFixed(0)} %`;
}

function events({ emit }: TransportResult): string {
  if (emit === undefined) return '';
  return emit.lost > 0 ? `${withSpread(emit)}, lost ${whole(emit.lost)}` : withSpread(emit);
}

function usage(result: TransportResult): string[] {
  const { clientCpu, workerCpu, brokerCpu, commands, bytesIn, bytesOut } =
    levelAt(result, USAGE_AT)?.usage ?? {};
  const bytes = bytesIn === undefined || bytesOut === undefined ? undefined : bytesIn + bytesOut;
  return [clientCpu, workerCpu, brokerCpu, commands, bytes].map((figure) =>
    figure === undefined ? '' : short(figure),
  );
}

function cpuOf({ usage: { clientCpu, workerCpu, brokerCpu } }: Pick<LevelResult, 'usage'>): string {
  return [clientCpu, workerCpu, brokerCpu]
    .flatMap((figure) => (figure === undefined ? [] : short(figure)))
    .join(', ');
}

function times(ours: readonly number[], theirs: readonly number[]): string {
  const all = ratios(ours, theirs);
  const interval = formatInterval(medianInterval(all));
  return `${median(all).toFixed(2)}${interval === '' ? '' : ` (${interval})`}`;
}

/** Reports of before do not have the rounds of it. */
function cpuTimes(ours: readonly number[] | undefined, theirs: readonly number[] | undefined): string {
  return ours === undefined || theirs === undefined ? '' : times(ours, theirs);
}

function inRuns({ runs }: Report): string {
  return runs === undefined ? '' : `, in ${runs.length} runs`;
}

function describeRun(report: Report): string {
  return `${describeMachine(report)}, Node ${report.versions.node}`;
}

function describeMachine({ machine, startedAt }: Pick<Report, 'machine' | 'startedAt'>): string {
  const { cpu, cores, memoryGiB, system, loadAverage } = machine;
  const load = `load average ${loadAverage.toFixed(1)} at the start`;
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, ${load}, ${startedAt.slice(0, 10)}`;
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  // Figures to the right.
  const alignment = headings.map((_, column) => (column === 0 ? '---' : '---:'));
  return [headings, alignment, ...rows].map(line).join('\n');
}
