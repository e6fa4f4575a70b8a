import { describeMachine } from './machine.js';
import { ScaleRig, type ScaleCost } from './scale-rig.js';
import { median, ratio } from './statistics.js';
import { CommandLine, runCommand, writeJson } from '../scripts/command-line.js';

/**
 * The cost of a message at Redis for 1, 2, 4 and 8 partitions on the masters of a local Cluster, and a model of what more
 * machines would do. The cost of one partition predicts the CPU of each master for the other numbers.
 */

const USAGE = `npm run bench:scale -- [--quick] [--messages N] [--rounds N] [--masters N] [--json FILE]`;
const PARTITIONS = [1, 2, 4, 8] as const;
/** The part of a core that is planned to be used. */
const PLANNED_LOAD = 0.7;
const TARGET_PER_SECOND = 1_000_000;

interface Row {
  readonly partitions: number;
  readonly storeUs: number;
  readonly handleUs: number;
  /** Calls for 1,000 messages, while they are handled. */
  readonly handlingCalls: number;
  /** Of the cost at Redis to that with one partition, round by round. */
  readonly timesOne: number;
  /** The CPU of the busiest loaded master, by the mean of the loaded ones. */
  readonly busiest: number;
  /** Measured by predicted CPU of the master that is furthest from the model. */
  readonly furthestFromModel: number;
}

await runCommand(async () => {
  const text = { type: 'string' } as const;
  const flags = {
    quick: { type: 'boolean' },
    messages: text,
    rounds: text,
    masters: text,
    json: text,
  } as const;
  const command = new CommandLine(process.argv.slice(2), flags, USAGE);
  const { quick = false, json } = command.flags;
  const { messages = quick ? '16000' : '160000', rounds = quick ? '1' : '5', masters = '4' } = command.flags;
  const file = command.outputFile('json', json);
  const total = command.wholeNumber('messages', messages, 1_600, 10_000_000);
  const count = command.wholeNumber('rounds', rounds, 1, 100);
  const servers = command.wholeNumber('masters', masters, 3, 8);
  const machine = describeMachine();
  const rig = await ScaleRig.start(servers);
  const costs = new Map<number, ScaleCost[]>(PARTITIONS.map((partitions) => [partitions, []]));
  try {
    for (let round = 0; round < count; round++)
      for (const [partitions, all] of costs) all.push(await rig.measure(partitions, total));
  } finally {
    await rig.stop();
  }
  const rows = PARTITIONS.map((partitions) => rowOf(partitions, costs));
  const one = costs.get(1) ?? [];
  const plan = planFor(one);
  console.log(describe(rows, plan, one));
  writeJson(file, {
    machine,
    messages: total,
    rounds: count,
    masters: servers,
    rows,
    plan,
    costs: [...costs],
  });
  return true;
});

function rowOf(partitions: number, costs: ReadonlyMap<number, ScaleCost[]>): Row {
  const all = costs.get(partitions) ?? [];
  const one = costs.get(1) ?? [];
  const far = all.map((cost, round) => furthest(cost, one[round] as ScaleCost));
  return {
    partitions,
    storeUs: median(all.map(({ storeUs }) => storeUs)),
    handleUs: median(all.map(({ handleUs }) => handleUs)),
    handlingCalls: median(all.map((cost) => cost.handlingCalls)),
    timesOne: ratio(all.map(redisUs), one.map(redisUs)),
    busiest: median(all.map(busiest)),
    furthestFromModel: median(far),
  };
}

function redisUs({ storeUs, handleUs }: ScaleCost): number {
  return storeUs + handleUs;
}

function busiest({ masters }: ScaleCost): number {
  const loaded = masters.filter(({ messages }) => messages > 0);
  const mean = loaded.reduce((sum, { cpuUs }) => sum + cpuUs, 0) / loaded.length;
  return Math.max(...loaded.map(({ cpuUs }) => cpuUs)) / mean;
}

/** The model says: messages of the master × cost of a message with one partition. */
function furthest({ masters }: ScaleCost, one: ScaleCost): number {
  const ratios = masters
    .filter(({ messages }) => messages > 0)
    .map(({ messages, cpuUs }) => cpuUs / (messages * redisUs(one)));
  return ratios.reduce((worst, each) =>
    Math.abs(Math.log(each)) > Math.abs(Math.log(worst)) ? each : worst,
  );
}

/** The cost of a message in each process, and what the target needs of each. */
function planFor(one: readonly ScaleCost[]) {
  const middle = (figure: (cost: ScaleCost) => number): number => median(one.map(figure));
  const cores = (us: number): number => Math.ceil((us * TARGET_PER_SECOND) / 1e6 / PLANNED_LOAD);
  const [redis, client, worker] = [middle(redisUs), middle((c) => c.clientUs), middle((c) => c.workerUs)];
  return {
    perMessage: {
      redisUs: redis,
      clientUs: client,
      workerUs: worker,
      bytesIn: middle((cost) => cost.bytesIn),
      bytesOut: middle((cost) => cost.bytesOut),
      memoryBytes: middle((cost) => cost.memoryBytes),
    },
    plannedLoad: PLANNED_LOAD,
    perSecond: TARGET_PER_SECOND,
    masters: cores(redis),
    clients: cores(client),
    workers: cores(worker),
  };
}

function describe(rows: readonly Row[], plan: ReturnType<typeof planFor>, one: readonly ScaleCost[]): string {
  const { perMessage: cost, perSecond } = plan;
  const mbit = (bytes: number): string => ((bytes * perSecond * 8) / 1e6).toFixed(0);
  return [
    ...rows.map(
      (row) =>
        `P = ${row.partitions}: stored ${row.storeUs.toFixed(2)} µs, handled ${row.handleUs.toFixed(2)} µs ` +
        `by ${row.handlingCalls.toFixed(0)} calls per 1,000, ` +
        `${row.timesOne.toFixed(2)} × one; busiest master ${row.busiest.toFixed(2)} × mean; ` +
        `furthest from the model ${row.furthestFromModel.toFixed(2)}`,
    ),
    `A master that is idle: ${median(one.map(({ idleUs }) => idleUs)).toFixed(0)} µs a second`,
    `A message: Redis ${cost.redisUs.toFixed(1)} µs, client ${cost.clientUs.toFixed(1)} µs, ` +
      `worker ${cost.workerUs.toFixed(1)} µs, ${cost.bytesIn.toFixed(0)} bytes to Redis, ` +
      `${cost.bytesOut.toFixed(0)} from it, ${cost.memoryBytes.toFixed(0)} bytes while it waits`,
    `${perSecond} a second, with ${plan.plannedLoad * 100} % of each core: ${plan.masters} masters, ` +
      `${plan.clients} cores for clients, ${plan.workers} for workers, ` +
      `${mbit(cost.bytesIn)} Mbit/s to Redis and ${mbit(cost.bytesOut)} Mbit/s from it`,
  ].join('\n');
}
