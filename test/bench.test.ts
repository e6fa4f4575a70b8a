import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Report } from '../bench/report.js';

const program = fileURLToPath(new URL('../dist/tools/bench/run.js', import.meta.url));
const bench = (...args: string[]) => promisify(execFile)(process.execPath, [program, ...args]);
const comparison = fileURLToPath(new URL('../dist/tools/bench/compare.js', import.meta.url));
const compare = (...args: string[]) => promisify(execFile)(process.execPath, [comparison, ...args]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elkmq-bench-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('prints a table and writes a report that are complete', { timeout: 120_000 }, async () => {
  const file = join(folder, 'report.json');
  const { stdout } = await bench(
    '--quick',
    '--rounds',
    '1',
    '--only',
    'elkmq,tcp',
    '--json',
    file,
    '--charts',
    folder,
  );

  for (const inFlight of [1, 64, 256]) {
    const figures = String.raw`[\d,]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d,]+ … [\d,]+`;
    expect(stdout).toMatch(new RegExp(`^ *${inFlight} +ElkMQ +${figures}`, 'm'));
    expect(stdout).toMatch(
      new RegExp(String.raw`^ *${inFlight} +Nest TCP +${figures} +[\d.]+ × +[\d.]+ ×`, 'm'),
    );
  }

  const report = JSON.parse(await readFile(file, 'utf8')) as Report;
  const { machine, versions, settings, skipped, requestReply } = report;
  expect(machine.cpu).not.toBe('');
  expect(machine.cores).toBeGreaterThan(0);
  expect(machine.memoryGiB).toBeGreaterThan(0);
  expect(versions.node).toBe(process.versions.node);
  expect(versions.brokers.join()).toMatch(/^(Redis|Valkey) \d/);
  expect(Object.keys(versions.packages)).toEqual(
    expect.arrayContaining(['nestjs-elkmq', '@nestjs/core', '@nestjs/microservices', 'ioredis']),
  );
  expect(settings).toMatchObject({ rounds: 1, levels: [1, 64, 256] });
  expect(skipped).toEqual([]);

  expect(requestReply.map(({ transport }) => transport)).toEqual(['elkmq', 'tcp']);
  for (const { levels, emit } of requestReply) {
    expect(emit.median).toBeGreaterThan(0);
    expect(emit.lost).toBe(0);
    expect(levels.map(({ inFlight }) => inFlight)).toEqual([1, 64, 256]);
    for (const { rounds, median, min, max, p50Ms, p99Ms, p999Ms, usage } of levels) {
      expect(rounds).toEqual([median]);
      expect([min, max]).toEqual([median, median]);
      for (const figure of [median, p50Ms, p99Ms, p999Ms]) expect(figure).toBeGreaterThan(0);
      if (process.platform === 'linux') expect(usage.workerCpu).toBeGreaterThan(0);
    }
  }
  expect(requestReply[0]?.levels[0]?.usage.commands).toBeGreaterThan(1);

  for (const chart of ['throughput', 'latency', 'latency-p99', 'cpu', 'emit']) {
    expect(await readFile(join(folder, `${chart}.svg`), 'utf8')).toMatch(/^<svg .*ElkMQ.*<\/svg>\n$/s);
  }

  await writeFile(join(folder, 'slower.json'), JSON.stringify(slowed(report)));
  expect((await compare(file, file)).stdout).toBe('Nothing changed by more than the noise.\n');
  expect((await compare(file, join(folder, 'slower.json'))).stdout).toMatch(
    /^ +-50 % {2}ElkMQ, 64 in flight: req\/s: [\d.]+ → [\d.]+ \(noise 3 %\)\n$/,
  );
});

/** With half of what ElkMQ came to at 64 in flight. */
function slowed(report: Report): Report {
  const copy = structuredClone(report);
  const rounds = copy.requestReply[0]?.levels[1]?.rounds ?? [];
  rounds.forEach((figure, round) => (rounds[round] = figure / 2));
  return copy;
}

describe('a flag that cannot be followed is refused with its name', () => {
  test.each([
    [['--only', 'tcp,pigeon'], 'unknown transport "pigeon"; known: elkmq, elkmq-aof, raw, tcp, redis'],
    [['--rounds', '0'], '--rounds "0": a whole number'],
    [['--json', 'no/such/folder/report.json'], '--json "no/such/folder/report.json"'],
    [['--slow'], "Unknown option '--slow'"],
  ])('%j', async (args, message) => {
    const refusal = await bench(...args).catch((error: unknown) => error as { code: number; stderr: string });
    expect(refusal).toHaveProperty('code', 2);
    expect(refusal.stderr).toContain(message);
  });
});
