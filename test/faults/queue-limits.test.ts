import { ElkMqServer, QueueAdmin } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { SCRIPTS } from '../../libs/elkmq/src/redis/scripts.generated.js';
import { clusterOf, startServers } from '../support/cluster.js';
import { deadLettersOf, listening, startClient, told } from '../support/nest.js';
import { clientOf, durableRedis, ownRedis, restartDurable, type PrivateRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { closing, newQueueName, redis, until, url } from '../support/queue.js';
import { ask, startDoomed, startWorker } from '../support/workers.js';

const TAKE = new RegExp(SCRIPTS.take.sha1);

describe('the concurrency of a queue', () => {
  it('is free again when the lease of a worker that was killed is over', async () => {
    const queue = newQueueName();
    const admin = closing(new QueueAdmin(queue, url));
    await admin.setLimits({ concurrency: 2 });
    const doomed = await startDoomed({ queue });
    const client = startClient({ queue });
    for (let id = 0; id < 3; id++) await told(client.emit('hang event', id));
    const taken = [
      await doomed.told<{ taken: number }>('taken'),
      await doomed.told<{ taken: number }>('taken'),
    ];
    const started: unknown[] = [];
    await startWorker({ queue }, { 'hang event': (id) => Promise.resolve(started.push(id)) });
    expect(await admin.state()).toMatchObject({ running: 2, waiting: 1 });
    expect(started).toEqual([]);
    doomed.kill('SIGKILL');
    await until(() => started.length === 1);
    expect([...taken.map(({ taken: id }) => id), ...started].sort()).toEqual([0, 1, 2]);
    await until(async () => (await deadLettersOf(queue)).length === 2);
  });

  it('is kept when Redis has been restarted, and has lost the script', async () => {
    const server = await durableRedis();
    const [queue, lease] = [newQueueName(), 120_000];
    const admin = closing(new QueueAdmin(queue, server.adminUrl));
    await admin.setLimits({ concurrency: 1 });
    const finish: (() => void)[] = [];
    let started = 0;
    const work = () => new Promise<void>((resolve) => (started++, finish.push(resolve)));
    for (let n = 0; n < 2; n++) await startWorker({ queue, url: server.url, lease }, { 'work.event': work });
    const client = startClient({ queue, url: server.url });
    for (let id = 0; id < 3; id++) await told(client.emit('work.event', id));
    await until(() => started === 1);
    await restartDurable(server);
    for (let ended = 1; ended <= 3; ended++) {
      await until(async () => (await admin.state()).running === 1);
      expect(started).toBe(ended);
      finish.shift()?.();
      if (ended < 3) await until(() => started === ended + 1);
    }
  });

  it('is kept on Cluster', async () => {
    const [node] = (await startServers(1)) as [PrivateRedis];
    const redisCluster = clusterOf([node]);
    const queue = newQueueName();
    const admin = closing(new QueueAdmin(queue, redisCluster));
    await admin.setLimits({ concurrency: 1, rate: { limit: 1_000, per: 1_000 } });
    const worker = new ElkMqServer({ queue, redis: redisCluster });
    let [running, most] = [0, 0];
    const handler = async (value: unknown) => {
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      running--;
      return value;
    };
    worker.addHandler('ask', handler);
    await listening(worker);
    const client = startClient({ queue, redis: redisCluster });
    expect(await Promise.all([1, 2, 3, 4].map((value) => ask(client, 'ask', value)))).toEqual([1, 2, 3, 4]);
    expect(most).toBe(1);
  });
});

describe('a worker of a queue with limits', () => {
  it('has each message once, also when the answer to a take is lost', async () => {
    const queue = newQueueName();
    const admin = closing(new QueueAdmin(queue, url));
    await admin.setLimits({ concurrency: 4 });
    await admin.pause();
    const proxy = closing(await Proxy.before(url));
    const seen: unknown[] = [];
    const handlers = { 'work.event': (id: unknown) => Promise.resolve(seen.push(id)) };
    await startWorker({ queue, url: proxy.url, lease: 120_000 }, handlers);
    const client = startClient({ queue });
    for (let id = 0; id < 8; id++) await told(client.emit('work.event', id));
    proxy.loseAnswers(TAKE);
    await admin.resume();
    await until(() => seen.length >= 8);
    expect(proxy.lost).toBe(1);
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('makes the group again when it is gone', async () => {
    const queue = newQueueName();
    await closing(new QueueAdmin(queue, url)).setLimits({ concurrency: 1, rate: { limit: 1_000, per: 100 } });
    let seen = 0;
    await startWorker({ queue }, { 'work.event': () => Promise.resolve(seen++) });
    await redis.xgroup('DESTROY', `${queue}(event_stream)`, 'elkmq');
    await told(startClient({ queue }).emit('work.event', 1));
    await until(() => seen === 1);
  });
});

describe('a queue without limits', () => {
  it('is read as before: what its workers send of limits is one look', async () => {
    const server = await ownRedis();
    const admin = clientOf(server);
    // ioredis cannot read what others do in the moment in which a monitor begins, such as the greeting of this client.
    await admin.ping();
    const monitor = await admin.monitor();
    closing({
      close: () => {
        monitor.disconnect();
        return Promise.resolve();
      },
    });
    const calls: string[][] = [];
    monitor.on('monitor', (_time, call: string[]) => calls.push(call));
    const [queue, { url: ownUrl }] = [newQueueName(), server];
    await startWorker({ queue, url: ownUrl }, { ask: (value) => Promise.resolve(value) });
    const client = startClient({ queue, url: ownUrl });
    for (let n = 0; n < 50; n++) expect(await ask(client, 'ask', n)).toBe(n);
    const isLook = ([name]: string[]) => name?.toLowerCase() === 'hmget';
    const ofControl = () => calls.filter((call) => call.includes(`${queue}(control)`));
    // The first look is that of the start.
    await until(() => ofControl().length >= 2);
    expect(ofControl().filter((call) => !isLook(call))).toEqual([]);
    expect(calls.filter((call) => TAKE.test(String(call[1])))).toEqual([]);
    const isRead = (call: string[]) =>
      call[0]?.toLowerCase() === 'xreadgroup' && call.includes(`${queue}(event_stream)`);
    const reads = calls.filter(isRead);
    expect(reads.length).toBeGreaterThan(0);
    expect(reads.filter((call) => !call.includes('BLOCK'))).toEqual([]);
  });
});
