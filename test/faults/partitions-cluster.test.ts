import type { Cluster } from 'ioredis';
import { ElkMqRecordBuilder, type ElkMqClient, type ElkMqContext } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { expect, it } from 'vitest';
import { partitionNames, partitionOf } from '../../libs/elkmq/src/model/partitions.js';
import type { PrivateRedis } from '../../scripts/redis.js';
import { clusterOf, startReplicatedCluster, startServers } from '../support/cluster.js';
import { events, logs, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { clientOf } from '../support/own-redis.js';
import { newQueueName, until } from '../support/queue.js';
import { hasReceived } from '../support/replicas.js';
import { mayRun } from '../support/test-redis.js';

const PARTITIONS = 8;
const KEYS = Array.from({ length: 16 }, (_, n) => `customer-${String(n)}`);

function emitted(client: ElkMqClient, pattern: string, data: unknown): Promise<unknown> {
  return lastValueFrom(client.emit(pattern, data), { defaultValue: undefined });
}

/** The names of the partitions, by the server that has them. */
async function partitionsOf(servers: readonly PrivateRedis[], queue: string): Promise<string[][]> {
  return Promise.all(
    servers.map(async (server) => {
      const keys = await clientOf(server).keys('*');
      return partitionNames(queue, PARTITIONS).filter((name) => keys.includes(`{${name}}(event_stream)`));
    }),
  );
}

/** What handlers have seen: the numbers of each ordering key, in the order of their first attempts. */
class Seen {
  readonly ofKey = new Map<string, number[]>();
  readonly plain = new Set<number>();
  readonly overlaps: string[] = [];
  readonly #running = new Map<string, number>();

  /** @param mayRepeat whether a message may come again: it counts the first time */
  async note(n: number, context: ElkMqContext): Promise<void> {
    const key = context.getOrderingKey();
    if (key === undefined) {
      this.plain.add(n);
      return;
    }
    if (this.#running.has(key) && this.#running.get(key) !== n) this.overlaps.push(key);
    this.#running.set(key, n);
    await new Promise((resolve) => setImmediate(resolve));
    this.#running.delete(key);
    const numbers = this.ofKey.get(key) ?? [];
    if (!numbers.includes(n)) this.ofKey.set(key, [...numbers, n]);
  }
}

/** Sends events with each key one after the other, and events without a key, until it is told to stop. */
class Senders {
  /** The events that were stored. */
  readonly stored = new Map<string, number[]>(KEYS.map((key) => [key, []]));
  readonly plain: number[] = [];
  readonly failures: unknown[] = [];
  readonly keyedFailures: string[] = [];
  #isOver = false;
  readonly #all: Promise<void>[];

  constructor(private readonly client: ElkMqClient) {
    this.#all = [...KEYS.map((key) => this.#sendKeyed(key)), this.#sendPlain()];
  }

  count(): number {
    return this.plain.length + [...this.stored.values()].flat().length;
  }

  async stores(count: number): Promise<void> {
    const before = this.count();
    await until(() => this.count() >= before + count);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#all);
  }

  async #sendKeyed(key: string): Promise<void> {
    for (let n = 0; !this.#isOver; n++) {
      try {
        await emitted(this.client, 'note', new ElkMqRecordBuilder(n).setOrderingKey(key).build());
        this.stored.get(key)?.push(n);
      } catch {
        this.keyedFailures.push(key);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async #sendPlain(): Promise<void> {
    for (let n = 0; !this.#isOver; n++) {
      try {
        await emitted(this.client, 'note', n);
        this.plain.push(n);
      } catch (error) {
        this.failures.push(error);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

async function withoutFullCoverage(servers: readonly PrivateRedis[]): Promise<void> {
  await Promise.all(
    servers.map((server) => clientOf(server).config('SET', 'cluster-require-full-coverage', 'no')),
  );
}

/** A worker and a client of a queue with partitions. */
async function start(redis: Cluster, options: object = {}) {
  const queue = newQueueName();
  const seen = new Seen();
  const address = { queue, partitions: PARTITIONS, redis };
  const handlers = [
    events({ note: (n: number, context: ElkMqContext) => seen.note(n, context) }),
    requests({ double: (n: number) => n * 2 }),
  ];
  await startApp(moduleOf(...handlers), { ...address, ...options });
  const client = startClient({ ...address, enqueueTimeout: 5_000 });
  await client.connect();
  return { queue, seen, client };
}

it('partitions are on all masters, and one worker and one client serve them', async () => {
  const servers = await startServers(4);
  const { queue, seen, client } = await start(clusterOf(servers));
  const senders = new Senders(client);
  await senders.stores(200);
  await senders.end();
  await until(() => seen.plain.size === senders.plain.length);
  await until(() => KEYS.every((key) => seen.ofKey.get(key)?.length === senders.stored.get(key)?.length));
  for (const key of KEYS) expect(seen.ofKey.get(key)).toEqual(senders.stored.get(key));
  expect(seen.overlaps).toEqual([]);
  const answers = Array.from({ length: 10 }, (_, n) => lastValueFrom(client.send<number>('double', n)));
  expect(await Promise.all(answers)).toEqual(Array.from({ length: 10 }, (_, n) => n * 2));
  expect((await partitionsOf(servers, queue)).map((names) => names.length)).toEqual([2, 2, 2, 2]);
  const warnings = logs.filter(
    (line) => line.includes(queue) && line.includes('cluster-require-full-coverage'),
  );
  const both = [expect.stringContaining('[ElkMqServer]'), expect.stringContaining('[ElkMqClient]')];
  // Who may not read the configuration cannot know it.
  expect(warnings).toEqual(mayRun('config|get') ? both : []);
});

it('a master without a replica is killed: only messages with its keys fail, and the rest goes on', async () => {
  const servers = await startServers(4);
  await withoutFullCoverage(servers);
  const { queue, seen, client } = await start(clusterOf(servers));
  const senders = new Senders(client);
  await senders.stores(100);
  const places = await partitionsOf(servers, queue);
  const names = partitionNames(queue, PARTITIONS);
  const isLost = (key: string) => places[3]?.includes(names[partitionOf(key, PARTITIONS)] as string);
  const [lost, kept] = [KEYS.filter(isLost), KEYS.filter((key) => !isLost(key))];
  expect(lost.length).toBeGreaterThan(0);
  expect(kept.length).toBeGreaterThan(0);
  await servers[3]?.kill();

  // The keys of its partitions fail by and by, while everything else is stored and handled.
  await until(() => lost.every((key) => senders.keyedFailures.includes(key)));
  const before = { plain: senders.plain.length, seen: seen.plain.size };
  await until(() => senders.plain.length >= before.plain + 50);
  await until(() => seen.plain.size >= before.seen + 50);
  const counts = new Map(kept.map((key) => [key, senders.stored.get(key)?.length ?? 0]));
  await until(() =>
    kept.every((key) => (senders.stored.get(key)?.length ?? 0) >= Number(counts.get(key)) + 5),
  );
  expect(await lastValueFrom(client.send<number>('double', 21))).toBe(42);
  await senders.end();
  for (const key of kept) expect(senders.keyedFailures).not.toContain(key);
  await until(() => kept.every((key) => seen.ofKey.get(key)?.length === senders.stored.get(key)?.length));
  for (const key of kept) expect(seen.ofKey.get(key)).toEqual(senders.stored.get(key));
  expect(seen.overlaps).toEqual([]);
});

it.each(['once', 'at-least-once'] as const)(
  'with %s, a master is killed and its replica takes over: each key keeps its order',
  async (delivery) => {
    const { cluster, servers } = await startReplicatedCluster();
    await withoutFullCoverage(servers);
    const { queue, seen, client } = await start(cluster, { delivery });
    const senders = new Senders(client);
    await senders.stores(100);
    const places = await partitionsOf(servers.slice(0, 3), queue);
    const names = partitionNames(queue, PARTITIONS);
    const [master, replica] = [servers[0] as PrivateRedis, servers[3] as PrivateRedis];
    const isMoved = (key: string) => places[0]?.includes(names[partitionOf(key, PARTITIONS)] as string);
    // Replication is asynchronous: what is stored last may be lost.
    await hasReceived(master, replica);
    await master.kill();
    await until(async () => /role:master/.test(await clientOf(replica).info('replication')));
    const moved = KEYS.filter(isMoved);
    const counts = new Map(moved.map((key) => [key, senders.stored.get(key)?.length ?? 0]));
    await until(() =>
      moved.every((key) => (senders.stored.get(key)?.length ?? 0) >= Number(counts.get(key)) + 5),
    );
    await senders.end();
    for (const key of KEYS) {
      const last = senders.stored.get(key)?.at(-1);
      await until(() => seen.ofKey.get(key)?.includes(last as number) === true);
      const numbers = seen.ofKey.get(key) ?? [];
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      if (!isMoved(key)) expect(numbers).toEqual(senders.stored.get(key));
    }
    expect(seen.overlaps).toEqual([]);
  },
);
