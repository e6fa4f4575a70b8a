import { QueueAdmin, ServiceEvent } from 'elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { GROUP, QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import { enqueueAsTheOriginal, entriesOf, eventsOf, millisecondsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { events, moduleOf, startApp, startClient } from '../support/nest.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import {
  dequeueAsTheOriginal,
  emitted,
  eventJson,
  expectNothingLeft,
  listOf,
  newClient,
  respondAsTheOriginal,
  startTaker,
} from '../support/original.js';

/** Stores events one after the other, as the original does. */
async function enqueueNotes(queue: string, count: number): Promise<void> {
  for (let id = 0; id < count; id++) await enqueueAsTheOriginal(queue, eventJson('note', String(id)));
}

describe('a queue that the original used before', () => {
  it('hands out what is in the list, and nothing that was consumed; in the end nothing is left', async () => {
    const queue = newQueueName();
    for (let id = 0; id < 6; id++) await enqueueAsTheOriginal(queue, eventJson('note', String(id), 2));
    for (let id = 0; id < 3; id++) await dequeueAsTheOriginal(queue);
    // One was consumed out of turn, and one is ours.
    const third = (await listOf(queue)).at(-2) ?? '';
    await redis.lrem(`${queue}(message_queue)`, 0, third);
    const client = startClient({ queue, eventTimeout: 3_000 });
    await emitted(client, 'ours');
    const taken = await startTaker(queue, { legacyConsumers: false });
    await enqueueAsTheOriginal(queue, eventJson('note', '"new"'));
    await until(() => taken.length === 4);
    await expectNothingLeft(queue);
    expect(taken.map(String).sort()).toEqual(['3', '5', 'new', 'ours']);
  });

  it('hands out an event of ours that is older than all that is in the list', async () => {
    const queue = newQueueName();
    await enqueueAsTheOriginal(queue, eventJson('note', '1'));
    await dequeueAsTheOriginal(queue);
    await emitted(startClient({ queue }), 'ours');
    // In a later millisecond.
    const [{ id } = { id: '' }] = (await eventsOf(queue)).slice(-1);
    await until(async () => {
      const [seconds, microseconds] = await redis.time();
      return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000) > millisecondsOf(id);
    });
    await enqueueAsTheOriginal(queue, eventJson('note', '2'));
    const taken = await startTaker(queue, { legacyConsumers: false });
    await until(() => taken.length === 2);
    expect(taken.map(String).sort()).toEqual(['2', 'ours']);
  });
});

describe('after original clients', () => {
  it('no id of what a worker handled is in the list when it has closed', async () => {
    const queue = newQueueName();
    const taken: unknown[] = [];
    const worker = await startApp(moduleOf(events({ note: (data) => taken.push(data) })), { queue });
    await enqueueNotes(queue, 1_000);
    await until(() => taken.length === 1_000);
    await worker.close();
    expect(await listOf(queue)).toEqual([]);
  });

  it('no id that came after its event was taken is in the list when an EventQueue has closed', async () => {
    const queue = newQueueName();
    const taker = newQueue(queue);
    // It joins the queue.
    expect(await rejection(taker.dequeue())).toMatchObject({ code: 'QUEUE_EMPTY' });
    const id = String(await redis.xadd(`${queue}(event_stream)`, '*', 'event', eventJson('note', '1')));
    await taker.dequeue();
    await redis.lpush(`${queue}(message_queue)`, id);
    await taker.close();
    expect(await listOf(queue)).toEqual([]);
  });

  it('ids of messages that are being handled keep none of what was handled in the list', async () => {
    const queue = newQueueName();
    const running: (() => void)[] = [];
    onTestFinished(() => {
      for (const end of running) end();
    });
    const wait = () => new Promise<void>((resolve) => running.push(resolve));
    const slow = await startApp(moduleOf(events({ note: wait })), { queue, concurrency: 1_100 });
    await enqueueNotes(queue, 1_100);
    await until(() => running.length === 1_100);
    const taken: unknown[] = [];
    const quick = await startApp(moduleOf(events({ note: (data) => taken.push(data) })), { queue });
    await enqueueNotes(queue, 300);
    await until(() => taken.length === 300);
    await quick.close();
    expect(await listOf(queue)).toHaveLength(1_100);
    for (const end of running) end();
    await slow.close();
    expect(await listOf(queue)).toEqual([]);
  });

  it('an id that comes when its event was handled already leaves the list', async () => {
    const queue = newQueueName();
    const taken = await startTaker(queue, { legacyConsumers: false });
    const id = String(await redis.xadd(`${queue}(event_stream)`, '*', 'event', eventJson('note', '1')));
    await until(async () => taken.length === 1 && (await eventsOf(queue)).length === 0);
    await redis.lpush(`${queue}(message_queue)`, id);
    await until(async () => (await listOf(queue)).length === 0);
  });

  it('responses are deleted when their time has passed, not before, with or without a Nest worker', async () => {
    const queue = newQueueName();
    const client = newClient(queue);
    const answer = lastValueFrom(client.send('ask', {}));
    await until(async () => (await listOf(queue)).length === 1);
    const taken = await dequeueAsTheOriginal(queue);
    await respondAsTheOriginal(queue, taken?.text ?? '', '1');
    // Another's, which nobody reads.
    await respondAsTheOriginal(queue, eventJson('x'), '2');
    expect(await answer).toBe(1);
    expect(await entriesOf(`${queue}(response_stream)`)).toHaveLength(2);
    await until(async () => (await redis.xlen(`${queue}(response_stream)`)) === 0);
    expect(await eventsOf(queue)).toHaveLength(1); // The request, which has 30 s.
  });

  it('a response and its place in the index go together, so that what waits is counted', async () => {
    const queue = newQueueName();
    const keys = new QueueKeys(queue, false);
    const now = Date.now();
    /** @returns the id of the response */
    const respond = async (id: string, timeout: number): Promise<string> => {
      const json = `{"request_uuid":1,"timeout":${String(timeout)},"action":"a","payload":"1"}`;
      await redis.xadd(keys.eventStream, id, 'response', json);
      await redis.xadd(keys.responseStream, id, '00000000-0000-0000-0000-000000000001', id);
      return id;
    };
    const kept: string[] = [];
    for (let n = 1; n <= 30; n++) kept.push(await respond(`${String(now - 60_000)}-${String(n)}`, 3_600));
    const past: string[] = [];
    for (let n = 31; n <= 60; n++) past.push(await respond(`${String(now - 60_000)}-${String(n)}`, 1));
    // Nothing tells where the place of this one is.
    past.push(String(await redis.xadd(keys.eventStream, `${String(now - 50_000)}-1`, 'response', '{}')));
    await redis.zadd(keys.leftovers, ...past.flatMap((id) => [now - 1, id]), now - 1, 'no id');
    await redis.xgroup('CREATE', keys.eventStream, GROUP, '$');
    await newQueue(queue).enqueue(new ServiceEvent(60, 'a', '1'));
    await runScript(redis, scripts.cleanLeftovers(keys, { group: GROUP, limit: 100 }));
    expect(await redis.exists(keys.leftovers)).toBe(0);
    expect((await entriesOf(keys.responseStream)).map(({ id }) => id)).toEqual(kept);
    expect(await closing(new QueueAdmin(queue, url)).state()).toMatchObject({ waiting: 1 });
  });

  it('maxQueueLength does not count what original consumers have taken', async () => {
    const queue = newQueueName();
    const client = newClient(queue, { maxQueueLength: 2 });
    for (let round = 0; round < 3; round++) {
      await emitted(client, 1);
      await emitted(client, 2);
      expect(await rejection(emitted(client, 3))).toMatchObject({ code: 'QUEUE_FULL' });
      await dequeueAsTheOriginal(queue);
      await dequeueAsTheOriginal(queue);
    }
  });
});
