import { execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { timer } from 'rxjs';
import { applyLoad } from '../../bench/load.js';
import { expectations } from '../../bench/expectations.js';
import { otherRun, results, summary } from '../../bench/markdown.js';
import type { Report } from '../../bench/report.js';
import type { CallReport } from '../../bench/strace.js';
import { parseSummary, whyNoSystemCalls } from '../../bench/system-calls.js';
import { findServer } from '../../scripts/install-redis.js';
import { until } from '../support/queue.js';

const program = (name: string) =>
  fileURLToPath(new URL(`../../dist/tools/bench/${name}.js`, import.meta.url));
const run = (name: string, args: string[], env: NodeJS.ProcessEnv = {}) =>
  promisify(execFile)(process.execPath, [program(name), ...args], { env: { ...process.env, ...env } });
const bench = (...args: string[]) => run('run', args);
const compare = (...args: string[]) => run('compare', args);
type Refusal = { code: number; stdout: string; stderr: string };
const refusalOf = (running: Promise<unknown>) => running.catch((error: unknown) => error as Refusal);

const published = new URL('../../docs/benchmarks/report.json', import.meta.url);
/** The first run builds programs in Go and Rust. */
const BUILD_MS = 900_000;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elkmq-bench-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('prints a table and writes a report that are complete', async () => {
  const file = join(folder, 'report.json');
  const { stdout } = await bench(
    '--quick',
    '--rounds',
    '1',
    '--only',
    'elkmq,raw,tcp,bullmq',
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

  expect(stdout).toMatch(/^ +req\/s at 64, ElkMQ \/ Nest TCP +[\d.]+ +≥ 0\.6 +open$/m);

  const report = JSON.parse(await readFile(file, 'utf8')) as Report;
  const { machine, versions, settings, skipped, failed, requestReply } = report;
  expect(machine.cpu).not.toBe('');
  expect(machine.cores).toBeGreaterThan(0);
  expect(machine.memoryGiB).toBeGreaterThan(0);
  expect(versions.node).toBe(process.versions.node);
  expect(versions.brokers.join()).toMatch(/^(Redis|Valkey) \d/);
  expect(Object.keys(versions.packages)).toEqual(
    expect.arrayContaining(['nestjs-elkmq', '@nestjs/core', '@nestjs/microservices', 'ioredis']),
  );
  expect(settings).toMatchObject({ rounds: 1, levels: [1, 64, 256] });
  expect([skipped, failed]).toEqual([[], []]);

  expect(requestReply.map(({ transport }) => transport)).toEqual(['elkmq', 'raw', 'tcp', 'bullmq']);
  for (const { levels, emit } of requestReply) {
    expect(emit?.median).toBeGreaterThan(0);
    expect(emit?.lost).toBe(0);
    expect(levels.map(({ inFlight }) => inFlight)).toEqual([1, 64, 256]);
    for (const { rounds, median, min, max, p50Ms, p99Ms, p999Ms, usage, cpuRoundsUs } of levels) {
      if (process.platform === 'linux') expect(cpuRoundsUs).toHaveLength(1);
      expect(rounds).toEqual([median]);
      expect([min, max]).toEqual([median, median]);
      for (const figure of [median, p50Ms, p99Ms, p999Ms]) expect(figure).toBeGreaterThan(0);
      if (process.platform === 'linux') expect(usage.workerCpu).toBeGreaterThanOrEqual(0);
    }
    // Linux counts in steps of 10 ms, so a short level on a busy machine may cost none.
    const workerCpu = levels.reduce((sum, { usage }) => sum + (usage.workerCpu ?? 0), 0);
    if (process.platform === 'linux') expect(workerCpu).toBeGreaterThan(0);
  }
  expect(requestReply[0]?.levels[0]?.usage.commands).toBeGreaterThan(1);

  for (const chart of ['throughput', 'latency', 'latency-p99', 'cpu', 'emit']) {
    expect(await readFile(join(folder, `${chart}.svg`), 'utf8')).toMatch(/^<svg .*ElkMQ.*<\/svg>\n$/s);
  }
  const speed = String.raw`[\d,]+ requests per second with 64 in flight, [\d,]+ events per second, p50 [\d.]+ ms with one in flight`;
  for (const title of ['ElkMQ', 'Nest TCP']) {
    expect(summary(report)).toMatch(new RegExp(`^${title}: ${speed}[.;]$`, 'm'));
  }
  expect(results(report)).toMatch(/^\| req\/s at 64, ElkMQ \/ BullMQ \| [\d.]+ \| {2}\| ≥ 7 \| open \|$/m);
  const rate = String.raw`[\d,]+ ± \d+ %`;
  const rates = new RegExp(String.raw`^\| Nest TCP( \| ${rate}){4} \|$`, 'm');
  expect(otherRun(report)).toMatch(rates);
  expect(otherRun(report)).toMatch(/^\| Nest TCP( \| \d+\.\d\d){4} \|$/m);
  expect(otherRun(report)).toMatch(/^\| ElkMQ( \| [\d.]+ \/ [\d.]+){3} \| [\d.]+, [\d.]+, [\d.]+ \|$/m);

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

test('a transport that breaks is named with the reason, and costs the others nothing', async () => {
  const server = `#!${process.execPath}
    if (process.argv[2] === '--version') console.log('nats-server: v0.0.0');
    else require('net').createServer((socket) => socket.destroy()).listen(Number(process.argv[5]), '127.0.0.1');
  `;
  const file = join(folder, 'broken.json');
  const programs = join(folder, 'programs');
  await mkdir(programs);
  await writeFile(join(programs, 'nats-server'), server, { mode: 0o755 });

  const args = ['--quick', '--rounds', '1', '--only', 'nats,tcp', '--json', file];
  const broken = await refusalOf(
    run('run', args, { PATH: programs + delimiter + (process.env['PATH'] ?? '') }),
  );

  expect(broken).toHaveProperty('code', 1);
  const { stdout } = broken as Refusal;
  expect(stdout).toMatch(
    /^nats: failed, it did not start: the worker of nats ended too early: error connecting/m,
  );
  expect(stdout).toMatch(/^ *256 +Nest TCP +[\d,]+/m);
  const { requestReply, failed } = JSON.parse(await readFile(file, 'utf8')) as Report;
  expect(failed).toEqual([
    { transport: 'nats', reason: expect.stringMatching(/^the worker of nats ended/) as string },
  ]);
  expect(requestReply.map(({ transport, emit }) => [transport, emit?.rounds.length])).toEqual([['tcp', 1]]);
});

test('each option is compared with ElkMQ without it, and every event comes', async () => {
  const file = join(folder, 'options.json');
  const only = ['elkmq', 'elkmq-deduplicated', 'elkmq-delayed', 'elkmq-one-key', 'elkmq-replicated'];
  const args = ['--quick', '--options', '--rounds', '1', '--only', only.join(), '--json', file];
  const { stdout } = await bench(...args);

  expect(stdout).toMatch(/^ +req\/s at 64, ElkMQ, minReplicas 1 \/ without +[\d.]+ +≥ 0\.6 +open$/m);
  expect(stdout).toMatch(/^ +events\/s, ElkMQ, one ordering key \/ without +[\d.]+ +≥ 0\.6 +open$/m);
  const { requestReply, failed } = JSON.parse(await readFile(file, 'utf8')) as Report;
  expect(failed).toEqual([]);
  expect(requestReply.map(({ transport, emit }) => [transport, emit?.lost])).toEqual(
    only.map((name) => [name, 0]),
  );
});

test('copies of an event and values of a reply are counted one by one, and an event that fails once comes', async () => {
  const file = join(folder, 'handlers.json');
  const only = ['elkmq', 'elkmq-retried', 'elkmq-topic-5', 'elkmq-streamed', 'elkmq-telemetry'];
  const args = ['--quick', '--options', '--rounds', '1', '--only', only.join(), '--json', file];
  const { stdout } = await bench(...args);

  expect(stdout).toMatch(/^ +events\/s, ElkMQ, a copy of 5 \/ without +[\d.]+ +≥ 0\.6 +open$/m);
  expect(stdout).toMatch(/^ +req\/s at 64, ElkMQ, a value of 20 \/ without +[\d.]+ +≥ 0\.6 +open$/m);
  const { requestReply, failed } = JSON.parse(await readFile(file, 'utf8')) as Report;
  expect(failed).toEqual([]);
  expect(requestReply.map(({ transport, levels, emit }) => [transport, levels.length, emit?.lost])).toEqual([
    ['elkmq', 3, 0],
    ['elkmq-retried', 0, 0],
    ['elkmq-topic-5', 0, 0],
    ['elkmq-streamed', 3, undefined],
    ['elkmq-telemetry', 3, 0],
  ]);
  const plain = requestReply[0]?.levels[0]?.usage;
  const streamed = requestReply[3]?.levels[0]?.usage;
  // A request with 20 values costs Redis more commands than one with one value, and less than 20 of them.
  expect(streamed?.commands).toBeLessThan(plain?.commands ?? 0);
});

test('payloads are compared with the raw loop, and carry what they say', async () => {
  const file = join(folder, 'payloads.json');
  const only = ['elkmq-16k', 'raw-16k', 'elkmq-256k'];
  const args = ['--quick', '--payloads', '--rounds', '1', '--only', only.join(), '--json', file];
  const { stdout } = await bench(...args);

  expect(stdout).toMatch(/^ +req\/s at 64, ElkMQ, 16 KiB \/ raw loop, 16 KiB +[\d.]+ +≥ 0\.6 +open$/m);
  const { requestReply, failed } = JSON.parse(await readFile(file, 'utf8')) as Report;
  expect(failed).toEqual([]);
  // To Redis and back, with the request and with the reply.
  const bytes = requestReply.map(({ levels }) => levels[0]?.usage.bytesIn ?? 0);
  const least = [32, 32, 512].map((kib) => kib * 1_024);
  expect(bytes.map((each, place) => each >= (least[place] ?? Infinity))).toEqual([true, true, true]);
});

test('an Express API is compared in front of ElkMQ and of Nest Redis', async () => {
  const file = join(folder, 'http.json');
  const { stdout } = await bench('--quick', '--http', '--rounds', '1', '--json', file);

  expect(stdout).toMatch(/^ +req\/s at 64, Express, ElkMQ \/ Express, Nest Redis +[\d.]+ +≥ 0\.6 +open$/m);
  const { requestReply, failed } = JSON.parse(await readFile(file, 'utf8')) as Report;
  expect(failed).toEqual([]);
  expect(requestReply.map(({ transport, levels, emit }) => [transport, levels.length, emit?.lost])).toEqual([
    ['http-elkmq', 3, 0],
    ['http-redis', 3, 0],
  ]);
});

// They are fetched from the registries of three languages, and built, which takes minutes.
test.runIf(process.env['BENCH_PEERS'] !== undefined)(
  'peers in other languages, and on another Nest, are installed or built, and measured',
  async () => {
    const file = join(folder, 'peers.json');
    await bench('--quick', '--peers', '--rounds', '1', '--json', file);
    const { requestReply, failed, skipped } = JSON.parse(await readFile(file, 'utf8')) as Report;
    expect(failed).toEqual([]);
    const isThere = (name: string) => !skipped.some(({ transport }) => transport === name);
    expect(requestReply.map(({ transport, levels, emit }) => [transport, levels.length, emit?.lost])).toEqual(
      [
        ['elkmq', 2, 0],
        ['jetstream', 2, undefined],
        ['asynq', 0, 0],
        ['original', 2, 0],
      ].filter(([name]) => isThere(String(name))),
    );
  },
  BUILD_MS,
);

test('without the tools of the peers sentences say which are missing', async () => {
  const { stderr } = await run('run', ['--quick', '--rounds', '1', '--peers'], { PATH: await onlyRedis() });
  expect(stderr).toContain('jetstream: skipped, npm is not installed\n');
  expect(stderr).toContain('asynq: skipped, go is not installed\n');
  expect(stderr).toContain('original: skipped, cargo is not installed\n');
});

/** A folder for the PATH that has nothing but a server. */
async function onlyRedis(): Promise<string> {
  const programs = join(folder, 'only-redis');
  await mkdir(programs);
  await symlink(findServer() ?? '', join(programs, 'redis-server'));
  return programs;
}

test('what to expect is at most ten lines, and each figure is a range', async () => {
  const report = JSON.parse(await readFile(published, 'utf8')) as Report;
  const lines = expectations(report)
    .split('\n')
    .filter((line) => line.startsWith('- '));
  expect(lines.length).toBeGreaterThan(5);
  expect(lines.length).toBeLessThanOrEqual(10);
  for (const line of lines.slice(0, -1)) expect(line).toMatch(/[\d.,]+ to [\d.,]+ /);
  const few = { ...structuredClone(report), settings: { ...report.settings, rounds: 5 } };
  few.requestReply[0]?.emit?.rounds.splice(5);
  expect(expectations(few)).toContain('the lowest to the highest of 5 rounds, which are too few for more');
  // With enough rounds it is the interval, which leaves out the furthest of them.
  expect(expectations(report)).toContain('A range has the true median with a chance of 95 %.');
  const more = structuredClone(report);
  const [ours] = more.requestReply;
  const level = ours?.levels.find(({ inFlight }) => inFlight === 64);
  level?.rounds.splice(0, Infinity, 1, 10, 20, 30, 40, 50, 60, 70, 80, 900);
  expect(expectations(more)).toContain('- 10 to 80 requests per second with 64 in flight');
});

test('system calls are counted for each request, or a sentence says why they are not', async () => {
  const file = join(folder, 'calls.json');
  const args = ['--strace', '--quick', '--only', 'elkmq,redis', '--json', file];
  const { stdout, stderr } = await bench(...args);
  if (whyNoSystemCalls() !== undefined) {
    expect(stderr).toContain('System calls are not counted: strace is not installed');
    return;
  }
  expect(stdout).toMatch(
    /^ElkMQ, 64 in flight, \d+ requests\n {2}client {2}[\d.]+: .*\bepoll_p?wait [\d.]+/m,
  );
  const { levels } = JSON.parse(await readFile(file, 'utf8')) as CallReport;
  expect(levels.map(({ transport, inFlight }) => [transport, inFlight])).toEqual([
    ['elkmq', 1],
    ['elkmq', 64],
    ['redis', 1],
    ['redis', 64],
  ]);
  for (const { client, worker } of levels) {
    for (const calls of [client, worker]) expect(Object.keys(calls).join()).toMatch(/\bepoll_p?wait\b/);
  }
});

test('without strace a sentence says so, and nothing has failed', async () => {
  const { stdout, stderr } = await run('run', ['--strace'], { PATH: '/nowhere' });
  expect([stdout, stderr]).toEqual(['', 'System calls are not counted: strace is not installed\n']);
});

test('the summary of strace is read line by line, with and without errors', () => {
  const summary = `strace: Process 17 attached with 11 threads
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 62.50    0.000005           0        40         3 read
 37.50    0.000003           0         8           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.000008           0        48         3 total
`;
  expect(parseSummary(summary)).toEqual({ read: 40, epoll_wait: 8 });
});

describe('a run under other conditions says so, and has no targets', () => {
  const measure = async (...args: string[]) => {
    const file = join(folder, 'conditions.json');
    const { stdout, stderr } = await bench('--quick', '--rounds', '1', '--json', file, ...args);
    const measured = async () => JSON.parse(await readFile(file, 'utf8')) as Report;
    expect(stdout).not.toContain('Targets:');
    return { stdout, stderr, measured };
  };
  const lostOf = ({ requestReply }: Report) =>
    requestReply.map(({ transport, emit }) => [transport, emit?.lost]);

  test('with several clients and workers, all events count', async () => {
    const { stdout, measured } = await measure('--processes', '3', '--only', 'elkmq,rmq-ack');
    expect(stdout).toContain('emit until handled, 3 clients and 3 workers; 1 × 100 ms');
    const report = await measured();
    expect(report.failed).toEqual([]);
    expect(lostOf(report)).toEqual([
      ['elkmq', 0],
      ['rmq-ack', 0],
    ]);
  });

  test('with handlers that wait, no more at once than the concurrency allows', async () => {
    const waiting = ['--handler-ms', '20', '--concurrency', '1'];
    const { stdout, measured } = await measure(...waiting, '--only', 'elkmq,redis');
    expect(stdout).toContain('handlers that wait for 20 ms, concurrency 1; ');
    const { requestReply } = await measured();
    const [ours, theirs] = requestReply;
    // A timer can be a millisecond early.
    for (const each of [ours, theirs]) expect(each?.levels[0]?.p50Ms).toBeGreaterThanOrEqual(19);
    // Ten answers have nine times 20 ms between them.
    expect(ours?.levels[1]?.median).toBeLessThan(60);
    expect(ours?.emit).toBeUndefined();
  });

  test('with TLS', async () => {
    const { stdout, measured } = await measure('--tls', '--only', 'elkmq,redis');
    expect(stdout).toContain('one client and one worker, TLS; ');
    expect(lostOf(await measured())).toEqual([
      ['elkmq', 0],
      ['redis', 0],
    ]);
  });

  test('over a network, where the machine allows it, and nothing of the network stays', async () => {
    const { stdout, stderr, measured } = await measure('--network', '--delay-ms', '0', '--only', 'elkmq,tcp');
    const links = await promisify(execFile)('ip', ['link']).catch(() => ({ stdout: '' }));
    expect(links.stdout).not.toContain('elkbr');
    if (stderr.startsWith('Nothing is measured over a network, this machine does not allow it: ')) return;
    expect(stdout).toContain('clients, broker and workers in a network namespace each, 0 ms each way; ');
    expect(lostOf(await measured())).toEqual([
      ['elkmq', 0],
      ['tcp', 0],
    ]);
  });
});

test('AOF has a row with the file in memory, and Redis says how long it has waited for the file', async () => {
  const file = join(folder, 'aof.json');
  const names = existsSync('/dev/shm') ? ['elkmq-aof', 'elkmq-aof-memory'] : ['elkmq-aof'];
  await bench('--quick', '--rounds', '1', '--only', names.join(), '--json', file);
  const { requestReply, notes } = JSON.parse(await readFile(file, 'utf8')) as Report;
  expect(requestReply.map(({ transport }) => transport)).toEqual(names);
  for (const note of notes ?? []) {
    expect(note).toMatch(/^ElkMQ, AOF.*: Redis has waited for the fsync of its file \d+ times; /);
  }
  expect(notes).toHaveLength(names.length);
});

test('Ctrl-C ends all that it has started', async () => {
  const place = join(folder, 'interrupted');
  await mkdir(place);
  const child = spawn(process.execPath, [program('run'), '--quick', '--only', 'elkmq'], {
    env: { ...process.env, TMPDIR: place },
  });
  let output = '';
  child.stderr.on('data', (text) => (output += String(text)));
  await until(() => output.includes('req/s at'));
  expect(await readdir(place)).toHaveLength(1);
  child.kill('SIGINT');

  expect(await once(child, 'exit')).toEqual([1, null]);
  expect(output).toMatch(/stopped by SIGINT\n$/);
  // Redis removes nothing itself: its folder goes when it has ended.
  expect(await readdir(place)).toEqual([]);
});

test('a measurement goes on until enough has been answered, however long that takes', async () => {
  const load = { inFlight: 2, leadInMs: 0, measureMs: 1, leastAnswers: 5 };
  const { total, requestsPerSecond, p50Ms } = await applyLoad(() => timer(20), load);
  expect(total).toBeGreaterThanOrEqual(5);
  expect(requestsPerSecond).toBeGreaterThan(0);
  expect(p50Ms).toBeGreaterThan(10);
});

test('a lead-in goes on until as many have answered as are in flight, however long that takes', async () => {
  const load = { inFlight: 10, leadInMs: 1, measureMs: 1, leastAnswers: 20 };
  const { total } = await applyLoad(() => timer(20), load);
  // The lead-in, what is measured, and what is under way then.
  expect(total).toBeGreaterThanOrEqual(10 + 20 + 10);
});

test('a process that the bench has no more use for ends well, also when it has not started yet', async () => {
  const child = fork(program('worker'), ['tcp', 'tcp://127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let output = '';
  child.stderr?.on('data', (text) => (output += String(text)));
  child.disconnect();
  expect([await once(child, 'exit'), output]).toEqual([[0, null], '']);
});

test('the pages and charts show what the reports say', async () => {
  expect(await run('docs', ['--check'])).toEqual({ stdout: '', stderr: '' });
});

describe('a flag that cannot be followed is refused with its name', () => {
  test.each([
    [['--only', 'tcp,pigeon'], 'unknown transport "pigeon"; known: elkmq, elkmq-aof, elkmq-aof-memory, raw'],
    [['--only', 'elkmq-headers'], 'unknown transport "elkmq-headers"; known: elkmq, elkmq-aof'],
    [['--options', '--http'], '--options and --http: one of them is expected'],
    [['--http', '--only', 'elkmq'], 'unknown transport "elkmq"; known: http-elkmq, http-redis'],
    [['--only', 'tcp', '--tls'], '--only tcp: the benchmark has no TLS for it'],
    [['--only', 'redis', '--processes', '2'], '--only redis: its workers do not share the messages'],
    [['--only', 'raw', '--handler-ms', '5'], '--only raw: its handlers cannot wait'],
    [
      ['--options', '--handler-ms', '5'],
      '--handler-ms and --concurrency are for the transports: not with --options',
    ],
    [['--processes', '0'], '--processes "0": a whole number from 1 to 64'],
    [['--delay-ms', '1'], '--delay-ms is expected with --network only'],
    [['--rounds', '0'], '--rounds "0": a whole number'],
    [['--json', 'no/such/folder/report.json'], '--json "no/such/folder/report.json"'],
    [['--slow'], "Unknown option '--slow'"],
  ])('%j', async (args, message) => {
    const refusal = await refusalOf(bench(...args));
    expect(refusal).toHaveProperty('code', 2);
    expect((refusal as Refusal).stderr).toContain(message);
  });
});

test('a file that is no report is not joined, and is named', async () => {
  const file = join(folder, 'no-report.json');
  await writeFile(file, '{}');
  for (const [given, message] of [
    [file, `${file} is no file of npm run bench -- --json FILE`],
    [join(folder, 'missing.json'), 'missing.json cannot be read as JSON: ENOENT'],
  ] as const) {
    const refusal = await refusalOf(run('join', [join(folder, 'joined.json'), given, given]));
    expect(refusal).toHaveProperty('code', 2);
    expect((refusal as Refusal).stderr).toContain(message);
  }
});
