import {
  middleUsage,
  spread,
  type EmitResult,
  type LevelResult,
  type Report,
  type TransportResult,
} from './report.js';
import { median } from './statistics.js';
import { targetsOf } from './targets.js';

/**
 * Joins the reports of several runs of one machine: their rounds are those of one longer run. A transport that is not in
 * all of them is left out.
 * @throws {Error} when there is no report, or they differ in what was measured
 */
export function joinReports(reports: readonly Report[]): Report {
  const [first] = reports;
  if (first === undefined) throw new Error('there is no report to join');
  for (const report of reports)
    if (conditionsOf(report) !== conditionsOf(first))
      throw new Error(
        `the runs of ${first.startedAt} and ${report.startedAt} differ in machine, versions, load or length of a turn`,
      );
  const requestReply = first.requestReply.flatMap((result) => {
    const others = reports.flatMap(
      (report) => report.requestReply.find(({ transport }) => transport === result.transport) ?? [],
    );
    return others.length === reports.length ? [joinResults(result, others)] : [];
  });
  return {
    ...first,
    settings: { ...first.settings, rounds: sum(reports.map(({ settings }) => settings.rounds)) },
    failed: reports.flatMap(({ failed }) => failed),
    notes: reports.flatMap(({ notes = [] }, run) => notes.map((note) => `Run ${String(run + 1)}: ${note}`)),
    requestReply,
    runs: reports.map((report) => ({ startedAt: report.startedAt, targets: targetsOf(report) })),
  };
}

/** What must be the same in all runs, as text. */
function conditionsOf({ machine, versions, settings, surroundings }: Report): string {
  const { cpu, cores } = machine;
  const { levels, measureMs } = settings;
  return JSON.stringify([cpu, cores, versions, levels, measureMs, surroundings]);
}

function joinResults(first: TransportResult, all: readonly TransportResult[]): TransportResult {
  const emits = all.flatMap(({ emit }) => emit ?? []);
  return {
    ...first,
    levels: first.levels.map((level) =>
      joinLevels(
        level,
        all.flatMap(({ levels }) => levels.find(({ inFlight }) => inFlight === level.inFlight) ?? []),
      ),
    ),
    ...(emits.length > 0 && { emit: joinEmits(emits) }),
  };
}

function joinLevels({ inFlight }: LevelResult, all: readonly LevelResult[]): LevelResult {
  const p50RoundsMs = all.flatMap((level) => level.p50RoundsMs);
  return {
    inFlight,
    ...joinRounds(all),
    p50RoundsMs,
    p50Ms: median(p50RoundsMs),
    p99Ms: median(all.map(({ p99Ms }) => p99Ms)),
    p999Ms: median(all.map(({ p999Ms }) => p999Ms)),
  };
}

function joinEmits(all: readonly EmitResult[]): EmitResult {
  return { ...joinRounds(all), lost: sum(all.map(({ lost }) => lost)) };
}

function joinRounds(all: readonly (LevelResult | EmitResult)[]) {
  const cpuRoundsUs = all.flatMap((each) => each.cpuRoundsUs ?? []);
  return {
    ...spread(all.flatMap(({ rounds }) => rounds)),
    usage: middleUsage(all.map(({ usage }) => usage)),
    ...(cpuRoundsUs.length > 0 && { cpuRoundsUs }),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
