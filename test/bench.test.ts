import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Report } from '../bench/report.js';

const program = fileURLToPath(new URL('../dist/tools/bench/run.js', import.meta.url));
const bench = (...args: string[]) => promisify(execFile)(process.execPath, [program, ...args]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elkmq-bench-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('prints a table and writes a report that are complete', { timeout: 120_000 }, async () => {
  const file = join(folder, 'report.json');
  const { stdout } = await bench('--quick', '--rounds', '1', '--only', 'elkmq,tcp', '--json', file);

  for (const inFlight of [1, 64, 256]) {
    const figures = String.raw`[\d,]+ +[\d.]+ +[\d.]+ +[\d,]+ … [\d,]+`;
    expect(stdout).toMatch(new RegExp(`^ *${inFlight} +ElkMQ +${figures}$`, 'm'));
    expect(stdout).toMatch(new RegExp(String.raw`^ *${inFlight} +Nest TCP +${figures} +[\d.]+ ×$`, 'm'));
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
  for (const { levels } of requestReply) {
    expect(levels.map(({ inFlight }) => inFlight)).toEqual([1, 64, 256]);
    for (const { rounds, median, min, max, p50Ms, p99Ms } of levels) {
      expect(rounds).toEqual([median]);
      expect([min, max]).toEqual([median, median]);
      for (const figure of [median, p50Ms, p99Ms]) expect(figure).toBeGreaterThan(0);
    }
  }
});

describe('a flag that cannot be followed is refused with its name', () => {
  test.each([
    [['--only', 'tcp,pigeon'], 'unknown transport "pigeon"; known: elkmq, tcp, redis'],
    [['--rounds', '0'], '--rounds "0": a whole number'],
    [['--json', 'no/such/folder/report.json'], '--json "no/such/folder/report.json"'],
    [['--slow'], "Unknown option '--slow'"],
  ])('%j', async (args, message) => {
    const refusal = await bench(...args).catch((error: unknown) => error as { code: number; stderr: string });
    expect(refusal).toHaveProperty('code', 2);
    expect(refusal.stderr).toContain(message);
  });
});
