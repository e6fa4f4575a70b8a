import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandLine, runCommand, writeJson } from '../scripts/command-line.js';
import { Rig, ask, emit, type Cost } from './growth-rig.js';
import series from './growth-series.js';
import { describeMachine, packageVersions } from './machine.js';
import { PAYLOAD } from './payload.js';
import { median } from './statistics.js';
import { drawChart } from './svg.js';

/** How the cost of a message changes with what there is around it. */

interface Grown {
  readonly title: string;
  readonly of: string;
  readonly points: readonly (Cost & { readonly size: number })[];
}

const USAGE = `npm run bench:growth -- [--quick] [--rounds N] [--json FILE] [--charts DIR]`;

async function growthOf(rig: Rig, rounds: number, isQuick: boolean): Promise<Grown[]> {
  const grown: Grown[] = [];
  for (const { title, of, sizes, measure } of series) {
    const points = [];
    // In quick runs only whether it works.
    for (const size of isQuick ? sizes.slice(0, 2) : sizes) {
      const costs: Cost[] = [];
      for (let round = 0; round < rounds; round++) {
        costs.push(await measure(rig, size, isQuick ? 200 : 1_500));
        await rig.clear();
      }
      const messagesPerSecond = median(costs.map((cost) => cost.messagesPerSecond));
      const redisUs = median(costs.map((cost) => cost.redisUs));
      points.push({ size, messagesPerSecond, redisUs });
      const figures = [
        `${Math.round(messagesPerSecond)} msg/s`.padStart(14),
        `${redisUs.toFixed(1)} µs of Redis each`,
      ];
      console.log(`${title.padEnd(22)} ${String(size).padStart(9)} ${figures.join('  ')}`);
    }
    grown.push({ title, of, points });
  }
  return grown;
}

/** Bytes of Redis for each message that waits, and for each byte of its payload. */
async function waitingMessage(rig: Rig, count: number): Promise<{ bytes: number; payload: number }> {
  const client = await rig.client('bench');
  const before = await rig.usedMemory();
  let left = count;
  await new Promise<void>((resolve, reject) => {
    const next = (): void => {
      emit(client, PAYLOAD)().subscribe({
        complete: () => (--left >= 1_000 ? next() : left === 0 && resolve()),
        error: reject,
      });
    };
    for (let i = 0; i < 1_000; i++) next();
  });
  const bytes = ((await rig.usedMemory()) - before) / count;
  await rig.clear();
  return { bytes, payload: JSON.stringify(PAYLOAD).length };
}

/** Bytes of heap for each request that waits for its reply. */
async function waitingRequest(rig: Rig, count: number): Promise<number> {
  const client = await rig.client('bench');
  const heap = (): number => {
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  const before = heap();
  for (let i = 0; i < count; i++) ask(client, PAYLOAD)().subscribe({ error: () => undefined });
  while ((await rig.direct.xlen('bench(event_stream)')) < count) await sleep(10);
  // The answers to the batches are being read.
  await sleep(200);
  const bytes = (heap() - before) / count;
  await rig.clear();
  return bytes;
}

function draw(folder: string, grown: readonly Grown[]): void {
  mkdirSync(folder, { recursive: true });
  for (const { title, of, points } of grown) {
    const x = points.map(({ size }) => size.toLocaleString('en-US'));
    const name = `growth-${title.toLowerCase().replaceAll(' ', '-')}.svg`;
    const lines = [
      { name: 'messages per second', y: points.map(({ messagesPerSecond }) => messagesPerSecond) },
      { name: 'µs of Redis per message', y: points.map(({ redisUs }) => redisUs) },
    ];
    writeFileSync(
      join(folder, name),
      drawChart({ title, xLabel: of, yLabel: '', x, lines, isLogarithmic: true }),
    );
  }
}

async function main(): Promise<boolean> {
  const text = { type: 'string' } as const;
  const accepted = { quick: { type: 'boolean' }, rounds: text, json: text, charts: text } as const;
  const command = new CommandLine(process.argv.slice(2), accepted, USAGE);
  const { quick: isQuick = false, rounds, json, charts } = command.flags;
  const jsonFile = command.outputFile('json', json);
  const times = rounds === undefined ? (isQuick ? 1 : 3) : command.wholeNumber('rounds', rounds, 1, 99);
  const start = { startedAt: new Date().toISOString(), machine: describeMachine() };
  const rig = await Rig.start();
  try {
    const message = await waitingMessage(rig, isQuick ? 2_000 : 100_000);
    console.log(
      `A waiting message takes ${message.bytes.toFixed(0)} bytes of Redis; its payload has ${message.payload}.`,
    );
    const requests = isQuick ? 1_000 : 10_000;
    const heapBytes = await waitingRequest(rig, requests);
    console.log(`A waiting request takes ${heapBytes.toFixed(0)} bytes of heap (${requests} of them).`);
    const grown = await growthOf(rig, times, isQuick);
    const versions = { node: process.versions.node, packages: packageVersions() };
    writeJson(jsonFile, {
      ...start,
      versions,
      waitingMessage: message,
      waitingRequestHeap: heapBytes,
      grown,
    });
    if (charts !== undefined) draw(charts, grown);
    return true;
  } finally {
    await rig.stop();
  }
}

await runCommand(main);
