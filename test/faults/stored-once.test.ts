import { EventQueue, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventsOf, millisecondsOf, payloadsOf } from '../support/entries.js';
import { patientQueue } from '../support/event-queue.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { closing, newQueueName, rejection, until, url } from '../support/queue.js';

/** Matches the calls that store events, and those that tell of an event that was taken. */
const STORING = /evalsha.*\(producer\)/is;

async function newProxy(redisUrl = url): Promise<Proxy> {
  return closing(await Proxy.before(redisUrl));
}

function numbered(count: number, prefix = ''): string[] {
  return Array.from({ length: count }, (_, index) => prefix + String(index));
}

/** Enqueues events one tick after the other, some of them together. @returns what was answered for each */
async function enqueueAll(queue: EventQueue, payloads: readonly string[]): Promise<number[]> {
  const answers: Promise<number>[] = [];
  for (const payload of payloads) {
    answers.push(queue.enqueue(new ServiceEvent(60, 'a', payload)));
    if (Math.random() < 0.2) await new Promise(setImmediate);
    if (answers.length % 50 === 0) await answers.at(-1);
  }
  return Promise.all(answers);
}

/** Each payload is in the queue once, at the time that was answered for it. */
async function expectStoredOnce(
  queue: EventQueue,
  payloads: readonly string[],
  answers: number[],
): Promise<void> {
  const stored = await eventsOf(queue.name);
  expect((await payloadsOf(queue.name)).sort()).toEqual([...payloads].sort());
  const times = new Map(
    (await payloadsOf(queue.name)).map((payload, index) => [payload, stored[index]?.id ?? '']),
  );
  expect(payloads.map((payload) => millisecondsOf(times.get(payload) ?? ''))).toEqual(answers);
}

/** Enqueues `payload` until that succeeds. */
async function untilStored(queue: EventQueue, payload: string): Promise<void> {
  await until(() =>
    queue.enqueue(new ServiceEvent(10, 'a', payload)).then(
      () => true,
      () => false,
    ),
  );
}

describe('an event is stored once', () => {
  it('when the answer of Redis was lost', async () => {
    const proxy = await newProxy();
    const queue = patientQueue(proxy.url);
    proxy.loseAnswers(STORING);
    const answer = await queue.enqueue(new ServiceEvent(10, 'a', 'payload'));
    expect(proxy.lost).toBe(1);
    await expectStoredOnce(queue, ['payload'], [answer]);
  });

  it('when it never came to Redis', async () => {
    const proxy = await newProxy();
    const queue = patientQueue(proxy.url);
    proxy.loseRequests(STORING, 2);
    const answer = await queue.enqueue(new ServiceEvent(10, 'a', 'payload'));
    expect(proxy.lost).toBe(2);
    await expectStoredOnce(queue, ['payload'], [answer]);
  });

  it.each(['answers', 'requests'] as const)('when %s are lost again and again', async (what) => {
    const proxy = await newProxy();
    const queue = patientQueue(proxy.url);
    const payloads = numbered(1_500);
    if (what === 'answers') proxy.loseAnswers(STORING, 15, 4);
    else proxy.loseRequests(STORING, 15, 4);
    const answers = await enqueueAll(queue, payloads);
    expect(proxy.lost).toBeGreaterThan(7);
    await expectStoredOnce(queue, payloads, answers);
  });

  it('when the connections of several producers break at any moment', async () => {
    const proxy = await newProxy();
    const name = newQueueName();
    const [one, other] = [patientQueue(proxy.url, name), patientQueue(proxy.url, name)];
    let cuts = 0;
    const scissors = setInterval(() => {
      if (proxy.connections === 0) return;
      proxy.cut();
      cuts++;
    }, 30);
    onTestFinished(() => {
      clearInterval(scissors);
    });
    const payloads: string[] = [];
    const answers: number[] = [];
    const produce = async (queue: EventQueue, producer: string) => {
      for (let round = 0; round < 10 || cuts < 5; round++) {
        const more = numbered(200, `${producer} ${String(round)} `);
        const times = await enqueueAll(queue, more);
        payloads.push(...more);
        answers.push(...times);
      }
    };
    await Promise.all([produce(one, 'one'), produce(other, 'other')]);
    clearInterval(scissors);
    await expectStoredOnce(one, payloads, answers);
  });

  it('when Redis forgets its scripts in between', async () => {
    const server = await ownRedis();
    const admin = clientOf(server);
    const proxy = await newProxy(server.url);
    const queue = patientQueue(proxy.url);
    proxy.loseAnswers(STORING, 5, 6);
    const payloads = numbered(1_000);
    const forgetting = setInterval(() => void admin.script('FLUSH'), 1);
    await enqueueAll(queue, payloads);
    clearInterval(forgetting);
    expect((await payloadsOf(queue.name, admin)).sort()).toEqual([...payloads].sort());
  });

  it('when a call of its producer comes to Redis so late that later ones have taken its place', async () => {
    const server = await ownRedis();
    const admin = clientOf(server);
    await admin.ping();
    const monitor = await admin.monitor();
    onTestFinished(() => {
      monitor.disconnect();
    });
    const calls: [string, ...string[]][] = [];
    monitor.on('monitor', (_time, call: [string, ...string[]]) => {
      if (STORING.test(call.join(' '))) calls.push(call);
    });
    const queue = patientQueue(server.url);
    for (let i = 0; i < 9; i++) await queue.enqueue(new ServiceEvent(60, 'a', String(i)));
    await until(() => calls.length === 9);
    const [late = ['PING']] = calls;
    expect(await rejection(admin.call(...late))).toMatchObject({
      message: expect.stringMatching(/^STALE/) as string,
    });
    expect(await admin.xlen(`${queue.name}(event_stream)`)).toBe(9);
  });

  it('when it was enqueued just before the queue was closed', async () => {
    const proxy = await newProxy();
    const queue = patientQueue(proxy.url);
    proxy.loseAnswers(STORING, 2);
    const answers = numbered(200).map((payload) => queue.enqueue(new ServiceEvent(10, 'a', payload)));
    await queue.close();
    expect(proxy.lost).toBe(2);
    await expectStoredOnce(queue, numbered(200), await Promise.all(answers));
  });
});

describe('an event that could not be stored in time', () => {
  it('is not stored later, when the connection is back', async () => {
    const proxy = await newProxy();
    const queue = patientQueue(proxy.url, newQueueName(), 300);
    await queue.enqueue(new ServiceEvent(10, 'a', 'before'));
    proxy.loseRequests(STORING, Infinity);
    const failed = numbered(50).map((payload) =>
      rejection(queue.enqueue(new ServiceEvent(10, 'a', payload))),
    );
    for (const error of await Promise.all(failed)) expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
    proxy.loseRequests(STORING, 0);
    await untilStored(queue, 'after');
    expect(await payloadsOf(queue.name)).toEqual(['before', 'after']);
  });

  it('is not sent again when only its answer was late', async () => {
    const proxy = await newProxy();
    const queue = patientQueue(proxy.url, newQueueName(), 300);
    await queue.enqueue(new ServiceEvent(10, 'a', 'before'));
    proxy.delay = 600;
    expect(await rejection(queue.enqueue(new ServiceEvent(10, 'a', 'late')))).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: 'Redis did not answer within 300 ms',
    });
    proxy.delay = 0;
    await untilStored(queue, 'after');
    expect((await payloadsOf(queue.name)).filter((payload) => payload !== 'after')).toEqual([
      'before',
      'late',
    ]);
  });
});
