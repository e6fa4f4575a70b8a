import { describeMachine, packageVersions, type Machine } from './machine.js';
import type { Settings } from './options.js';
import type { Emission, Level, Participant } from './processes.js';
import type { Turn } from './rounds.js';
import { median, type Interval } from './statistics.js';
import { oursFor, type TransportName } from './transports/index.js';
import { totalCpu, type Usage } from './usage.js';

/** What has to be looked at before the load, which would show in it. */
export interface Start {
  readonly startedAt: string;
  readonly machine: Machine;
}

export function describeStart(): Start {
  return { startedAt: new Date().toISOString(), machine: describeMachine() };
}

/** Everything a run has found out: what `--json` writes and what the table is made from. */
export interface Report extends Start {
  readonly versions: { node: string; brokers: string[]; packages: Record<string, string> };
  readonly settings: Settings;
  /** Who took part and where, such as "one client and one worker". Reports of before have none. */
  readonly surroundings?: string[];
  readonly skipped: Skipped[];
  readonly failed: FailedTransport[];
  readonly requestReply: TransportResult[];
  /** What the brokers say at the end, a sentence each. Reports of before have none. */
  readonly notes?: string[];
  /** The runs of which this is made, see `joinReports`. Absent in the report of one run. */
  readonly runs?: readonly RunTargets[];
}

/** What one run had of the figures that have a target. */
export interface RunTargets {
  readonly startedAt: string;
  readonly targets: readonly Target[];
}

/** What the figures shall at least come to. */
export interface Target {
  readonly what: string;
  readonly value: number;
  /** The interval of the median; the value itself where something is measured once. */
  readonly interval: Interval;
  readonly bound: number;
  readonly is: 'at least' | 'at most';
}

export interface Skipped {
  readonly transport: TransportName;
  /** Such as "nats-server is not installed". */
  readonly reason: string;
}

/** It has the figures of the rounds before, if there are any. */
export interface FailedTransport {
  readonly transport: TransportName;
  /** Absent when its broker or its processes did not start. */
  readonly round?: number;
  readonly reason: string;
}

export interface TransportResult {
  readonly transport: TransportName;
  readonly title: string;
  readonly stores: boolean;
  readonly keeps: string;
  /** Empty for one that carries only events. */
  readonly levels: LevelResult[];
  /** Absent for one that carries only requests. */
  readonly emit?: EmitResult;
}

export interface EmitResult {
  /** Events per second until the last was handled, and over them the median, the lowest and the highest round. */
  readonly rounds: number[];
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** CPU of client, worker and broker for one event, µs, round by round. Reports of before have none. */
  readonly cpuRoundsUs?: number[];
  /** Events that never came, in all rounds. */
  readonly lost: number;
  readonly usage: Usage;
}

export interface LevelResult {
  readonly inFlight: number;
  /** Requests per second, and over them the median, the lowest and the highest round. */
  readonly rounds: number[];
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The p50 of each round, for comparing round by round. */
  readonly p50RoundsMs: number[];
  /** CPU of client, worker and broker for one request, µs, round by round. Reports of before have none. */
  readonly cpuRoundsUs?: number[];
  /** Medians of what the rounds had. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly usage: Usage;
}

/** What requests came to with so many in flight. */
export function levelAt({ levels }: TransportResult, inFlight: number): LevelResult | undefined {
  return levels.find((level) => level.inFlight === inFlight);
}

/** What a transport is compared with, when it took part: ElkMQ under the same conditions. */
export function oursBeside(
  { requestReply }: Report,
  { transport }: TransportResult,
): TransportResult | undefined {
  const ours = oursFor(transport);
  return transport === ours ? undefined : requestReply.find((result) => result.transport === ours);
}

export function makeReport(
  start: Start,
  settings: Settings,
  surroundings: string[],
  { skipped, failed }: Pick<Report, 'skipped' | 'failed'>,
  participants: readonly Participant[],
  turns: readonly Turn[],
  notes: string[],
): Report {
  const brokers = participants.flatMap(({ broker }) => broker.software ?? []);
  return {
    ...start,
    versions: {
      node: process.versions.node,
      brokers: [...new Set(brokers)],
      packages: packageVersions(),
    },
    settings,
    surroundings,
    skipped,
    failed,
    notes,
    requestReply: participants.flatMap((participant) => {
      const ofThis = turns.filter((turn) => turn.participant === participant);
      const emissions = ofThis.flatMap((turn) => ('emission' in turn ? turn.emission : []));
      const levels = settings.levels.flatMap((inFlight) =>
        summarise(
          inFlight,
          ofThis.flatMap((turn) => ('level' in turn && turn.inFlight === inFlight ? turn.level : [])),
        ),
      );
      const { carries } = participant.transport;
      // It broke before it had one turn of each load.
      if (carries !== 'requests' && emissions.length === 0) return [];
      if (carries !== 'events' && levels.length < settings.levels.length) return [];
      return {
        transport: participant.name,
        title: participant.transport.title,
        stores: participant.transport.stores,
        keeps: participant.transport.keeps,
        levels,
        ...(emissions.length > 0 && { emit: summariseEmit(emissions) }),
      };
    }),
  };
}

/** Nothing of a transport that broke before. */
function summarise(inFlight: number, measurements: Level[]): LevelResult[] {
  if (measurements.length === 0) return [];
  const middle = (figure: (level: Level) => number) => median(measurements.map(figure));
  const result = {
    inFlight,
    ...spread(measurements.map(({ requestsPerSecond }) => requestsPerSecond)),
    p50RoundsMs: measurements.map(({ p50Ms }) => p50Ms),
    p50Ms: middle(({ p50Ms }) => p50Ms),
    p99Ms: middle(({ p99Ms }) => p99Ms),
    p999Ms: middle(({ p999Ms }) => p999Ms),
    ...usageOf(measurements),
  };
  return [result];
}

function summariseEmit(emissions: Emission[]): EmitResult {
  return {
    ...spread(emissions.map(({ eventsPerSecond }) => eventsPerSecond)),
    lost: emissions.reduce((sum, { lost }) => sum + lost, 0),
    ...usageOf(emissions),
  };
}

function usageOf(turns: readonly { readonly usage: Usage }[]): { usage: Usage; cpuRoundsUs?: number[] } {
  const usages = turns.map(({ usage }) => usage);
  const cpuRoundsUs = usages.flatMap((usage) => totalCpu(usage) ?? []);
  return { usage: middleUsage(usages), ...(cpuRoundsUs.length > 0 && { cpuRoundsUs }) };
}

export function spread(rounds: number[]): { rounds: number[]; median: number; min: number; max: number } {
  return { rounds, median: median(rounds), min: Math.min(...rounds), max: Math.max(...rounds) };
}

export function middleUsage(usages: readonly Usage[]): Usage {
  const names = Object.keys(usages[0] ?? {}) as (keyof Usage)[];
  return Object.fromEntries(
    names.map((name) => [name, median(usages.flatMap((usage) => usage[name] ?? []))]),
  );
}
