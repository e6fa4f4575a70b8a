import { describe, expect, test } from 'vitest';
import { joinReports } from '../../bench/joined-report.js';
import type { Report, TransportResult } from '../../bench/report.js';
import type { TransportName } from '../../bench/transports/index.js';

function resultOf(transport: TransportName, rates: number[]): TransportResult {
  const spread = { rounds: rates, median: 0, min: 0, max: 0 };
  const usage = { clientCpu: rates[0] ?? 0, workerCpu: 1 };
  const level = { inFlight: 256, ...spread, p50RoundsMs: rates, p50Ms: 0, p99Ms: 9, p999Ms: 10, usage };
  const emit = { ...spread, lost: 1, usage };
  return { transport, title: transport, stores: true, keeps: 'all', levels: [level], emit };
}

function reportOf(requestReply: TransportResult[], node = '20.0.0'): Report {
  return {
    startedAt: `2026-01-01 of ${String(requestReply.length)}`,
    machine: { cpu: 'a', cores: 2, memoryGiB: 8, system: 'Linux', loadAverage: 0 },
    versions: { node, brokers: [], packages: {} },
    settings: { rounds: 3, levels: [256], warmUpMs: 1, leadInMs: 1, measureMs: 300, leastAnswers: 1 },
    skipped: [],
    failed: [],
    notes: ['fsync was slow'],
    requestReply,
  };
}

describe('the reports of several runs become one', () => {
  const runs = [
    reportOf([resultOf('elkmq', [100_000, 200_000, 300_000])]),
    reportOf([resultOf('elkmq', [400_000, 500_000, 900_000]), resultOf('redis', [1, 2, 3])]),
  ];

  test('whose rounds are those of all, with the figures that follow from them', () => {
    const joined = joinReports(runs);
    expect(joined.settings.rounds).toBe(6);
    const [level] = joined.requestReply[0]?.levels ?? [];
    const rounds = [100_000, 200_000, 300_000, 400_000, 500_000, 900_000];
    expect(level).toMatchObject({ rounds, median: 350_000, min: 100_000, max: 900_000 });
    expect(level).toMatchObject({ p50RoundsMs: rounds, p50Ms: 350_000, p99Ms: 9 });
    expect(level?.usage).toEqual({ clientCpu: 250_000, workerCpu: 1 });
    expect(joined.requestReply[0]?.emit).toMatchObject({ rounds, median: 350_000, lost: 2 });
    expect(joined.notes).toEqual(['Run 1: fsync was slow', 'Run 2: fsync was slow']);
  });

  test('without the transports that are not in all of them', () => {
    expect(joinReports(runs).requestReply.map(({ transport }) => transport)).toEqual(['elkmq']);
  });

  test('with what each run had of the targets', () => {
    const [one, other] = joinReports(runs).runs ?? [];
    const original = 'req/s at 256, ElkMQ / the original crate';
    expect(one?.targets.find(({ what }) => what === original)?.value).toBeCloseTo(200_000 / 3_200);
    expect(other?.targets.find(({ what }) => what === original)?.value).toBeCloseTo(500_000 / 3_200);
  });

  test('unless they were made with different things, which is refused', () => {
    const other = reportOf([resultOf('elkmq', [1])], '24.0.0');
    expect(() => joinReports([reportOf([]), other])).toThrow(
      'the runs of 2026-01-01 of 0 and 2026-01-01 of 1 differ in machine, versions, load or length of a turn',
    );
    expect(() => joinReports([])).toThrow('there is no report to join');
  });
});
