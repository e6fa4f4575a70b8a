import { levelAt, type Report, type TransportResult } from './report.js';
import { medianInterval, ratios, type Interval } from './statistics.js';
import { whole } from './table.js';
import { OURS, type TransportName } from './transports/index.js';

/** What to expect, in at most ten lines for the page of the benchmark. Each figure is a range, never one number. */

const COMPARED: readonly TransportName[] = ['redis', 'tcp', 'bullmq'];
const AOF: TransportName = 'elkmq-aof';
const RATE_LEVELS = [64, 256];
const CPU_AT = 64;

export function expectations({ requestReply, settings, machine }: Report): string {
  const find = (name: TransportName) => requestReply.find(({ transport }) => transport === name);
  const ours = find(OURS);
  if (ours === undefined) return '';
  const others = COMPARED.flatMap((name) => find(name) ?? []);
  const aof = find(AOF);
  const lines = [
    ...requestLines(ours),
    ...(ours.emit === undefined
      ? []
      : [`${range(ours.emit.rounds, whole)} events per second, until they are handled`]),
    ...others.flatMap((other) => comparedLine(ours, other)),
    ...(aof === undefined ? [] : aofLine(ours, aof)),
    `measured on ${machine.cores} cores, with one client and one worker`,
  ];
  const about = Number.isFinite(medianInterval(ours.emit?.rounds ?? [])[0])
    ? 'A range has the true median with a chance of 95 %.'
    : `A range goes from the lowest to the highest of ${settings.rounds} rounds, which are too few for more.`;
  return `${lines.map((line) => `- ${line}`).join('\n')}\n\n${about}`;
}

function requestLines(ours: TransportResult): string[] {
  const alone = levelAt(ours, 1);
  const cpu = levelAt(ours, CPU_AT)?.cpuRoundsUs;
  return [
    ...(alone === undefined
      ? []
      : [
          `half of the requests take less than ${range(alone.p50RoundsMs, twoDigits)} ms when one is in flight`,
        ]),
    ...RATE_LEVELS.flatMap((inFlight) => {
      const level = levelAt(ours, inFlight);
      return level === undefined
        ? []
        : [`${range(level.rounds, whole)} requests per second with ${inFlight} in flight`];
    }),
    ...(cpu === undefined
      ? []
      : [
          `${range(cpu, twoDigits)} µs of CPU for a request with ${CPU_AT} in flight, client, worker and Redis together`,
        ]),
  ];
}

function comparedLine(ours: TransportResult, other: TransportResult): string[] {
  const [own, theirs] = [levelAt(ours, CPU_AT), levelAt(other, CPU_AT)];
  if (own === undefined || theirs === undefined) return [];
  const requests = range(ratios(own.rounds, theirs.rounds), twoDigits);
  const events =
    ours.emit && other.emit
      ? `, ${range(ratios(ours.emit.rounds, other.emit.rounds), twoDigits)} times its events`
      : '';
  return [`${requests} times the requests of ${other.title} with ${CPU_AT} in flight${events}`];
}

function aofLine(ours: TransportResult, aof: TransportResult): string[] {
  if (ours.emit === undefined || aof.emit === undefined) return [];
  return [
    `${range(ratios(aof.emit.rounds, ours.emit.rounds), twoDigits)} of the events when Redis writes to disk every second`,
  ];
}

/** The interval of the median, or of all values where there are too few of them. */
function range(values: readonly number[], format: (value: number) => string): string {
  const [low, high]: Interval = medianInterval(values);
  const ends = Number.isFinite(low) ? [low, high] : [Math.min(...values), Math.max(...values)];
  return ends.map(format).join(' to ');
}

function twoDigits(value: number): string {
  return String(Number(value.toPrecision(2)));
}
