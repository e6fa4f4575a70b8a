import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LevelResult, Report } from './report.js';
import { drawChart, type Chart } from './svg.js';

/** Writes the charts of a report into a folder, which is made if need be. */
export function writeCharts(folder: string, { requestReply, settings }: Report): void {
  mkdirSync(folder, { recursive: true });
  const byLevel = (figure: (level: LevelResult) => number | undefined) =>
    requestReply.map(({ title, levels }) => ({ name: title, y: levels.map(figure) }));
  const x = settings.levels.map(String);
  const cpu = ({ usage }: LevelResult) => {
    const { clientCpu, workerCpu, brokerCpu } = usage;
    return clientCpu === undefined || workerCpu === undefined
      ? undefined
      : clientCpu + workerCpu + (brokerCpu ?? 0);
  };
  const charts: Record<string, Chart> = {
    throughput: {
      title: 'Request-reply, one client and one worker',
      xLabel: 'requests in flight',
      yLabel: 'requests per second',
      x,
      lines: byLevel((level) => level.median),
    },
    latency: {
      title: 'Time until the reply, median',
      xLabel: 'requests in flight',
      yLabel: 'ms',
      x,
      lines: byLevel((level) => level.p50Ms),
      isLogarithmic: true,
    },
    'latency-p99': {
      title: 'Time until the reply, 99 of 100 requests',
      xLabel: 'requests in flight',
      yLabel: 'ms',
      x,
      lines: byLevel((level) => level.p99Ms),
      isLogarithmic: true,
    },
    cpu: {
      title: 'CPU per request: client, worker and broker together',
      xLabel: 'requests in flight',
      yLabel: 'µs',
      x,
      lines: byLevel(cpu),
      isLogarithmic: true,
    },
    emit: {
      title: 'Events, from the first emit until the last is handled',
      xLabel: '',
      yLabel: 'events per second',
      x: [''],
      lines: requestReply.map(({ title, emit }) => ({ name: title, y: [emit.median] })),
    },
  };
  for (const [name, chart] of Object.entries(charts))
    writeFileSync(join(folder, `${name}.svg`), drawChart(chart));
}
