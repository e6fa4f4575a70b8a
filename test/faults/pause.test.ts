import { ElkMqServer, QueueAdmin } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { userWith } from '../support/rights.js';
import { clusterOf, startServers } from '../support/cluster.js';
import { listening, logs, startClient, told } from '../support/nest.js';
import { durableRedis, ownRedis, restartDurable, type PrivateRedis } from '../support/own-redis.js';
import { closing, newQueueName, until } from '../support/queue.js';
import { startWorker } from '../support/workers.js';

async function allPaused(admin: QueueAdmin): Promise<void> {
  await until(async () => {
    const workers = await admin.workers();
    return workers.length > 0 && workers.every(({ paused }) => paused);
  });
}

describe('a pause', () => {
  it('ends a blocked read also where Redis refuses CLIENT', async () => {
    const server = await ownRedis();
    const service = await userWith(server, '-client');
    const queue = newQueueName();
    const started: unknown[] = [];
    const handler = (id: unknown) => Promise.resolve(started.push(id));
    await startWorker({ queue, url: service }, { 'work.event': handler });
    const client = startClient({ queue, url: service });
    await told(client.emit('work.event', 1));
    await until(() => started.length === 1);
    const admin = closing(new QueueAdmin(queue, server.adminUrl));
    await until(async () => (await admin.state()).running === 0);
    await admin.pause();
    await allPaused(admin);
    await told(client.emit('work.event', 2));
    const [message] = (await admin.messages('waiting')).messages;
    // It was not taken and put back.
    expect(message?.id).toBe(message?.origin);
    expect(started).toEqual([1]);
    await admin.resume();
    await until(() => started.length === 2);
    // The worker has cut its own connection, which is no error.
    expect(logs.filter((line) => line.startsWith('error') && line.includes(queue))).toEqual([]);
  });

  it('of a thousand messages in flight lets them end, and takes no other', async () => {
    const server = await ownRedis();
    const [queue, url] = [newQueueName(), server.url];
    const [started, finish]: [Set<unknown>, (() => void)[]] = [new Set(), []];
    const work = (id: unknown) =>
      new Promise<void>((resolve) => {
        started.add(id);
        finish.push(resolve);
      });
    for (let n = 0; n < 2; n++) await startWorker({ queue, url, concurrency: 500 }, { 'work.event': work });
    const client = startClient({ queue, url });
    const ids = Array.from({ length: 1_500 }, (_, id) => id);
    await Promise.all(ids.map((id) => told(client.emit('work.event', id))));
    await until(() => started.size === 1_000);
    const admin = closing(new QueueAdmin(queue, server.adminUrl));
    await admin.pause();
    await allPaused(admin);
    for (const end of finish.splice(0)) end();
    await until(async () => (await admin.state()).running === 0);
    expect(await admin.state()).toMatchObject({ waiting: 500, deadLetters: 0 });
    expect(started.size).toBe(1_000);
    await admin.resume();
    await until(() => started.size === 1_500);
    for (const end of finish) end();
  });

  it('is there again when Redis and the workers have been restarted', async () => {
    const server = await durableRedis();
    const [queue, url] = [newQueueName(), server.url];
    const started: unknown[] = [];
    const handlers = { 'work.event': (id: unknown) => Promise.resolve(started.push(id)) };
    const first = await startWorker({ queue, url }, handlers);
    const admin = closing(new QueueAdmin(queue, server.adminUrl));
    const pause = await admin.pause('anna');
    await allPaused(admin);
    await told(startClient({ queue, url }).emit('work.event', 1));
    await restartDurable(server);
    await until(() => first.state().then(({ workers }) => workers === 1));
    await first.close();
    await startWorker({ queue, url }, handlers);
    await allPaused(admin);
    expect(await admin.state()).toMatchObject({ waiting: 1, running: 0, paused: pause });
    expect(started).toEqual([]);
    await admin.resume();
    await until(() => started.length === 1);
  });

  it('ends a blocked read also on Cluster, where no read is unblocked', async () => {
    const [node] = (await startServers(1)) as [PrivateRedis];
    const redis = clusterOf([node]);
    const queue = newQueueName();
    const started: unknown[] = [];
    const worker = new ElkMqServer({ queue, redis });
    worker.addHandler('work.event', (id) => Promise.resolve(started.push(id)), true);
    await listening(worker);
    const admin = closing(new QueueAdmin(queue, redis));
    const client = startClient({ queue, redis });
    await told(client.emit('work.event', 1));
    await until(async () => started.length === 1 && (await admin.state()).running === 0);
    await admin.pause();
    await allPaused(admin);
    await told(client.emit('work.event', 2));
    const [message] = (await admin.messages('waiting')).messages;
    expect(message?.id).toBe(message?.origin);
    expect(started).toEqual([1]);
    await admin.resume();
    await until(() => started.length === 2);
  });
});
