import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { partitionNames } from 'elkmq/internal';
import { ElkMqClient, ElkMqServer } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { asAdmin, SLOTS, startRedisCluster, type PrivateCluster } from '../scripts/redis-cluster.js';
import type { PrivateRedis } from '../scripts/redis.js';
import { EVENT, PAYLOAD } from './payload.js';

/** The cost of one message, and the share of each master. */
export interface ScaleCost {
  /** CPU of all masters for one message, µs, without what they use when nothing happens. */
  readonly storeUs: number;
  readonly handleUs: number;
  /** CPU of this process for one message, µs: while it only stores, and while it only handles. */
  readonly clientUs: number;
  readonly workerUs: number;
  /** What the masters have received and sent for one message. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Calls of scripts and reads for 1,000 messages, while they are handled. */
  readonly handlingCalls: number;
  /** Memory of the masters for one message that waits. */
  readonly memoryBytes: number;
  /** CPU of an idle master, µs a second. */
  readonly idleUs: number;
  readonly masters: readonly { readonly messages: number; readonly cpuUs: number }[];
}

/** The counters of one master. */
interface Counters {
  readonly atMs: number;
  readonly cpuUs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly calls: number;
  readonly memory: number;
}

const QUEUE = 'bench';
/** The number of messages of each call that stores. Reads of a backlog bring up to 128. */
const BATCH = 100;
/** The number of batches that one partition gets before the next one. Masters that share a core stay warm then. */
const BATCHES_PER_TURN = 20;
const IDLE_MS = 1_000;
/** An event is not worth handling after that, s × 1,000. */
const EVENT_TIMEOUT_MS = 60_000_000;

/** Masters of a Cluster, with clients and workers in this process. A partition is a queue, so it is served as one. */
export class ScaleRig {
  private constructor(private readonly cluster: PrivateCluster) {}

  static async start(masters: number): Promise<ScaleRig> {
    Logger.overrideLogger(false);
    return new ScaleRig(await startRedisCluster(masters));
  }

  /** Stores `total` messages in batches of one size, and then handles them. */
  async measure(partitions: number, total: number): Promise<ScaleCost> {
    await this.#each((admin) => admin.flushall());
    const names = partitionNames(QUEUE, partitions);
    const idleFrom = await this.#counters();
    await sleep(IDLE_MS);
    const idleTo = await this.#counters();
    const idle = idleFrom.map((from, place) => rateOf(from, idleTo[place] as Counters));

    const clients = names.map(
      (queue) => new ElkMqClient({ queue, redis: this.cluster.connect(), eventTimeout: EVENT_TIMEOUT_MS }),
    );
    await Promise.all(clients.map((client) => client.connect()));
    const before = await this.#counters();
    const clientUs = await cpuDuring(async () => {
      for (let sent = 0, turn = 0; sent < total; sent += BATCH, turn++)
        await emitBatch(clients[Math.floor(turn / BATCHES_PER_TURN) % partitions] as ElkMqClient);
    });
    const stored = await this.#counters();
    await Promise.all(clients.map((client) => client.close()));

    const started = await this.#counters();
    const workerUs = await cpuDuring(async () => {
      for (const name of names) await this.#handle(name, total / partitions);
    });
    const handled = await this.#counters();

    const cpuOfStoring = usedCpu(before, stored, idle);
    const cpuOfHandling = usedCpu(started, handled, idle);
    const share = await this.#shares(names, total);
    const each = (from: Counters[], to: Counters[], figure: keyof Counters): number =>
      to.reduce((sum, counters, place) => sum + counters[figure] - (from[place]?.[figure] ?? 0), 0) / total;
    return {
      storeUs: sumOf(cpuOfStoring) / total,
      handleUs: sumOf(cpuOfHandling) / total,
      clientUs: clientUs / total,
      workerUs: workerUs / total,
      bytesIn: each(before, stored, 'bytesIn') + each(started, handled, 'bytesIn'),
      bytesOut: each(before, stored, 'bytesOut') + each(started, handled, 'bytesOut'),
      handlingCalls: each(started, handled, 'calls') * 1_000,
      memoryBytes: each(before, stored, 'memory'),
      idleUs: sumOf(idle) / idle.length,
      masters: share.map((messages, place) => ({
        messages,
        cpuUs: (cpuOfStoring[place] ?? 0) + (cpuOfHandling[place] ?? 0),
      })),
    };
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
  }

  /** One partition after another: masters that share a core would make each other's caches cold. */
  async #handle(queue: string, count: number): Promise<void> {
    const worker = new ElkMqServer({ queue, redis: this.cluster.connect() });
    let handled = 0;
    await new Promise<void>((resolve, reject) => {
      const handle = (): Promise<void> => {
        if (++handled === count) resolve();
        return Promise.resolve();
      };
      worker.addHandler(EVENT, handle, true);
      worker.listen((error?: unknown) => {
        if (error instanceof Error) reject(error);
      });
    });
    await worker.close();
  }

  /** The number of messages that each master has had. */
  async #shares(names: readonly string[], total: number): Promise<number[]> {
    const shares = this.cluster.nodes.map(() => 0);
    const size = Math.ceil(SLOTS / shares.length);
    for (const name of names) {
      const slot = await asAdmin(this.cluster.nodes[0] as PrivateRedis, (admin) =>
        admin.call('CLUSTER', 'KEYSLOT', name),
      );
      const master = Math.floor(Number(slot) / size);
      shares[master] = (shares[master] ?? 0) + total / names.length;
    }
    return shares;
  }

  async #counters(): Promise<Counters[]> {
    return this.#each(async (admin) => {
      const info = await admin.info('everything');
      const figure = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]);
      return {
        atMs: performance.now(),
        cpuUs: (figure('used_cpu_user') + figure('used_cpu_sys')) * 1e6,
        bytesIn: figure('total_net_input_bytes'),
        bytesOut: figure('total_net_output_bytes'),
        calls: [...info.matchAll(/^cmdstat_(?:evalsha|eval|xreadgroup):calls=(\d+)/gm)].reduce(
          (sum, [, calls]) => sum + Number(calls),
          0,
        ),
        memory: figure('used_memory'),
      };
    });
  }

  #each<T>(use: Parameters<typeof asAdmin<T>>[1]): Promise<T[]> {
    return Promise.all(this.cluster.nodes.map((node) => asAdmin(node, use)));
  }
}

async function emitBatch(client: ElkMqClient): Promise<void> {
  const sent = Array.from({ length: BATCH }, () =>
    lastValueFrom(client.emit(EVENT, PAYLOAD), { defaultValue: undefined }),
  );
  await Promise.all(sent);
}

/** The CPU that this process uses, µs. */
async function cpuDuring(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** CPU in µs a second. */
function rateOf(from: Counters, to: Counters): number {
  return ((to.cpuUs - from.cpuUs) / (to.atMs - from.atMs)) * 1_000;
}

/** The CPU of each master, µs, without that of an idle one. */
function usedCpu(from: readonly Counters[], to: readonly Counters[], idle: readonly number[]): number[] {
  return to.map((counters, place) => {
    const { cpuUs, atMs } = from[place] as Counters;
    return counters.cpuUs - cpuUs - ((counters.atMs - atMs) / 1_000) * (idle[place] ?? 0);
  });
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
