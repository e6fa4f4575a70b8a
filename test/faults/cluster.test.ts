import { once } from 'node:events';
import keySlot from 'cluster-key-slot';
import type { Cluster } from 'ioredis';
import { ElkMqServer, ServiceEvent } from 'nestjs-elkmq';
import { filter, firstValueFrom, lastValueFrom, type Observable } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SCRIPTS } from '../../libs/elkmq/src/redis/scripts.generated.js';
import {
  clusterOf,
  joinServer,
  startCluster,
  shardOf,
  startServers,
  startUnreliableCluster,
} from '../support/cluster.js';
import { isTransient } from '../../libs/elkmq/src/redis/redis-errors.js';
import { beginMove, endMove, moveSlot } from '../../scripts/redis-cluster.js';
import { newQueue } from '../support/event-queue.js';
import { listening, startClient } from '../support/nest.js';
import { clientOf, type PrivateRedis } from '../support/own-redis.js';
import type { Proxy } from '../support/proxy.js';
import { newQueueName, rejection, until } from '../support/queue.js';

it('all keys of a queue are in one slot', async () => {
  const [server] = (await startServers(1)) as [PrivateRedis];
  const redis = clusterOf([server]);
  const name = newQueueName();
  const queue = newQueue(name, redis);
  await queue.enqueue(new ServiceEvent(10, 'greet', 'hello'));
  const [, event] = await queue.dequeue();
  await queue.close();
  expect(event.payload).toBe('hello');
  const keys = (await clientOf(server).keys('*')).sort();
  expect(keys).toEqual([`{${name}}(event_stream)`, `{${name}}(rates)`]);

  const worker = new ElkMqServer({ queue: name, redis });
  worker.addHandler('double', (value: number) => Promise.resolve(value * 2));
  await listening(worker);
  const client = startClient({ queue: name, redis });
  expect(await firstValueFrom(client.send('double', 21))).toBe(42);
});

it('queues on three servers work, whichever has them, and their workers leave when they are closed', async () => {
  const redis = await startCluster(3);
  const queues = Array.from({ length: 6 }, () => newQueueName());
  const closed = queues.map(async (queue) => {
    const server = new ElkMqServer({ queue, redis });
    server.addHandler('double', (value: number) => Promise.resolve(value * 2));
    await listening(server);
    const client = startClient({ queue, redis });
    expect(await firstValueFrom(client.send('double', 21))).toBe(42);
    await server.close();
    expect(await redis.xinfo('CONSUMERS', `{${queue}}(event_stream)`, 'elkmq')).toEqual([]);
  });
  await Promise.all(closed);
});

it('a worker and a client that wait to connect again can be closed', async () => {
  const [node] = (await startServers(1)) as [PrivateRedis];
  const redis = clusterOf([node]);
  const patient = redis.duplicate([], { lazyConnect: true, clusterRetryStrategy: () => 600_000 });
  const queue = newQueueName();
  const server = new ElkMqServer({ queue, redis: patient });
  server.addHandler('double', (value: number) => Promise.resolve(value * 2));
  await listening(server);
  const client = startClient({ queue, redis: patient });
  expect(await firstValueFrom(client.send('double', 21))).toBe(42);
  const away = [server, client].map(({ status }) =>
    firstValueFrom((status as Observable<string>).pipe(filter((next) => next === 'reconnecting'))),
  );
  await clientOf(node).call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await Promise.all(away);
  await server.close();
  await client.close();
});

it('a client that ioredis has given up while it connected goes on', async () => {
  const redis = await startCluster(1);
  const queue = newQueueName();
  const server = new ElkMqServer({ queue, redis });
  server.addHandler('double', (value: number) => Promise.resolve(value * 2));
  await listening(server);
  const client = startClient({ queue, redis });
  await client.connect();
  const cluster = client.unwrap<Cluster>();
  cluster.once('connecting', () => {
    cluster.disconnect(true);
  });
  cluster.disconnect(true);
  await once(cluster, 'connecting');
  expect(await firstValueFrom(client.send('double', 21))).toBe(42);
});

it('an event that waits while ioredis connects again is stored, also when a redirection came at the end of the connection', async () => {
  const [first] = (await startServers(1)) as [PrivateRedis];
  const queue = newQueueName();
  const client = startClient({ queue, redis: clusterOf([first]) });
  await client.connect();
  // The client does not know this server, so it makes a connection to it at the redirection.
  const second = await joinServer(first);
  const key = `{${queue}}(event_stream)`;
  await moveSlot(Number(await clientOf(first).call('CLUSTER', 'KEYSLOT', key)), first, second, []);
  const cluster = client.unwrap<Cluster>();
  void cluster.exists(key).catch(() => undefined);
  cluster.disconnect(true);
  await lastValueFrom(client.emit('note', 1), { defaultValue: undefined });
  expect(await clientOf(second).exists(key)).toBe(1);
});

describe('while the slot of a queue is on its way to another server,', () => {
  /** A queue whose slot is between two servers, and a client of it. */
  async function startMove() {
    const { cluster, proxies, servers } = await startUnreliableCluster(2);
    const queue = newQueueName();
    const client = startClient({ queue, redis: cluster });
    await client.connect();
    const [key, other] = [`{${queue}}(event_stream)`, `{${queue}}`];
    await cluster.set(other, 'there from before');
    const { master: from } = await shardOf(servers, key);
    const to = servers.find((server) => server !== from) as PrivateRedis;
    await beginMove(keySlot(key), from, to);
    return { client, key, other, from, to, proxies, servers };
  }

  it('a connection may break at the first command to that server', async () => {
    const { client, key, from, to, proxies, servers } = await startMove();
    const failures: unknown[] = [];
    const note = (error: unknown) => failures.push(error);
    process.on('unhandledRejection', note);
    onTestFinished(() => void process.off('unhandledRejection', note));
    proxies[servers.indexOf(to)]?.loseRequests(/asking/i);
    // Its key is not there any more, so the first server asks for a try with the second one.
    await client.unwrap<Cluster>().exists(key).catch(note);
    expect(failures).toEqual([expect.objectContaining({ message: 'Connection is closed.' })]);
    await endMove(keySlot(key), from, to, []);
    await lastValueFrom(client.emit('note', 1), { defaultValue: undefined });
    expect(failures).toHaveLength(1);
  });

  it('a script that misses a key which it has just removed is run again later', async () => {
    const { other, from } = await startMove();
    const admin = clientOf(from);
    const script = "redis.call('DEL', KEYS[1]) return redis.call('EXISTS', KEYS[1])";
    const refused = await rejection(admin.eval(script, 1, other));
    expect(refused).toHaveProperty('message', expect.stringMatching(/non local key/));
    expect(isTransient(refused)).toBe(true);
  });
});

describe('when the connection to one of two servers breaks, the other one stands, and', () => {
  const lost = (proxies: Proxy[]) => proxies.reduce((sum, proxy) => sum + proxy.lost, 0);

  it('an event that was just being taken comes to who takes it', async () => {
    const { cluster, proxies } = await startUnreliableCluster(2);
    const queue = newQueue(newQueueName(), cluster);
    await queue.enqueue(new ServiceEvent(60, 'greet', 'hello'));
    for (const proxy of proxies) proxy.loseAnswers(new RegExp(SCRIPTS.settle.sha1));
    const [, event] = await queue.dequeueBlocking(10);
    expect(event.payload).toBe('hello');
    expect(lost(proxies)).toBeGreaterThan(0);
  });

  it('what was handed out, and did not arrive, is handled', async () => {
    const { cluster, proxies } = await startUnreliableCluster(2);
    const queue = newQueueName();
    const seen: unknown[] = [];
    const server = new ElkMqServer({ queue, redis: cluster });
    server.addHandler('count', (data: unknown) => Promise.resolve(seen.push(data)), true);
    await listening(server);
    const client = startClient({ queue, redis: cluster });
    const emitted = (data: number) => lastValueFrom(client.emit('count', data), { defaultValue: undefined });
    await emitted(0);
    await until(() => seen.length === 1);
    for (const proxy of proxies) proxy.loseAnswers(/xreadgroup/i, 2);
    for (let data = 1; data <= 50; data++) await emitted(data);
    await until(() => seen.length === 51);
    expect(lost(proxies)).toBeGreaterThan(0);
    expect(seen.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 51 }, (_, data) => data));
  });
});
