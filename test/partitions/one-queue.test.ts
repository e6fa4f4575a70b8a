import { Redis, type Cluster } from 'ioredis';
import { ElkMqClient, ElkMqServer, QueueAdmin } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { clusterOf, startServers } from '../support/cluster.js';
import { elkmqJson } from '../support/command-line.js';
import { healthOf } from '../support/health.js';
import { listening, told, valuesOf } from '../support/nest.js';
import { closing, newQueueName, redisMajor, until } from '../support/queue.js';
import { mayRun } from '../support/test-redis.js';

/** Starts a server that answers `double` and counts the events `count`. */
async function startServer(queue: string, redis: Cluster, partitions: number) {
  const server = new ElkMqServer({ queue, redis, partitions });
  const seen = { count: 0 };
  server.addHandler('double', (value: unknown) => Promise.resolve(2 * Number(value)), false);
  const count = (): Promise<void> => {
    seen.count++;
    return Promise.resolve();
  };
  server.addHandler('count', count, true);
  return { server: await listening(server), seen };
}

function startClient(queue: string, redis: Cluster, partitions: number): ElkMqClient {
  return closing(new ElkMqClient({ queue, redis, partitions }));
}

it('client, server, admin, health and command line see a queue with partitions as one queue', async () => {
  const servers = await startServers(3);
  const cluster = clusterOf(servers);
  const queue = newQueueName();
  const { server, seen } = await startServer(queue, cluster, 4);
  const client = startClient(queue, cluster, 4);
  const admin = closing(new QueueAdmin(queue, cluster));
  for (let n = 0; n < 8; n++) await told(client.emit('count', n));
  await until(() => seen.count === 8);
  for (const source of [client, server, admin]) {
    await until(async () => (await source.state()).running === 0);
    expect(await source.state()).toMatchObject({ waiting: 0, workers: 1, partitions: 4 });
    expect(await healthOf(source, { minWorkers: 1 })).toMatchObject({ status: 'up', partitions: 4 });
  }
  expect(await admin.workers()).toMatchObject([{ queue, pid: process.pid, handlers: ['count', 'double'] }]);
  const sent = await elkmqJson(['send', queue, 'double', '21', '--cluster'], {
    url: String(servers[0]?.url),
  });
  expect(sent).toMatchObject({ code: 0, json: { values: [42], error: null } });
  const rates = await admin.rates();
  expect(rates.length).toBeGreaterThanOrEqual(60);

  await admin.pause();
  await until(async () => (await admin.workers()).every(({ paused }) => paused));
  for (let n = 0; n < 8; n++) await told(client.emit('count', n));
  expect(await admin.state()).toMatchObject({ waiting: 8, running: 0 });
  await admin.resume();
  await until(() => seen.count === 16);
});

it('a worker of 8 partitions on 4 masters has at most 21 sockets, and a client 6 where replies are pushed', async () => {
  const servers = await startServers(4);
  const cluster = clusterOf(servers);
  const queue = newQueueName();
  const admins = servers.map(({ adminUrl }) => new Redis(adminUrl));
  for (const admin of admins) closing({ close: () => admin.quit() });
  /** All sockets, and those that carry the commands of the queue. ioredis asks for the state of the Cluster by some others. */
  const sockets = async (): Promise<[all: number, used: number]> => {
    const lists = await Promise.all(admins.map((admin) => admin.client('LIST') as Promise<string>));
    const all = lists.flatMap((list) => list.match(/^id=.*$/gm) ?? []);
    return [all.length, all.filter((line) => !/ cmd=(?:cluster|NULL|info)/.test(line)).length];
  };
  /** How many connections to the Cluster were made: ioredis asks for the state of the Cluster once for each. */
  const connections = async (): Promise<number> => {
    const stats = await Promise.all(admins.map((admin) => admin.info('commandstats')));
    const calls = stats.map((text) => Number(/cmdstat_cluster\|info:calls=(\d+)/.exec(text)?.[1] ?? 0));
    return calls.reduce((sum, count) => sum + count, 0);
  };
  await cluster.set('warm', 1);
  const before = await sockets();
  const made = await connections();
  // Redis 6 does not count CLUSTER INFO by itself.
  const expectMade = async (count: number): Promise<void> => {
    if (made > 0) expect((await connections()) - made).toBe(count);
  };
  const added = async (): Promise<{ all: number; used: number }> => {
    const [all, used] = await sockets();
    return { all: all - before[0], used: used - before[1] };
  };
  await startServer(queue, cluster, 8);
  // Each partition has a read that waits, and there is one connection to each master for the scripts.
  await until(async () => (await added()).used === 8 + 4);
  expect((await added()).all).toBeLessThanOrEqual(21);
  await expectMade(8 + 1);
  const client = startClient(queue, cluster, 8);
  for (let n = 0; n < 16; n++) await told(client.emit('count', n));
  expect(await valuesOf(client.send('double', 4))).toEqual([8]);
  // One subscription or read for the replies, and one connection to each master.
  await until(async () => (await added()).used === 8 + 4 + 1 + 4);
  for (let n = 0; n < 16; n++) await told(client.emit('count', n));
  expect((await added()).used).toBe(8 + 4 + 1 + 4);
  // A read is on a connection to the Cluster of its own, which hears of changes too.
  const ownConnections = mayRun('ssubscribe') && redisMajor >= 7 ? 0 : 1;
  expect((await added()).all).toBeLessThanOrEqual(21 + 6 + ownConnections);
  await expectMade(8 + 1 + 1 + ownConnections);
});
