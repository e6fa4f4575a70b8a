import { setImmediate as nextTurn } from 'node:timers/promises';
import { ElkMqRecordBuilder, ServiceEvent } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import { keepBusy } from '../support/busy.js';
import { eventsOf, payloadsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { logs, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { newQueueName, redis, rejection, until, url } from '../support/queue.js';

const enqueueTimeout = 300;
/** Longer than `enqueueTimeout`, ms. */
const BUSY_MS = 450;

describe('a process that is busy for longer than enqueueTimeout', () => {
  const turns = [
    ['at once', () => Promise.resolve()],
    ['after a turn of the event loop', () => nextTurn()],
  ] as const;

  it.each(turns)('has the event stored that a client emits before: %s', async (_, turn) => {
    const queue = newQueueName();
    const client = startClient({ queue, enqueueTimeout });
    await client.connect();
    const emitted = lastValueFrom(client.emit('a', 1));
    await turn();
    keepBusy(BUSY_MS);
    await emitted;
    expect(await eventsOf(queue)).toHaveLength(1);
  });

  it.each(turns)('has the event stored that was enqueued before: %s', async (_, turn) => {
    const queue = newQueue(newQueueName(), url, { enqueueTimeout });
    await queue.enqueue(new ServiceEvent(60, 'a', 'first'));
    const stored = queue.enqueue(new ServiceEvent(60, 'a', 'second'));
    await turn();
    keepBusy(BUSY_MS);
    await stored;
    expect(await payloadsOf(queue.name)).toEqual(['first', 'second']);
  });

  it('connects, when it was about to', async () => {
    const client = startClient({ queue: newQueueName(), enqueueTimeout });
    const connected = client.connect();
    keepBusy(BUSY_MS);
    await connected;
  });

  it('has all events stored that a client emits in one loop, however long their turn takes to come', async () => {
    const queue = newQueueName();
    const client = startClient({ queue, enqueueTimeout });
    await client.connect();
    const emitted: Promise<unknown>[] = [];
    // More than go out at once: the last ones wait for answers to those before.
    for (let i = 0; i < 2_000; i++) {
      emitted.push(lastValueFrom(client.emit('a', i)));
      if (i % 500 === 0) keepBusy(BUSY_MS / 4);
    }
    await nextTurn();
    keepBusy(BUSY_MS);
    await Promise.all(emitted);
    expect(await redis.xlen(`${queue}(event_stream)`)).toBe(2_000);
  });

  it('finds the reply that came meanwhile, although its time is over', async () => {
    const queue = newQueueName();
    // Long enough for a busy machine to store the request before this process is busy itself.
    const timeout = 3_000;
    const client = startClient({ queue, timeout });
    await client.connect();
    const sendRequest = async () => {
      const answer = lastValueFrom(client.send('ask', new ElkMqRecordBuilder(1).build()));
      await until(async () => (await eventsOf(queue)).length > 0);
      const [, json = '', , clientId = ''] = (await eventsOf(queue))[0]?.fields ?? [];
      const requestId = /"request_uuid":(\d+)/.exec(json)?.[1] ?? '';
      await redis.del(`${queue}(event_stream)`);
      const replies = `[["${requestId}",1,0,1,{"response":7}]]`;
      const call = scripts.reply({ inbox: `${queue}(inbox):${clientId}` }, { replies, pushes: 'publish' });
      return { answer, reply: () => runScript(redis, call) };
    };
    // The client opens its connection for replies with its first request.
    const first = await sendRequest();
    await first.reply();
    await first.answer;
    const sentAt = performance.now();
    const second = await sendRequest();
    // It is written to the socket at once: the reply is there long before anybody looks.
    void second.reply();
    keepBusy(sentAt + timeout + 100 - performance.now());
    expect(await second.answer).toBe(7);
  });

  it('has a request answered that it made before, although its time would be over', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(requests({ echo: (data: unknown) => data })), { queue });
    const timeout = 1_500;
    const client = startClient({ queue, timeout });
    await client.connect();
    const answer = lastValueFrom(client.send('echo', 7));
    keepBusy(timeout + 100);
    expect(await answer).toBe(7);
  });

  it('takes the event that came meanwhile, although the time to wait for it is over', async () => {
    const queue = newQueue();
    await queue.enqueue(new ServiceEvent(60, 'a', 'first'));
    await queue.dequeue();
    const taken = queue.dequeueBlocking(enqueueTimeout / 1_000);
    await nextTurn();
    void redis.xadd(
      `${queue.name}(event_stream)`,
      '*',
      'event',
      '{"request_uuid":7,"timeout":60,"action":"a","payload":"second"}',
      'reply_to',
      '',
    );
    keepBusy(BUSY_MS);
    expect((await taken)[1].payload).toBe('second');
  });
});

describe('a client that has never been connected', () => {
  it('obeys maxBufferedBytes, and tells what is lost in a line for each kind of failure, with a count', async () => {
    const server = await ownRedis();
    await server.kill();
    const queue = newQueueName();
    const client = startClient({ queue, url: server.url, maxBufferedBytes: 2_500, enqueueTimeout: 2_000 });
    const before = logs.length;
    for (let i = 0; i < 50; i++) client.emit('a', 'x'.repeat(700));
    expect(await rejection(lastValueFrom(client.send('a', 'x'.repeat(700))))).toMatchObject({
      code: 'BUFFER_FULL',
    });
    const lost = () => logs.slice(before).filter((line) => line.includes('not emitted'));
    await until(() => lost().length === 1);
    expect(lost()[0]).toMatch(/^error \[ElkMqClient\] 47 events were not emitted: BufferFullError: /);
    await client.close();
    expect(lost()).toHaveLength(2);
    expect(lost()[1]).toMatch(
      /^error \[ElkMqClient\] 3 events were not emitted: ConnectionError: .*ECONNREFUSED/,
    );
  });

  it('has what it buffered stored once Redis is there', async () => {
    const server = await ownRedis();
    await server.kill();
    const queue = newQueueName();
    const client = startClient({ queue, url: server.url, enqueueTimeout: 60_000 });
    const emitted = lastValueFrom(client.emit('a', 1));
    await server.restart();
    await emitted;
    expect(await eventsOf(queue, clientOf(server))).toHaveLength(1);
  });
});
