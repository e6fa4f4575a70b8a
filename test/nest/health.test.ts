import { ConnectionError, ElkMqServer, EventQueue, QueueAdmin, ServiceEvent, Topic } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { enqueueAsTheOriginal } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { healthOf } from '../support/health.js';
import { deadLettersOf, events, moduleOf, startApp, startClient, told } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';

describe('the state of a queue', () => {
  it('of one that nobody has used is all zeros', async () => {
    const zeros = {
      waiting: 0,
      running: 0,
      delayed: 0,
      deadLetters: 0,
      behindKeys: 0,
      blockedKeys: 0,
      oldestWaiting: 0,
      workers: 0,
    };
    expect(await newQueue().state()).toEqual(zeros);
  });

  it('tells what waits, runs, is delayed and is dead, and for how long the first has been waiting', async () => {
    const queue = newQueueName();
    const finish: (() => void)[] = [];
    const work = () => new Promise<void>((resolve) => finish.push(resolve));
    const server = new ElkMqServer({ queue, url, concurrency: 1 });
    await startApp(moduleOf(events({ work })), server);
    const client = startClient({ queue });
    await told(client.emit('unknown', {}));
    await until(async () => (await deadLettersOf(queue)).length === 1);
    const emittedAt = Date.now();
    for (const id of [1, 2, 3]) await told(client.emit('work', id));
    await until(async () => (await server.state()).running === 1);
    const before = Date.now();
    await until(() => Date.now() - before > 20);
    const state = await client.state();
    expect(state).toMatchObject({ waiting: 2, running: 1, delayed: 0, deadLetters: 1 });
    expect(state.oldestWaiting).toBeGreaterThanOrEqual(20);
    // The clock of Redis need not be that of this process.
    expect(state.oldestWaiting).toBeLessThan(Date.now() - emittedAt + 1_000);
    for (let left = 3; left > 0; left--) {
      await until(() => finish.length > 0);
      finish.shift()?.();
    }
    await until(async () => (await server.state()).running === 0);
    expect(await server.state()).toMatchObject({ waiting: 0, oldestWaiting: 0 });
  });

  it('tells for how long the first message has been waiting, whatever is before it that is no message', async () => {
    const queue = newQueue();
    const stream = `${queue.name}(event_stream)`;
    await redis.xadd(stream, '1-1', 'due', '1');
    for (let number = 1; number <= 20; number++) {
      await redis.xadd(stream, `2-${String(number)}`, 'response', '{}');
      await redis.xadd(`${queue.name}(response_stream)`, '*', 'uuid', `2-${String(number)}`);
    }
    expect((await queue.state()).oldestWaiting).toBe(0);
    const HOUR = 3_600_000;
    const event = ['event', '{"request_uuid":1,"timeout":9,"action":"a","payload":null}', 'reply_to', ''];
    await redis.xadd(stream, `${String(Date.now() - HOUR)}-1`, ...event);
    const { oldestWaiting } = await queue.state();
    // The clock of Redis need not be that of this process.
    expect(oldestWaiting).toBeGreaterThanOrEqual(HOUR - 1_000);
    expect(oldestWaiting).toBeLessThan(10 * HOUR);
  });

  it('does not count the answers that original clients have not read yet', async () => {
    const queue = newQueue();
    await enqueueAsTheOriginal(queue.name, '{"request_uuid":1,"timeout":9,"action":"a","payload":null}');
    const [, event] = await queue.dequeue();
    await queue.enqueueResponse(ServiceEvent.responseTo(event, 'b', 'c'));
    expect(await queue.state()).toMatchObject({ waiting: 0 });
  });

  it('cannot be asked for with a timeout that is none', async () => {
    const queue = newQueueName();
    const admin = closing(new QueueAdmin(queue, url));
    const server = new ElkMqServer({ queue, url });
    await startApp(moduleOf(events({ work: () => undefined })), server);
    const tellers = [newQueue(), closing(new Topic(newQueueName(), url)), startClient({ queue }), server];
    const calls = [...tellers, admin].map((teller) => (timeout: number) => teller.state(timeout));
    for (const call of [...calls, (timeout: number) => admin.workers(timeout)]) {
      for (const [timeout, shown] of [
        [-1, '-1'],
        [Number.NaN, 'NaN'],
        ['1s', '"1s"'],
      ] as [number, string][])
        expect(await rejection(call(timeout))).toMatchObject({
          code: 'INVALID_OPTION',
          message: `timeout must be a number of milliseconds from 1 to 2147483647, got ${shown}`,
        });
    }
  });

  it('fails with a ConnectionError when Redis does not answer in time, and when it is closed', async () => {
    const away = newQueue('away', 'redis://127.0.0.1:1');
    expect(await rejection(away.state(50))).toBeInstanceOf(ConnectionError);
    const closed = new EventQueue(newQueueName(), url);
    await closed.close();
    expect(await rejection(closed.state())).toBeInstanceOf(ConnectionError);
  });
});

describe('the health of a queue', () => {
  it('is up while the queue is paused, and says so, whatever waits', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const admin = closing(new QueueAdmin(queue, url));
    const { since } = await admin.pause('anna');
    await told(client.emit('work', 1));
    const paused = `the queue is paused since ${new Date(since).toISOString()} by anna`;
    const limits = { maxWaiting: 0 };
    expect(await healthOf(client, limits)).toMatchObject({
      status: 'up',
      paused: { since, by: 'anna' },
      degraded: `${paused}; 1 messages wait for a worker, more than 0`,
    });
    // Workers are missing all the same.
    const down = await healthOf(client, { ...limits, minWorkers: 1 });
    expect(down).toMatchObject({ status: 'down', message: '0 workers take messages, fewer than 1' });
    await admin.resume();
    const resumed = await healthOf(client);
    expect(resumed).toMatchObject({ status: 'up', waiting: 1 });
    expect(resumed).not.toHaveProperty('degraded');
  });

  it('is up, with its state and the time that Redis took', async () => {
    const client = startClient({ queue: newQueueName() });
    expect(await healthOf(client)).toMatchObject({
      status: 'up',
      waiting: 0,
      oldestWaiting: 0,
      roundTrip: expect.any(Number) as unknown,
    });
  });

  it('is down when a limit is exceeded, and says which', async () => {
    const client = startClient({ queue: newQueueName() });
    for (const id of [1, 2]) await told(client.emit('work', id));
    const start = Date.now();
    await until(() => Date.now() - start > 10);
    expect(
      await healthOf(client, { maxWaiting: 2, maxOldestWaiting: 60_000, maxDeadLetters: 0 }),
    ).toMatchObject({
      status: 'up',
    });
    expect(await healthOf(client, { maxWaiting: 1, maxOldestWaiting: 5 })).toMatchObject({
      status: 'down',
      message: expect.stringMatching(
        /^2 messages wait for a worker, more than 1; the first of them for \d+ ms, more than 5$/,
      ) as unknown,
    });
  });

  it('is down while fewer workers take messages than there must be', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    expect(await healthOf(client)).toMatchObject({ status: 'up', workers: 0 });
    expect(await healthOf(client, { minWorkers: 1 })).toMatchObject({
      status: 'down',
      message: '0 workers take messages, fewer than 1',
    });
    await startApp(moduleOf(), { queue });
    expect(await healthOf(client, { minWorkers: 1 })).toMatchObject({ status: 'up', workers: 1 });
    expect(await healthOf(client, { minWorkers: 2 })).toMatchObject({ status: 'down' });
  });

  it('is down while Redis is stopped, and up again later', async () => {
    const server = await ownRedis();
    const client = startClient({ queue: newQueueName(), url: server.url });
    expect(await healthOf(client)).toMatchObject({ status: 'up' });
    const { pid } = server;
    process.kill(pid, 'SIGSTOP');
    expect(await healthOf(client, { timeout: 100 })).toMatchObject({
      status: 'down',
      message: 'Redis did not answer within 100 ms',
    });
    process.kill(pid, 'SIGCONT');
    await clientOf(server).ping();
    expect(await healthOf(client)).toMatchObject({ status: 'up' });
  });

  it.each<[object, string]>([
    [{ maxWaiting: -1 }, 'maxWaiting must be'],
    [{ minWorkers: 0.5 }, 'minWorkers must be'],
    [{ timeout: 0 }, 'timeout must be'],
    [{ lag: 1 }, 'limits has no option "lag"'],
  ])('a wrong limit is refused: %j', async (limits, why) => {
    const client = startClient({ queue: newQueueName() });
    expect(await rejection(healthOf(client, limits))).toMatchObject({
      message: expect.stringContaining(why) as unknown,
    });
  });
});
