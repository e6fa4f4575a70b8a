import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { ElkMqClient, ElkMqServer, type ElkMqServerOptions } from 'nestjs-elkmq';
import type { Outcome, BenchWorker } from './transports/bench-transport.js';
import { startNestWorker } from './transports/nest.js';
import { startRedis, type PrivateRedis } from '../scripts/redis.js';
import { ECHO, EVENT } from './payload.js';
import { cpuOf } from './usage.js';

/** What one load came to. */
export interface Cost {
  readonly messagesPerSecond: number;
  readonly redisUs: number;
}

/** What Redis does, whoever asks for it. */
export interface RedisLoad {
  readonly commandsPerSecond: number;
  /** As a part of one core. */
  readonly redisCpu: number;
}

/** A Redis of its own with servers and clients in this process: what counts is how the figures change, not how high they are. */
export class Rig {
  readonly #open: { close(): unknown }[] = [];
  /** Events that the servers have handled. */
  handled = 0;

  private constructor(
    private readonly redis: PrivateRedis,
    readonly direct: Redis,
  ) {}

  static async start(): Promise<Rig> {
    Logger.overrideLogger(false);
    const redis = await startRedis({ args: ['--maxclients', '9000'] });
    return new Rig(redis, new Redis(redis.url));
  }

  async server(queue: string, options: Partial<ElkMqServerOptions> = {}): Promise<void> {
    const strategy = new ElkMqServer({ queue, url: this.redis.url, ...options });
    const worker: BenchWorker = await startNestWorker({ strategy }, () => this.handled++);
    this.#open.push(worker);
  }

  async client(queue: string): Promise<ElkMqClient> {
    const client = new ElkMqClient({
      queue,
      url: this.redis.url,
      timeout: 600_000,
      eventTimeout: 60_000_000,
    });
    await client.connect();
    this.#open.push(client);
    return client;
  }

  /** Calls Redis makes nobody wait for: `script` is run with `count` in lots. */
  async fill(script: string, keys: string[], count: number, ...args: (string | number)[]): Promise<void> {
    const lot = 10_000;
    for (let from = 0; from < count; from += lot) {
      await this.direct.eval(script, keys.length, ...keys, from, Math.min(lot, count - from), ...args);
    }
  }

  async usedMemory(): Promise<number> {
    return Number(/^used_memory:(\d+)/m.exec(await this.direct.info('memory'))?.[1]);
  }

  /** Redis counts its CPU more finely than the system does. */
  async redisLoad(ms: number): Promise<RedisLoad> {
    const read = async () => {
      const info = await this.direct.info('everything');
      const figure = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]);
      return {
        at: performance.now(),
        commands: figure('total_commands_processed'),
        cpu: figure('used_cpu_user') + figure('used_cpu_sys'),
      };
    };
    const before = await read();
    await sleep(ms);
    const after = await read();
    const seconds = (after.at - before.at) / 1_000;
    return {
      commandsPerSecond: (after.commands - before.commands) / seconds,
      redisCpu: (after.cpu - before.cpu) / seconds,
    };
  }

  /** Keeps `inFlight` of `calls`, in turn, under way for `ms`; `count` says how many messages have come through. */
  async measure(calls: (() => Outcome)[], inFlight: number, ms: number, count?: () => number): Promise<Cost> {
    await this.#press(calls, inFlight, ms / 4);
    const counted = count?.() ?? 0;
    const cpu = cpuOf(this.redis.pid) ?? Number.NaN;
    const began = performance.now();
    const completed = await this.#press(calls, inFlight, ms);
    const messages = count ? count() - counted : completed;
    return {
      messagesPerSecond: (messages / (performance.now() - began)) * 1_000,
      redisUs: ((cpuOf(this.redis.pid) ?? Number.NaN) - cpu) / messages,
    };
  }

  /** Closes the servers and clients, and empties Redis. */
  async clear(): Promise<void> {
    for (const some of this.#open.splice(0).reverse()) await some.close();
    await this.direct.flushall();
  }

  async stop(): Promise<void> {
    await this.clear();
    this.direct.disconnect();
    await this.redis.stop();
  }

  #press(calls: (() => Outcome)[], inFlight: number, ms: number): Promise<number> {
    let completed = 0;
    let next = 0;
    let busy = inFlight;
    const end = performance.now() + ms;
    return new Promise((resolve, reject) => {
      const go = (): void => {
        const call = calls[next++ % calls.length] as () => Outcome;
        call().subscribe({
          complete: () => {
            completed++;
            if (performance.now() < end) go();
            else if (--busy === 0) resolve(completed);
          },
          error: reject,
        });
      };
      for (let place = 0; place < inFlight; place++) go();
    });
  }
}

export const ask = (client: ElkMqClient, data: object) => () => client.send<unknown, object>(ECHO, data);
export const emit = (client: ElkMqClient, data: object) => () => client.emit<unknown, object>(EVENT, data);
