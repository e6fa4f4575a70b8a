import { drawBars, OUR_COLOUR, type Bars } from './bars.js';
import { levelAt, type LevelResult, type Report, type TransportResult } from './report.js';
import { OURS } from './transports/index.js';
import { totalCpu } from './usage.js';

const KINDS = [
  { kind: 'ElkMQ', colour: OUR_COLOUR },
  { kind: 'stored by a broker', colour: '#3e8bd0' },
  { kind: 'nothing stored', colour: '#9a9a9a' },
] as const;

type Kind = (typeof KINDS)[number]['kind'];

/** Where CPU is compared: enough in flight for batches, and no queue that grows. */
const CPU_AT = 64;

/** Files of charts, by their names. */
export function drawCharts(report: Report): Record<string, string> {
  const charts = Object.entries(chartsOf(report));
  return Object.fromEntries(charts.map(([name, chart]) => [`${name}.svg`, drawBars(chart)]));
}

function chartsOf({ requestReply, settings }: Report): Record<string, Bars> {
  const shared = {
    rows: requestReply.map((result) => ({ name: result.title, kind: kindOf(result) })),
    kinds: KINDS,
  };
  const perLevel = (figure: (level: LevelResult) => number) =>
    settings.levels.map((inFlight) => ({
      title: `${inFlight} in flight`,
      values: requestReply.map((result) => {
        const level = levelAt(result, inFlight);
        return level && figure(level);
      }),
    }));
  const usages = requestReply.map((result) => levelAt(result, CPU_AT)?.usage ?? {});
  return {
    throughput: {
      ...shared,
      title: 'Requests per second, one client and one worker (longer is better)',
      panels: perLevel(({ median }) => median),
    },
    latency: {
      ...shared,
      title: 'Time until the reply, median, ms (shorter is better)',
      panels: perLevel(({ p50Ms }) => p50Ms),
    },
    'latency-p99': {
      ...shared,
      title: 'Time until the reply, 99 of 100 requests, ms (shorter is better)',
      panels: perLevel(({ p99Ms }) => p99Ms),
    },
    cpu: {
      ...shared,
      title: `CPU per request with ${CPU_AT} in flight, µs (shorter is better)`,
      panels: [
        { title: 'client', values: usages.map(({ clientCpu }) => clientCpu) },
        { title: 'worker', values: usages.map(({ workerCpu }) => workerCpu) },
        { title: 'broker', values: usages.map(({ brokerCpu }) => brokerCpu) },
        { title: 'together', values: usages.map(totalCpu) },
      ],
    },
    emit: {
      ...shared,
      title: 'Events, from the first emit until the last is handled',
      panels: [
        {
          title: 'events per second (longer is better)',
          values: requestReply.map(({ emit }) => emit?.median),
        },
        {
          title: 'CPU µs per event, together (shorter is better)',
          values: requestReply.map(({ emit }) => emit && totalCpu(emit.usage)),
        },
      ],
    },
  };
}

function kindOf({ transport, stores }: TransportResult): Kind {
  if (transport.startsWith(OURS)) return 'ElkMQ';
  return stores ? 'stored by a broker' : 'nothing stored';
}
