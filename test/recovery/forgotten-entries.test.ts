import type { Redis } from 'ioredis';
import { ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { newQueue } from '../support/event-queue.js';
import { deadLettersOf, startClient, unsettled } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { TestProcess } from '../support/processes.js';
import { Proxy } from '../support/proxy.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { ask, startWorker, type Handler } from '../support/workers.js';

const EVENT = '{"request_uuid":7,"timeout":60,"action":"note event","payload":"1"}';

describe('an entry that is pending for a worker that lives, and that does not run it,', () => {
  /** As a failover leaves it to a replica that has not heard of its end. The worker has one handler, 'note event'. */
  async function leavePending(queue: string): Promise<void> {
    const stream = `${queue}(event_stream)`;
    await redis.xadd(stream, '*', 'event', EVENT, 'reply_to', '');
    await until(async () => (await unsettled(queue)) === 0);
    // Redis knows a consumer when it has got something.
    const [[, consumer]] = (await redis.xinfo('CONSUMERS', stream, 'elkmq')) as [[string, string]];
    // In one step, so that the worker does not take it itself.
    const add = 'redis.call("XADD", KEYS[1], "*", "event", ARGV[1], "reply_to", "")';
    const take = 'redis.call("XREADGROUP", "GROUP", "elkmq", ARGV[2], "STREAMS", KEYS[1], ">")';
    await redis.eval(`${add}; ${take}`, 1, stream, EVENT, consumer);
  }

  it("is a dead letter within two leases with 'once', also when there is no other worker", async () => {
    const queue = newQueueName();
    const started: unknown[] = [];
    const note: Handler = (payload) => Promise.resolve(started.push(payload));
    await startWorker({ queue, lease: 200 }, { 'note event': note });
    await leavePending(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'abandoned' }]);
    expect(await unsettled(queue)).toBe(0);
    // The one before.
    expect(started).toHaveLength(1);
  });

  it("is started again with 'at-least-once'", async () => {
    const queue = newQueueName();
    const attempts: number[] = [];
    const note: Handler = (_payload, context) => Promise.resolve(attempts.push(context.getAttempt()));
    await startWorker({ queue, lease: 200, delivery: 'at-least-once' }, { 'note event': note });
    await leavePending(queue);
    await until(async () => attempts.length === 2 && (await unsettled(queue)) === 0);
    expect(attempts).toEqual([1, 2]);
  });

  it('is found after a failover to a replica that had not heard of its end', async () => {
    const master = await ownRedis('--repl-diskless-sync-delay', '0', '--hz', '100');
    const replica = await ownRedis('--replicaof', '127.0.0.1', String(master.port));
    const proxy = closing(await Proxy.before(master.url));
    const queue = newQueueName();
    let finish: (() => void) | undefined;
    const note: Handler = () => new Promise((resolve) => (finish = () => resolve(1)));
    const worker = await startWorker({ queue, url: proxy.url, lease: 300 }, { 'note event': note });
    startClient({ queue, url: master.url }).emit('note event', 1);
    await until(() => finish !== undefined);
    const [before, after] = [clientOf(master), clientOf(replica)];
    const stream = `${queue}(event_stream)`;
    const isPending = async () => (await after.xpending(stream, 'elkmq').catch(() => [0]))[0] === 1;
    await until(isPending);
    await after.replicaof('NO', 'ONE');
    finish?.();
    await until(async () => (await before.xlen(stream)) === 0);
    // The worker has the answer when it has that of a later command: else it would settle once more, at the replica.
    await worker.unwrap<Redis>().xlen(stream);
    proxy.leadTo(replica.url);
    proxy.cut();
    await until(async () => (await after.hlen(`${queue}(dead_letter_bodies)`)) === 1);
    expect(await isPending()).toBe(false);
  });
});

describe('without any worker, with `EventQueue` alone,', () => {
  it('an event whose taker was killed while Redis gave it out is a dead letter', async () => {
    const name = newQueueName();
    const proxy = closing(await Proxy.before(url));
    const stream = `${name}(event_stream)`;
    await redis.xgroup('CREATE', stream, 'elkmq', '0', 'MKSTREAM');
    const taker = await TestProcess.start('queue-taker', proxy.url, name);
    await until(() => proxy.latest(/xreadgroup.*BLOCK/is) === 1);
    // It is handed out, and never arrives.
    proxy.delay = 60_000;
    const queue = newQueue(name);
    await queue.enqueue(new ServiceEvent(60, 'a', 'payload'));
    await until(async () => (await redis.xpending(stream, 'elkmq'))[0] === 1);
    taker.kill('SIGKILL');
    expect(taker.tells('taken')).toBe(false);
    // The entry looks as if its lease were a short one.
    const [[id]] = (await redis.xpending(stream, 'elkmq', '-', '+', 1)) as [[string]];
    await redis.xclaim(stream, 'elkmq', 'gone.1.200', 0, id, 'JUSTID');
    expect(await rejection(queue.dequeue())).toMatchObject({ code: 'QUEUE_EMPTY' });
    await until(async () => (await deadLettersOf(name)).length === 1);
    expect(await deadLettersOf(name)).toMatchObject([{ reason: 'abandoned' }]);
    expect(await queue.state()).toMatchObject({ running: 0, waiting: 0 });
  });

  it('a requester whose request was taken so is told', async () => {
    const queue = newQueueName();
    const stream = `${queue}(event_stream)`;
    await redis.xgroup('CREATE', stream, 'elkmq', '0', 'MKSTREAM');
    const client = startClient({ queue, timeout: 60_000 });
    const outcome = rejection(ask(client, 'ask', 1));
    await until(async () => (await unsettled(queue)) === 1);
    await redis.xreadgroup('GROUP', 'elkmq', 'gone.1.200', 'STREAMS', stream, '>');
    const taker = newQueue(queue);
    expect(await rejection(taker.dequeue())).toMatchObject({ code: 'QUEUE_EMPTY' });
    expect(await outcome).toMatchObject({ code: 'ABANDONED' });
  });

  it('it waits for two leases, so that workers come first, which may start a message again', async () => {
    const queue = newQueueName();
    const stream = `${queue}(event_stream)`;
    const LEASE_MS = 300;
    await redis.xgroup('CREATE', stream, 'elkmq', '0', 'MKSTREAM');
    await redis.xadd(stream, '*', 'event', EVENT, 'reply_to', '');
    const taker = newQueue(queue);
    const handedOut = Date.now();
    await redis.xreadgroup('GROUP', 'elkmq', `gone.1.${LEASE_MS}`, 'STREAMS', stream, '>');
    expect(await rejection(taker.dequeue())).toMatchObject({ code: 'QUEUE_EMPTY' });
    await until(async () => (await deadLettersOf(queue)).length === 1);
    const [letter] = (await taker.deadLetters.list()).letters;
    expect(Number(letter?.lastAt) - handedOut).toBeGreaterThanOrEqual(2 * LEASE_MS);
  });
});
