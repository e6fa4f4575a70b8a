import { BufferFullError, ElkMqRecordBuilder, EventQueue, QueueFullError, ServiceEvent } from 'nestjs-elkmq';
import type { Redis } from 'ioredis';
import { lastValueFrom, NEVER } from 'rxjs';
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { messageOf } from '../support/calls.js';
import { enqueueAsTheOriginal, payloadsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { clientOf, ownRedis, type PrivateRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { closing, keysOf, newQueueName, redis, rejection, until, url } from '../support/queue.js';

/** Enqueues one event for each payload, in one batch. @returns for each what it was refused with, if it was */
function refusals(queue: EventQueue, payloads: string[]): Promise<unknown[]> {
  const calls = payloads.map((payload) => queue.enqueue(new ServiceEvent(60, 'a', payload)));
  return Promise.all(
    calls.map((call) =>
      call.then(
        () => undefined,
        (error: unknown) => error,
      ),
    ),
  );
}

function bounded(maxQueueLength: number, address = url, name = newQueueName()): EventQueue {
  return newQueue(name, address, { maxQueueLength });
}

describe('a queue with maxQueueLength', () => {
  it('stores what fits, in order, and refuses the rest, event by event', async () => {
    const queue = bounded(3);
    expect(await refusals(queue, ['a'])).toEqual([undefined]);
    const answers = await refusals(queue, ['b', 'c', 'd', 'e']);
    expect(answers).toMatchObject([undefined, undefined, { code: 'QUEUE_FULL' }, { code: 'QUEUE_FULL' }]);
    expect(answers[2]).toBeInstanceOf(QueueFullError);
    expect((answers[2] as Error).message).toBe(`the queue '${queue.name}' is full: maxQueueLength is 3`);
    expect(await payloadsOf(queue.name)).toEqual(['a', 'b', 'c']);
    await queue.dequeue();
    expect(await refusals(queue, ['f'])).toEqual([undefined]);
    expect(await payloadsOf(queue.name)).toEqual(['b', 'c', 'f']);
  });

  it('says the same of a batch whose answer was lost', async () => {
    const proxy = closing(await Proxy.before(url));
    const queue = bounded(2, proxy.url);
    proxy.loseAnswers(/evalsha.*\(producer\)/is);
    const answers = refusals(queue, ['a', 'b', 'c']);
    await until(() => proxy.lost === 1);
    // Room that was not there then.
    await redis.xtrim(`${queue.name}(event_stream)`, 'MAXLEN', 0);
    expect(await answers).toMatchObject([undefined, undefined, { code: 'QUEUE_FULL' }]);
  });

  it('counts what is in hand and what is delayed, and refuses requests and delayed messages too', async () => {
    const queue = newQueueName();
    let calls = 0;
    await startApp(moduleOf(requests({ ask: () => (calls++, NEVER) })), { queue, drainTimeout: 1 });
    const client = startClient({ queue, maxQueueLength: 2 });
    const waiting = client.send('ask', 1).subscribe({ error: () => undefined });
    await until(() => calls === 1);
    const later = new ElkMqRecordBuilder(1).setDelay(60_000).build();
    await lastValueFrom(client.emit('note', later), { defaultValue: undefined });
    for (const call of [client.send('ask', 2), client.emit('note', 2), client.emit('note', later)]) {
      expect(await rejection(lastValueFrom(call))).toMatchObject({ code: 'QUEUE_FULL' });
    }
    waiting.unsubscribe();
  });

  it('takes a duplicate, which takes no room, and no first one', async () => {
    const queue = newQueueName();
    const client = startClient({ queue, maxQueueLength: 1 });
    const note = (key: string) =>
      lastValueFrom(client.emit('note', new ElkMqRecordBuilder(1).setDeduplicationKey(key).build()), {
        defaultValue: undefined,
      });
    await note('a');
    await note('a');
    expect(await payloadsOf(queue)).toEqual(['1']);
    expect(await rejection(note('b'))).toMatchObject({ code: 'QUEUE_FULL' });
    expect(Object.keys(await keysOf(queue))).not.toContain('(deduplication):event:b');
  });

  it('does not count the responses that original clients leave', async () => {
    const queue = bounded(2);
    const original = new ServiceEvent(60, 'a');
    await enqueueAsTheOriginal(queue.name, `{"request_uuid":1,"timeout":60,"action":"a","payload":null}`);
    const [, request] = await queue.dequeue();
    for (let i = 0; i < 3; i++) await queue.enqueueResponse(ServiceEvent.responseTo(request, 'b'));
    await queue.enqueue(original);
    expect(await refusals(queue, ['a', 'b'])).toMatchObject([undefined, { code: 'QUEUE_FULL' }]);
  });

  it.each([0, -1, 1.5, '10', null])('must not be told %j', (maxQueueLength) => {
    const options = { maxQueueLength: maxQueueLength as number };
    expect(messageOf('INVALID_OPTION', () => new EventQueue('q', url, options))).toMatch(
      /^maxQueueLength must be/,
    );
    expect(messageOf('INVALID_OPTION', () => startClient({ queue: 'q', ...options }))).toMatch(
      /^maxQueueLength must/,
    );
  });
});

/** Stops the process of a server, so that it answers nothing, and its connections stay. */
function pause(server: PrivateRedis): () => void {
  const go = (): void => {
    process.kill(server.pid, 'SIGCONT');
  };
  process.kill(server.pid, 'SIGSTOP');
  onTestFinished(go);
  return go;
}

describe('what waits while Redis is away', () => {
  it('is bounded: what does not fit fails at once, and the rest is stored when Redis is back', async () => {
    const server = await ownRedis();
    const queue = newQueue(newQueueName(), server.url, { maxBufferedBytes: 10_000 });
    await queue.enqueue(new ServiceEvent(60, 'a', 'before'));
    const go = pause(server);
    const calls: Promise<unknown>[] = [];
    // A tick each, so that most are waiting behind batches that are on their way.
    for (let i = 0; i < 12; i++) {
      calls.push(queue.enqueue(new ServiceEvent(60, 'a', String(i).padStart(700, ' '))));
      await immediate();
    }
    const error = await rejection(queue.enqueue(new ServiceEvent(60, 'a', 'x'.repeat(700))));
    expect(error).toBeInstanceOf(BufferFullError);
    expect(error).toMatchObject({ code: 'BUFFER_FULL' });
    expect((error as Error).message).toMatch(
      /^the event was not stored: with its \d+ bytes, more than maxBufferedBytes \(10000\) would wait for Redis$/,
    );
    const refused = rejection(queue.awaitResponse(new ServiceEvent(60, 'a', 'x'.repeat(700))));
    expect(await refused).toMatchObject({ code: 'BUFFER_FULL' });
    go();
    await Promise.all(calls);
    await queue.enqueue(new ServiceEvent(60, 'a', 'x'.repeat(9_000)));
    expect(await payloadsOf(queue.name, clientOf(server))).toHaveLength(14);
  });

  it('also bounds what a Nest client sends while Redis is away', async () => {
    const server = await ownRedis();
    const client = startClient({ queue: newQueueName(), url: server.url, maxBufferedBytes: 2_500 });
    const emitted = () => lastValueFrom(client.emit('a', 'x'.repeat(700)), { defaultValue: undefined });
    await emitted();
    await server.kill();
    await until(() => client.unwrap<Redis>().status !== 'ready');
    const waiting = [emitted(), emitted(), emitted()];
    expect(await rejection(emitted())).toMatchObject({ code: 'BUFFER_FULL' });
    await server.restart();
    expect(await Promise.all(waiting)).toEqual([undefined, undefined, undefined]);
  });

  it('makes room when a request that was not sent is given up, and when time is up', async () => {
    const server = await ownRedis();
    const options = { maxBufferedBytes: 2_500, enqueueTimeout: 2_500 };
    const queue = newQueue(newQueueName(), server.url, options);
    await queue.enqueue(new ServiceEvent(60, 'a'));
    const go = pause(server);
    // These are as many batches as can be on their way: later events are not sent.
    const sent: Promise<unknown>[] = [];
    for (let i = 0; i < 8; i++) {
      sent.push(rejection(queue.enqueue(new ServiceEvent(60, 'a'))));
      await immediate();
    }
    const long = new ServiceEvent(60, 'a', 'x'.repeat(700));
    const asked = rejection(queue.awaitResponse(new ServiceEvent(1, 'ask', 'x'.repeat(700))));
    sent.push(rejection(queue.enqueue(long)));
    expect(await rejection(queue.enqueue(long))).toMatchObject({ code: 'BUFFER_FULL' });
    expect(await asked).toMatchObject({ code: 'TIMEOUT_EXPIRED' });
    sent.push(rejection(queue.enqueue(long)));
    for (const error of await Promise.all(sent)) expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
    go();
    await queue.enqueue(new ServiceEvent(60, 'a', 'x'.repeat(2_000)));
  });

  it.each([0, 1.5, '10', null])('must not be bounded to %j bytes', (maxBufferedBytes) => {
    const options = { maxBufferedBytes: maxBufferedBytes as number };
    expect(messageOf('INVALID_OPTION', () => new EventQueue('q', url, options))).toMatch(
      /^maxBufferedBytes must be/,
    );
  });
});
