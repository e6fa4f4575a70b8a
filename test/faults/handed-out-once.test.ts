import { EventQueue, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it, onTestFinished } from 'vitest';
import { enqueueAsTheOriginal, eventsOf } from '../support/entries.js';
import { patientQueue } from '../support/event-queue.js';
import { logs, moduleOf, requests, startApp, startClient, valuesOf } from '../support/nest.js';
import { Proxy } from '../support/proxy.js';
import { closing, keysOf, newQueueName, redis, rejection, until, url } from '../support/queue.js';

async function newProxy(): Promise<Proxy> {
  return closing(await Proxy.before(url));
}

/** Answers whatever comes into the queue, until the test is over. @returns the payloads of what came */
function startEcho(address: string, name: string): (string | null)[] {
  const queue = new EventQueue(name, address, { enqueueTimeout: 120_000 });
  const seen: (string | null)[] = [];
  const run = async () => {
    for (;;) {
      const [, request] = await queue.dequeueBlocking(0);
      seen.push(request.payload);
      await queue.enqueueResponse(ServiceEvent.responseTo(request, 'answer', request.payload));
    }
  };
  const running = rejection(run());
  onTestFinished(async () => {
    await queue.close();
    expect(await running).toMatchObject({ code: 'CONNECTION_FAILED' });
  });
  return seen;
}

describe('an event is handed out once', () => {
  /** Redis has the scripts already, so that what is lost is an answer. */
  async function warmUp(name: string): Promise<void> {
    const queue = patientQueue(url, name);
    await queue.enqueue(new ServiceEvent(1, 'warm-up'));
    await queue.dequeue();
    await enqueueAsTheOriginal(name, '[7,1,"warm-up",null]');
    await queue.dequeue();
  }

  it.each(['answers', 'requests'] as const)(
    'when %s that take it out of the queue are lost',
    async (what) => {
      const name = newQueueName();
      await warmUp(name);
      const proxy = await newProxy();
      const [consumer, producer] = [patientQueue(proxy.url, name), patientQueue(url, name)];
      await rejection(consumer.dequeue());
      for (const action of ['ours', 'waited for']) {
        await producer.enqueue(new ServiceEvent(10, action));
        if (what === 'answers') proxy.loseAnswers(/evalsha/);
        else proxy.loseRequests(/evalsha/);
        const taken = action === 'ours' ? consumer.dequeue() : consumer.dequeueBlocking(10);
        expect((await taken)[1].action).toBe(action);
      }
      await enqueueAsTheOriginal(name, '[7,1,"an original",null]');
      if (what === 'answers') proxy.loseAnswers(/evalsha/);
      else proxy.loseRequests(/evalsha/);
      expect((await consumer.dequeue())[1].action).toBe('an original');
      expect(proxy.lost).toBe(3);
      expect(await rejection(producer.dequeue())).toMatchObject({ code: 'QUEUE_EMPTY' });
      expect(await eventsOf(name)).toEqual([]);
      expect(await redis.llen(`${name}(message_queue)`)).toBe(0);
    },
  );
});

describe('an event that Redis handed out, but that never arrived', () => {
  it('goes to the call that waits for it, as soon as that is connected again', async () => {
    const proxy = await newProxy();
    const consumer = patientQueue(proxy.url);
    const producer = patientQueue(url, consumer.name);
    // Makes the group.
    await rejection(consumer.dequeue());
    // A read lasts for five seconds: it would come then at the latest. A busy machine may need several tries.
    let tries = 0;
    await until(async () => {
      proxy.loseAnswers(/xreadgroup.*BLOCK/is);
      const taken = consumer.dequeueBlocking(0);
      const timestamp = await producer.enqueue(new ServiceEvent(60, 'a', 'payload'));
      const enqueued = performance.now();
      expect((await taken)[0]).toBe(timestamp);
      const took = performance.now() - enqueued;
      expect(proxy.lost).toBe(++tries);
      expect(await eventsOf(consumer.name)).toEqual([]);
      return took < 4_000;
    });
  });

  it('goes to another call also when Redis did not notice that the connection was gone', async () => {
    const proxy = await newProxy();
    const consumer = patientQueue(proxy.url);
    const producer = patientQueue(url, consumer.name);
    // Makes the group.
    await rejection(consumer.dequeue());
    const taken = consumer.dequeueBlocking(0);
    const waits = /xreadgroup.*BLOCK/is;
    await until(() => proxy.latest(waits) === 1);
    proxy.abandon(waits);
    await until(() => proxy.latest(waits) === 1);
    const timestamp = await producer.enqueue(new ServiceEvent(60, 'a', 'payload'));
    expect((await taken)[0]).toBe(timestamp);
    expect(await eventsOf(consumer.name)).toEqual([]);
  });

  it('goes to the next call when the one that took it did not wait', async () => {
    const proxy = await newProxy();
    const consumer = patientQueue(proxy.url);
    await rejection(consumer.dequeue());
    const timestamp = await consumer.enqueue(new ServiceEvent(60, 'a', 'payload'));
    proxy.loseAnswers(/xreadgroup/i);
    expect(await rejection(consumer.dequeue())).toMatchObject({ code: 'CONNECTION_FAILED' });
    expect((await consumer.dequeueBlocking(10))[0]).toBe(timestamp);
    expect(await eventsOf(consumer.name)).toEqual([]);
  });

  it('is handed out all the same, once, while connections break at any moment', async () => {
    const proxy = await newProxy();
    const name = newQueueName();
    const [one, other, producer] = [
      patientQueue(proxy.url, name),
      patientQueue(proxy.url, name),
      patientQueue(url, name),
    ];
    const payloads = Array.from({ length: 1_000 }, (_, index) => String(index));
    const taken: (string | null)[] = [];
    let isOver = false;
    onTestFinished(() => {
      isOver = true;
    });
    const take = async (queue: EventQueue) => {
      while (taken.length < payloads.length && !isOver) {
        try {
          taken.push((await queue.dequeueBlocking(1))[1].payload);
        } catch (error) {
          if (!/QUEUE_EMPTY|CONNECTION_FAILED/.test((error as { code: string }).code)) throw error;
        }
      }
    };
    const taking = [take(one), take(one), take(other), take(other)];
    const scissors = setInterval(() => proxy.cut(), 60);
    for (const payload of payloads) {
      await producer.enqueue(new ServiceEvent(60, 'a', payload));
      await new Promise(setImmediate);
    }
    clearInterval(scissors);
    await Promise.all(taking);
    expect(taken.sort((a, b) => Number(a) - Number(b))).toEqual(payloads);
    expect(await eventsOf(name)).toEqual([]);
  });
});

describe('a response arrives once', () => {
  it('when the answer to the request was lost: the request is in the queue once', async () => {
    const proxy = await newProxy();
    const client = patientQueue(proxy.url);
    const seen = startEcho(url, client.name);
    proxy.loseAnswers(/evalsha.*\(inbox\)/is);
    expect((await client.awaitResponse(new ServiceEvent(20, 'ask', 'question')))[1].payload).toBe('question');
    expect(proxy.lost).toBe(1);
    expect(seen).toEqual(['question']);
  });

  it('when it was lost on the way to who asked', async () => {
    const proxy = await newProxy();
    const client = patientQueue(proxy.url);
    const seen = startEcho(url, client.name);
    // The first read of the inbox; its connection breaks when Redis answers it.
    proxy.loseAnswers(/xread.*\(inbox\)/is, 1);
    expect((await client.awaitResponse(new ServiceEvent(20, 'ask', 'one')))[1].payload).toBe('one');
    expect(proxy.lost).toBe(1);
    expect((await client.awaitResponse(new ServiceEvent(20, 'ask', 'two')))[1].payload).toBe('two');
    expect(seen).toEqual(['one', 'two']);
  });

  it('when it is read twice, value by value', async () => {
    const queue = newQueueName();
    const values = valuesOf(startClient({ queue }).send('ask', 1));
    await until(async () => (await eventsOf(queue)).length === 1);
    const [{ fields } = { fields: [] }] = await eventsOf(queue);
    const requestId = /"request_uuid":(\d+)/.exec(fields[1] ?? '')?.[1];
    const reply = (number: number, last: number) =>
      `["${String(requestId)}",1,${number},${last},{"response":${number}}]`;
    const inbox = `${queue}(inbox):${String(fields[3])}`;
    for (const replies of [reply(0, 0), reply(0, 0), `${reply(1, 0)},${reply(0, 0)}`, reply(2, 1)])
      await redis.xadd(inbox, '*', 'replies', `[${replies}]`);
    expect(await values).toEqual([0, 1, 2]);
  });

  it('when the ids of Redis have gone back, as after a failover', async () => {
    const proxy = await newProxy();
    const client = patientQueue(proxy.url);
    startEcho(url, client.name);
    await client.awaitResponse(new ServiceEvent(20, 'ask', 'warm-up'));
    const keys = Object.keys(await keysOf(client.name));
    const inbox = client.name + String(keys.find((key) => key.startsWith('(inbox)')));
    const id = `${Date.now() + 3_600_000}-0`;
    await redis.xadd(inbox, id, 'replies', '[]');
    await redis.publish(inbox, `${id}  []`);
    await until(async () => (await redis.xlen(inbox)) === 0);
    await redis.del(inbox);
    proxy.cut();
    expect((await client.awaitResponse(new ServiceEvent(20, 'ask', 'one')))[1].payload).toBe('one');
  });

  it('when the connection of its worker breaks before that knows that it has answered', async () => {
    const proxy = await newProxy();
    const queue = newQueueName();
    const app = await startApp(moduleOf(requests({ echo: (data) => data as unknown })), {
      queue,
      url: proxy.url,
    });
    const client = startClient({ queue });
    expect(await valuesOf(client.send('echo', 0))).toEqual([0]);
    proxy.loseAnswers(/evalsha.*\(inbox\)/is);
    expect(await valuesOf(client.send('echo', 1))).toEqual([1]);
    expect(await valuesOf(client.send('echo', 2))).toEqual([2]);
    expect(proxy.lost).toBe(1);
    await app.close();
    // Nor does the worker take it for lost.
    expect(logs.filter((line) => line.includes(queue) && line.includes('given up'))).toEqual([]);
  });

  it('when the connection of who answers breaks before it knows that it has answered', async () => {
    const proxy = await newProxy();
    const client = patientQueue(url);
    const seen = startEcho(proxy.url, client.name);
    await client.awaitResponse(new ServiceEvent(20, 'ask', 'warm-up'));
    proxy.loseAnswers(/evalsha.*\(inbox\)/is);
    expect((await client.awaitResponse(new ServiceEvent(20, 'ask', 'one')))[1].payload).toBe('one');
    expect((await client.awaitResponse(new ServiceEvent(20, 'ask', 'two')))[1].payload).toBe('two');
    expect(proxy.lost).toBe(1);
    expect(seen).toEqual(['warm-up', 'one', 'two']);
  });

  it('while the connections of who asks break at any moment', async () => {
    const proxy = await newProxy();
    const client = patientQueue(proxy.url);
    const seen = startEcho(url, client.name);
    const questions = Array.from({ length: 300 }, (_, index) => String(index));
    const scissors = setInterval(() => proxy.cut(), 150);
    const answers: (string | null)[] = [];
    for (let start = 0; start < questions.length; start += 20) {
      const asked = questions
        .slice(start, start + 20)
        .map((question) => client.awaitResponse(new ServiceEvent(30, 'ask', question)));
      answers.push(...(await Promise.all(asked)).map(([, { payload }]) => payload));
    }
    clearInterval(scissors);
    expect(answers).toEqual(questions);
    expect(seen.sort((a, b) => Number(a) - Number(b))).toEqual(questions);
    // It is connected again, so it can leave nothing behind.
    await client.awaitResponse(new ServiceEvent(30, 'ask'));
    await client.close();
    expect(await keysOf(client.name)).toEqual({ '(event_stream)': 'stream' });
  });
});
