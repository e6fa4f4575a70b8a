import { describeMachine, packageVersions, type Machine } from './machine.js';
import type { Measurement } from './load.js';
import type { Settings } from './options.js';
import type { Participant, Turn } from './rounds.js';
import { median } from './statistics.js';
import type { TransportName } from './transports/index.js';

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
  readonly skipped: Skipped[];
  readonly requestReply: TransportResult[];
}

export interface Skipped {
  readonly transport: TransportName;
  readonly missing: string;
}

export interface TransportResult {
  readonly transport: TransportName;
  readonly title: string;
  readonly keeps: string;
  readonly levels: LevelResult[];
}

export interface LevelResult {
  readonly inFlight: number;
  /** Requests per second, and over them the median, the lowest and the highest round. */
  readonly rounds: number[];
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Medians of what the rounds had. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export function makeReport(
  start: Start,
  settings: Settings,
  skipped: Skipped[],
  participants: readonly Participant[],
  turns: readonly Turn[],
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
    skipped,
    requestReply: participants.map((participant) => {
      const ofThis = turns.filter((turn) => turn.participant === participant);
      return {
        transport: participant.name,
        title: participant.transport.title,
        keeps: participant.transport.keeps,
        levels: settings.levels.map((inFlight, level) =>
          summarise(
            inFlight,
            ofThis.flatMap(({ measurements }) => measurements[level] ?? []),
          ),
        ),
      };
    }),
  };
}

function summarise(inFlight: number, measurements: Measurement[]): LevelResult {
  const rounds = measurements.map(({ requestsPerSecond }) => requestsPerSecond);
  return {
    inFlight,
    rounds,
    median: median(rounds),
    min: Math.min(...rounds),
    max: Math.max(...rounds),
    p50Ms: median(measurements.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(measurements.map(({ p99Ms }) => p99Ms)),
  };
}
