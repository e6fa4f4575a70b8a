import { InvalidOptionError, QueueAdmin, type QueueChange, type QueueLimits } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { logs, startClient, told } from '../support/nest.js';
import { QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { closing, keysOf, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { ask, startWorker } from '../support/workers.js';

/** No lease ends in these tests, however busy the machine is. */
const lease = 120_000;

function adminOf(queue: string): QueueAdmin {
  return closing(new QueueAdmin(queue, url));
}

/** The number of messages that consumers hold a lease of. */
async function heldOf(queue: string): Promise<number> {
  const [held] = (await redis.xpending(`${queue}(event_stream)`, 'elkmq')) as [number];
  return held;
}

/** A handler whose messages run until they are told to end. */
function gate() {
  const finish: (() => void)[] = [];
  let started = 0;
  return {
    get started() {
      return started;
    },
    handler: () =>
      new Promise<void>((resolve) => {
        started++;
        finish.push(resolve);
      }),
    endOne: () => finish.shift()?.(),
  };
}

async function emitAll(queue: string, count: number): Promise<void> {
  const client = startClient({ queue });
  await Promise.all(Array.from({ length: count }, (_, id) => told(client.emit('work.event', id))));
}

describe('a queue with a concurrency', () => {
  it('never runs more messages at once, over all its workers, and as many as that', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    expect(await admin.setLimits({ concurrency: 3 })).toEqual({ concurrency: 3 });
    const work = gate();
    const held: number[] = [];
    const observed = async () => {
      const ended = work.handler();
      held.push(await heldOf(queue));
      await ended;
    };
    for (let n = 0; n < 3; n++)
      await startWorker({ queue, lease, concurrency: 8 }, { 'work.event': observed });
    await emitAll(queue, 30);
    for (let ended = 0; ended < 30; ended++) {
      await until(() => held.length >= Math.min(ended + 3, 30));
      expect(work.started).toBeLessThanOrEqual(ended + 3);
      work.endOne();
    }
    await until(async () => (await admin.state()).running === 0);
    expect(Math.max(...held)).toBe(3);
    expect(await admin.state()).toMatchObject({ waiting: 0, deadLetters: 0, limits: { concurrency: 3 } });
  });

  it('is kept by workers that run already, and goes with the limit', async () => {
    const server = await ownRedis();
    const [queue, { url: ownUrl, adminUrl }] = [newQueueName(), server];
    const admin = closing(new QueueAdmin(queue, adminUrl));
    const work = gate();
    const options = { queue, url: ownUrl, lease, concurrency: 8 };
    for (let n = 0; n < 2; n++) await startWorker(options, { 'work.event': work.handler });
    await admin.setLimits({ concurrency: 1 });
    const line = `log [ElkMqServer] Queue '${queue}'`;
    const limited = `${line} has limits over all its workers: at most 1 messages run at once`;
    await until(() => logs.filter((each) => each === limited).length === 2);
    // No blocked read is left, so nothing is taken without the limit.
    const isBlocked = /flags=\w*b\w* .*cmd=xreadgroup/;
    const inspector = clientOf(server);
    await until(async () => !isBlocked.test(String(await inspector.client('LIST'))));
    const client = startClient({ queue, url: ownUrl });
    for (let id = 0; id < 4; id++) await told(client.emit('work.event', id));
    await until(() => work.started === 1);
    expect(await admin.state()).toMatchObject({ running: 1, waiting: 3 });
    work.endOne();
    await until(() => work.started === 2);
    expect(await admin.state()).toMatchObject({ running: 1, waiting: 2 });
    expect(await admin.setLimits({})).toEqual({});
    await until(() => work.started === 4);
    await until(() => logs.filter((each) => each === `${line} has no limits any more`).length === 2);
    for (let n = 0; n < 3; n++) work.endOne();
  });

  it('answers requests one after another', async () => {
    const queue = newQueueName();
    await adminOf(queue).setLimits({ concurrency: 1 });
    let [running, most] = [0, 0];
    const handler = async (value: unknown) => {
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      running--;
      return value;
    };
    for (let n = 0; n < 2; n++) await startWorker({ queue, lease }, { ask: handler });
    const client = startClient({ queue });
    const values = Array.from({ length: 20 }, (_, value) => value);
    expect(await Promise.all(values.map((value) => ask(client, 'ask', value)))).toEqual(values);
    expect(most).toBe(1);
  });

  it('can be paused, and is limited again when it is resumed', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    await admin.setLimits({ concurrency: 1 });
    await admin.pause();
    const work = gate();
    await startWorker({ queue, lease }, { 'work.event': work.handler });
    await emitAll(queue, 3);
    expect(await admin.state()).toMatchObject({ waiting: 3, running: 0, limits: { concurrency: 1 } });
    await admin.resume();
    await until(() => work.started === 1);
    expect(await admin.state()).toMatchObject({ waiting: 2, running: 1 });
    for (let n = 1; n <= 3; n++) {
      work.endOne();
      await until(() => work.started === Math.min(n + 1, 3));
    }
  });
});

describe('a queue with a rate', () => {
  it('starts no more messages than that, over all its workers', async () => {
    const queue = newQueueName();
    await adminOf(queue).setLimits({ rate: { limit: 40, per: 1_000 } });
    let started = 0;
    const handler = () => Promise.resolve(started++);
    for (let n = 0; n < 3; n++) await startWorker({ queue, lease }, { 'work.event': handler });
    const begin = performance.now();
    await emitAll(queue, 20);
    await until(() => started === 20);
    // Two may come at once; each of the others needs 25 ms. A call may come 5 ms late and keep its turn.
    expect(performance.now() - begin).toBeGreaterThanOrEqual(18 * 25 - 5);
  });

  it('goes on at once when the rate is raised, however long the next message had to wait', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    await admin.setLimits({ rate: { limit: 1, per: 3_600_000 } });
    let started = 0;
    await startWorker({ queue, lease }, { 'work.event': () => Promise.resolve(started++) });
    await emitAll(queue, 5);
    await until(() => started === 1);
    expect(await admin.state()).toMatchObject({ waiting: 4 });
    await admin.setLimits({ rate: { limit: 1_000, per: 1_000 }, concurrency: 5 });
    await until(() => started === 5);
  });

  it('counts messages only: an entry that announces a delayed one and a legacy response start nothing', async () => {
    const queue = newQueueName();
    const keys = new QueueKeys(queue, false);
    await redis.xgroup('CREATE', keys.eventStream, 'elkmq', '0', 'MKSTREAM');
    await adminOf(queue).setLimits({ rate: { limit: 1, per: 3_600_000 } });
    await redis.xadd(keys.eventStream, '*', 'due', '1');
    await redis.xadd(keys.eventStream, '*', 'response', '{}');
    await emitAll(queue, 2);
    const call = scripts.take(keys, { group: 'elkmq', consumer: 'one', count: 10 });
    const names: unknown[] = [];
    for (let calls = 0; calls < 4; calls++) {
      const [reply] = (await runScript(redis, call)) as [[[string, [string, string[]][]]] | null, number];
      names.push(...(reply?.[0][1] ?? []).map(([, [name]]) => name));
    }
    expect(names).toEqual(['due', 'response', 'event']);
  });

  it('keeps its place when the same rate is set again', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    const rate = { limit: 1, per: 3_600_000 };
    await admin.setLimits({ rate });
    let started = 0;
    await startWorker({ queue, lease }, { 'work.event': () => Promise.resolve(started++) });
    await emitAll(queue, 2);
    await until(() => started === 1);
    const place = await redis.hget(`${queue}(control)`, 'tat');
    await admin.setLimits({ rate, concurrency: 2 });
    expect(await redis.hget(`${queue}(control)`, 'tat')).toBe(place);
    expect(place).not.toBeNull();
  });
});

describe('the limits of a queue', () => {
  it('can be set, read and taken away, and leave nothing', async () => {
    const queue = newQueueName();
    const changes: QueueChange[] = [];
    const admin = closing(new QueueAdmin(queue, url, { audit: (change) => changes.push(change) }));
    expect(await admin.state()).not.toHaveProperty('limits');
    const limits = { concurrency: 10, rate: { limit: 100, per: 1_000 } };
    expect(await admin.setLimits(limits)).toEqual(limits);
    expect((await admin.state()).limits).toEqual(limits);
    // What is not given is no limit any more.
    expect(await admin.setLimits({ rate: { limit: 7, per: 60_000 } })).toEqual({
      rate: { limit: 7, per: 60_000 },
    });
    expect((await admin.state()).limits).toEqual({ rate: { limit: 7, per: 60_000 } });
    expect(await admin.setLimits({})).toEqual({});
    expect(await keysOf(queue)).toEqual({});
    expect(changes).toEqual(
      Array.from({ length: 3 }, () => ({ queue, action: 'setLimits', target: [], count: 0 })),
    );
  });

  it.each<[unknown, string]>([
    [{ concurrency: 0 }, 'concurrency must be a whole number from 1 to 2147483647, got 0'],
    [{ concurrency: 1.5 }, 'concurrency must be a whole number from 1 to 2147483647, got 1.5'],
    [{ concurency: 5 }, 'limits has no option "concurency"; it has concurrency, rate'],
    [{ rate: 5 }, 'rate must be { limit, per }, got 5'],
    [{ rate: { limit: 5 } }, 'rate.per must be a whole number from 100, got undefined'],
    [{ rate: { limit: 5, per: 99 } }, 'rate.per must be a whole number from 100 to 2147483647, got 99'],
    [{ rate: { limit: '5', per: 1_000 } }, 'rate.limit must be a whole number from 1 to 2147483647, got "5"'],
    [{ rate: { limit: 5, per: 1_000, max: 1 } }, 'rate has no option "max"; it has limit, per'],
    [null, 'limits must be { concurrency, rate }, got null'],
    [[], 'limits must be { concurrency, rate }, got an array of 0'],
  ])('are refused when they are wrong: %j', async (limits, message) => {
    const error = await rejection(adminOf(newQueueName()).setLimits(limits as QueueLimits));
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect((error as Error).message).toBe(message);
  });

  it('count as none when somebody has written something else into their fields', async () => {
    const queue = newQueueName();
    const keys = new QueueKeys(queue, false);
    await redis.xgroup('CREATE', keys.eventStream, 'elkmq', '0', 'MKSTREAM');
    await emitAll(queue, 6);
    const call = scripts.take(keys, { group: 'elkmq', consumer: 'one', count: 2 });
    for (const written of [
      { concurrency: 'many', rate: '-1', per: 'nan' },
      { concurrency: '0', rate: '5', per: '' },
      { concurrency: '1e400', rate: '1e400', per: '100' },
    ]) {
      await redis.hset(keys.control, written);
      expect(await adminOf(queue).state()).not.toHaveProperty('limits');
      const [[[, entries]]] = (await runScript(redis, call)) as [[[string, unknown[]]], number];
      expect(entries).toHaveLength(2);
    }
    await redis.del(keys.control, keys.eventStream);
  });

  it('do not hold messages up when the clock of Redis has gone back', async () => {
    const queue = newQueueName();
    await adminOf(queue).setLimits({ rate: { limit: 100, per: 1_000 } });
    const [seconds] = (await redis.time()) as unknown as [string];
    await redis.hset(`${queue}(control)`, 'tat', `${String(Number(seconds) + 3_600)}000000`);
    let started = 0;
    await startWorker({ queue, lease }, { 'work.event': () => Promise.resolve(started++) });
    await emitAll(queue, 3);
    await until(() => started === 3);
  });

  it('are not kept by a worker with legacyConsumers, which says so', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    await admin.setLimits({ concurrency: 1 });
    const work = gate();
    await startWorker({ queue, lease, legacyConsumers: true }, { 'work.event': work.handler });
    await emitAll(queue, 3);
    await until(() => work.started === 3);
    expect(logs).toContain(
      `warn [ElkMqServer] Queue '${queue}': the queue has limits, which a worker with legacyConsumers does not keep (at most 1 messages run at once)`,
    );
    const [worker] = await admin.workers();
    expect(worker?.features).not.toContain('limits');
    for (let n = 0; n < 3; n++) work.endOne();
  });
});
