import { CommandLine, runCommand, writeJson } from '../scripts/command-line.js';
import { drawGrowthCharts, type Grown, type GrowthReport } from './growth-report.js';
import { Rig, type Cost } from './growth-rig.js';
import series from './growth-series.js';
import { waitingMessage, waitingRequester, waitingRequestHeap } from './growth-waiting.js';
import { packageVersions } from './machine.js';
import { describeStart } from './report.js';
import { median } from './statistics.js';
import { writeCharts } from './svg.js';
import { describeTargets, growthTargetsOf } from './targets.js';

/** How the cost of a message changes with what there is around it. */

const USAGE = `npm run bench:growth -- [--quick] [--rounds N] [--json FILE] [--charts DIR]`;

async function growthOf(rig: Rig, rounds: number, isQuick: boolean): Promise<Grown[]> {
  const grown: Grown[] = [];
  for (const { title, of, sizes: all, measure } of series) {
    // In quick runs only whether it works.
    const sizes = isQuick ? all.slice(0, 2) : all;
    const costs = sizes.map((): Cost[] => []);
    // In turn, so that a machine that slows down for a while slows all sizes.
    for (let round = 0; round < rounds; round++) {
      for (const [n, size] of sizes.entries()) {
        costs[n]?.push(await measure(rig, size, isQuick ? 200 : 1_500));
        await rig.clear();
      }
    }
    const points = sizes.map((size, n) => pointOf(size, costs[n] ?? []));
    for (const { size, messagesPerSecond, redisUs } of points) {
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

function pointOf(size: number, costs: readonly Cost[]): Grown['points'][number] {
  const messagesPerSecond = median(costs.map((cost) => cost.messagesPerSecond));
  const redisUs = median(costs.map((cost) => cost.redisUs));
  return { size, messagesPerSecond, redisUs };
}

async function measureAll(rig: Rig, rounds: number, isQuick: boolean): Promise<GrowthReport> {
  const start = describeStart();
  const message = await waitingMessage(rig, isQuick ? 2_000 : 100_000);
  console.log(
    `A waiting message takes ${message.bytes.toFixed(0)} bytes of Redis; its payload has ${message.payload}.`,
  );
  const requests = isQuick ? 1_000 : 10_000;
  const heap = await waitingRequestHeap(rig, requests);
  console.log(`A waiting request takes ${heap.toFixed(0)} bytes of heap (${requests} of them).`);
  const requester = await waitingRequester(rig, isQuick ? 1_000 : 20_000);
  const { commandsPerSecond, redisCpu } = requester;
  console.log(
    `A waiting requester sends ${commandsPerSecond.toFixed(2)} commands per second and takes ${(redisCpu * 100).toFixed(2)} % of a core of Redis.`,
  );
  return {
    ...start,
    versions: { node: process.versions.node, packages: packageVersions() },
    waitingMessage: message,
    waitingRequestHeap: heap,
    waitingRequester: requester,
    grown: await growthOf(rig, rounds, isQuick),
  };
}

async function main(): Promise<boolean> {
  const text = { type: 'string' } as const;
  const accepted = { quick: { type: 'boolean' }, rounds: text, json: text, charts: text } as const;
  const command = new CommandLine(process.argv.slice(2), accepted, USAGE);
  const { quick: isQuick = false, rounds, json, charts } = command.flags;
  const jsonFile = command.outputFile('json', json);
  const times = rounds === undefined ? (isQuick ? 1 : 3) : command.wholeNumber('rounds', rounds, 1, 99);
  const rig = await Rig.start();
  try {
    const report = await measureAll(rig, times, isQuick);
    console.log(['', ...describeTargets(growthTargetsOf(report))].join('\n'));
    writeJson(jsonFile, report);
    if (charts !== undefined) writeCharts(charts, drawGrowthCharts(report));
    return true;
  } finally {
    await rig.stop();
  }
}

await runCommand(main);
