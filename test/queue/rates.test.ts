import { lastValueFrom } from 'rxjs';
import { EventQueue, QueueAdmin, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { startClient, valuesOf } from '../support/nest.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { countedOf, writeMinute } from '../support/rates.js';
import { event, newTopic, queueOf } from '../support/topics.js';
import { startWorker } from '../support/workers.js';

const MINUTE = 60_000;

describe('the rates of a queue', () => {
  it('have what was stored, handled, tried again and given up, each once, when all are closed', async () => {
    const queue = newQueueName();
    const worker = await startWorker(
      { queue, retry: { attempts: 2, backoff: 1 } },
      {
        'good.event': () => Promise.resolve(),
        'bad.event': () => Promise.reject(new Error('no')),
        ask: () => Promise.resolve(1),
      },
    );
    const client = startClient({ queue });
    await Promise.all(Array.from({ length: 5 }, () => lastValueFrom(client.send('ask', 1))));
    await valuesOf(client.emit('good.event', 1));
    await valuesOf(client.emit('bad.event', 1));
    await valuesOf(client.emit('unknown', 1));
    await until(async () => (await client.state()).deadLetters === 2);
    await Promise.all([client.close(), worker.close()]);
    expect(await countedOf(queue)).toEqual({ stored: 8, handled: 6, retried: 1, dead: 2, expired: 0 });
  });

  it('have expired requests, and expired events among the dead ones too', async () => {
    const queue = newQueueName();
    const json = '{"request_uuid":7,"timeout":1,"action":"ask","payload":null}';
    for (const replyTo of ['nobody', '']) {
      const late = ['event', json, 'reply_to', replyTo, 'origin', '1700000000000-0', 'attempt', '1'];
      await redis.xadd(`${queue}(event_stream)`, '*', ...late);
    }
    const worker = await startWorker({ queue });
    await until(async () => (await worker.state()).deadLetters === 1);
    await until(async () => (await redis.xlen(`${queue}(event_stream)`)) === 0);
    await worker.close();
    expect(await countedOf(queue)).toMatchObject({ dead: 1, expired: 2, handled: 0 });
  });

  it('have the time until handled, from when a message was stored', async () => {
    const queue = newQueueName();
    const stored = Date.now() - 3_600_000;
    await redis.xadd(
      `${queue}(event_stream)`,
      `${String(stored)}-0`,
      ...['event', '{"request_uuid":7,"timeout":65000,"action":"note.event","payload":null}', 'reply_to', ''],
    );
    const seen: number[] = [];
    const worker = await startWorker(
      { queue },
      { 'note.event': () => Promise.resolve(seen.push(Date.now() - stored)) },
    );
    await until(() => seen.length === 1);
    await worker.close();
    const rates = await closing(new QueueAdmin(queue, url)).rates();
    const [minute] = rates.filter(({ handled }) => handled > 0);
    expect(minute?.totalTime).toBeGreaterThan(3_590_000);
    expect(minute?.longestTime).toBeGreaterThanOrEqual(Number(minute?.totalTime));
  });

  it('of a subscription have the events that were published to it', async () => {
    const topic = newTopic();
    await topic.subscribe('mail', { patterns: ['a.*'] });
    await topic.subscribe('stock', { patterns: ['a.b'] });
    await topic.publish(event('a.b'));
    await topic.publish(event('a.c'));
    await topic.close();
    expect(await countedOf(queueOf(topic, 'mail'))).toMatchObject({ stored: 2 });
    expect(await countedOf(queueOf(topic, 'stock'))).toMatchObject({ stored: 1 });
  });

  it('do not bring back a subscription that was removed', async () => {
    const topic = newTopic();
    await topic.subscribe('mail', { patterns: ['a'] });
    await topic.publish(event('a'));
    await topic.unsubscribe('mail');
    await topic.close();
    expect(await redis.exists(`${queueOf(topic, 'mail')}(rates)`)).toBe(0);
  });
});

describe('rates(from, to)', () => {
  it('has each minute in its order, also those in which nothing happened', async () => {
    const queue = newQueueName();
    const time = Math.floor(Date.now() / MINUTE) * MINUTE - 10 * MINUTE;
    await writeMinute(queue, time, '5 4 3 2 1 900 400');
    const admin = closing(new QueueAdmin(queue, url));
    const nothing = { stored: 0, handled: 0, retried: 0, dead: 0, expired: 0, totalTime: 0, longestTime: 0 };
    const counted = {
      stored: 5,
      handled: 4,
      retried: 3,
      dead: 2,
      expired: 1,
      totalTime: 900,
      longestTime: 400,
    };
    expect(await admin.rates(time - MINUTE, time + MINUTE)).toEqual([
      { minute: time - MINUTE, ...nothing },
      { minute: time, ...counted },
      { minute: time + MINUTE, ...nothing },
    ]);
    expect(await admin.rates()).toHaveLength(60);
    expect((await admin.rates()).at(-11)?.minute).toBeGreaterThanOrEqual(time);
    expect(await admin.rates(time, time)).toHaveLength(1);
    expect(await admin.rates(time - 2_879 * MINUTE, time)).toHaveLength(2_880);
  });

  it('passes over minutes that are older than two days, and what something else has written', async () => {
    const queue = newQueueName();
    const time = Date.now() - 10 * MINUTE;
    await writeMinute(queue, time - 2_880 * MINUTE, '5 4 3 2 1 900 400');
    await redis.hset(`${queue}(rates)`, String(Math.floor(time / MINUTE + 1) % 2_880), 'no numbers');
    expect(await countedOf(queue)).toEqual({ stored: 0, handled: 0, retried: 0, dead: 0, expired: 0 });
  });

  it('adds to what others have told in the same minute, and begins anew two days later', async () => {
    const queue = newQueueName();
    const now = Date.now();
    // The test may run into the next minute.
    for (const minute of [now, now + MINUTE]) await writeMinute(queue, minute, '5 0 0 0 0 0 0');
    const sender = new EventQueue(queue, url);
    await sender.enqueue(new ServiceEvent(10, 'a'));
    await sender.close();
    const admin = closing(new QueueAdmin(queue, url));
    const stored = (await admin.rates(now, now + MINUTE)).map((minute) => minute.stored);
    expect(stored.sort()).toEqual([5, 6]);

    const other = newQueueName();
    for (const minute of [now, now + MINUTE])
      await writeMinute(other, minute - 2_880 * MINUTE, '5 0 0 0 0 0 0');
    for (const minute of [now, now + MINUTE]) {
      const slot = String(Math.floor(minute / MINUTE) % 2_880);
      expect(await redis.hget(`${other}(rates)`, slot)).toMatch(/ 5 0/);
    }
    const another = new EventQueue(other, url);
    await another.enqueue(new ServiceEvent(10, 'a'));
    await another.close();
    expect(await countedOf(other)).toMatchObject({ stored: 1 });
  });

  it('tells 48 hours, from whatever second of a minute', async () => {
    const queue = newQueueName();
    const admin = closing(new QueueAdmin(queue, url));
    const to = Math.floor(Date.now() / MINUTE) * MINUTE - 1;
    const rates = await admin.rates(to - 48 * 60 * MINUTE, to);
    expect(rates).toHaveLength(2_880);
    expect(rates.at(-1)?.minute).toBe(to + 1 - MINUTE);
    expect(await rejection(admin.rates(to - 48 * 60 * MINUTE - MINUTE, to))).toMatchObject({
      code: 'INVALID_OPTION',
    });
  });

  it('refuses times that are none, that are in the wrong order, or too far apart', async () => {
    const admin = closing(new QueueAdmin(newQueueName(), url));
    expect(await rejection(admin.rates(Number.NaN))).toMatchObject({
      code: 'INVALID_OPTION',
      message: 'from must be a time in ms since 1970, got NaN',
    });
    expect(await rejection(admin.rates(new Date(3_600_000) as never))).toMatchObject({
      message: 'from must be a time in ms since 1970, got a Date, whose getTime() is 3600000',
    });
    expect(await rejection(admin.rates(Date.now(), Date.now() - MINUTE))).toMatchObject({
      message: expect.stringMatching(/^to must not be before from, got \d+ to \d+$/) as string,
    });
    expect(await rejection(admin.rates(Date.now() - 3 * 24 * 3_600_000))).toMatchObject({
      message: expect.stringMatching(
        /^from and to must be at most 48 hours apart, got \d+ to now$/,
      ) as string,
    });
  });
});
