import { lastValueFrom, of } from 'rxjs';
import { RpcException } from '@nestjs/microservices';
import { ServiceEvent, type ElkMqContext } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { enqueueAsTheOriginal, entriesOf, millisecondsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { deadLettersOf, events, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { newQueueName, redis, until } from '../support/queue.js';

const UUID = '340282366920938463463374607431768211455';
const HYPHENATED = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

function json(action: string, payload: string | null, timeout = 60): string {
  return `{"request_uuid":${UUID},"timeout":${String(timeout)},"action":"${action}","payload":${JSON.stringify(payload)}}`;
}

/** The payload of the response that an original client finds. */
async function responseIn(queue: string): Promise<unknown> {
  await until(async () => (await redis.xlen(`${queue}(response_stream)`)) === 1);
  const [index] = await entriesOf(`${queue}(response_stream)`);
  const [uuid, id = ''] = index?.fields ?? [];
  expect(uuid).toBe(HYPHENATED);
  const [[, [field, body = '']]] = (await redis.xrange(`${queue}(event_stream)`, id, id)) as [
    [string, string[]],
  ];
  expect(field).toBe('response');
  expect(body).toContain(`"request_uuid":${UUID}`);
  return (JSON.parse(body) as { payload: unknown }).payload;
}

describe('a request of an original client gets, as the payload of its response,', () => {
  const refuse = () => Promise.reject(new RpcException('sold out'));
  it.each([
    ['text as it is', () => 'an answer', 'an answer'],
    ['anything else as JSON', () => ({ total: 35 }), '{"total":35}'],
    ['nothing when there is no value', () => undefined, null],
    ['the last of several values', () => of(1, 2, 3), '3'],
    ['what went wrong', refuse, '{"err":{"status":"error","message":"sold out"}}'],
    ['that the answer cannot be written', () => ({ id: 10n }), expect.stringMatching(/^\{"err":.*BigInt/)],
  ])('%s', async (_what, handler, payload) => {
    const queue = newQueueName();
    // Before the worker starts, which might answer before the id is in the list.
    await enqueueAsTheOriginal(queue, json('ask', '{}'));
    await startApp(moduleOf(requests({ ask: handler })), { queue });
    expect(await responseIn(queue)).toEqual(payload);
    expect(await redis.llen(`${queue}(message_queue)`)).toBe(0);
  });
});

describe('an event of an original client', () => {
  it.each([
    ['JSON', '{"id":7}', { id: 7 }],
    ['text that is not', 'serialized_data', 'serialized_data'],
    ['nothing', null, undefined],
  ])('comes to its handler with its payload, %s, and is answered by none', async (_what, payload, data) => {
    const queue = newQueueName();
    const handled: unknown[] = [];
    const note = (given: unknown, context: ElkMqContext) => handled.push([given, context.getAttempt()]);
    await startApp(moduleOf(events({ note })), { queue });
    await enqueueAsTheOriginal(queue, json('note', payload));
    await until(async () => (await redis.llen(`${queue}(message_queue)`)) === 0);
    expect(handled).toEqual([[data, 1]]);
    expect(await redis.exists(`${queue}(response_stream)`)).toBe(0);
  });

  it.each([
    ['unhandled', json('unknown', '{}')],
    ['failed', json('failing', '{}')],
    ['malformed', '{"request_uuid":-1}'],
  ])('that is %s becomes a dead letter, and leaves the list', async (reason, event) => {
    const queue = newQueueName();
    const failing = () => Promise.reject(new RpcException('no'));
    await startApp(moduleOf(events({ failing })), { queue });
    const id = await enqueueAsTheOriginal(queue, event);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason, origin: id, fields: ['event', event] }]);
    await until(async () => (await redis.llen(`${queue}(message_queue)`)) === 0);
  });
});

describe('an EventQueue', () => {
  it('is answered by a handler, with what a Nest client would get as JSON', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(requests({ total: (prices: number[]) => ({ total: prices[0] }) })), { queue });
    const caller = newQueue(queue);
    const before = millisecondsOf(String(await redis.xadd(`${queue}(clock)`, '*', 'x', '')));
    const [timestamp, { action, payload }] = await caller.awaitResponse(
      new ServiceEvent(10, 'total', '[35]'),
    );
    expect([action, payload]).toEqual(['total', '{"total":35}']);
    const after = millisecondsOf(String(await redis.xadd(`${queue}(clock)`, '*', 'x', '')));
    expect(timestamp).toBeGreaterThanOrEqual(before);
    expect(timestamp).toBeLessThanOrEqual(after);
  });

  it('answers a Nest client', async () => {
    const queue = newQueueName();
    const answer = lastValueFrom(startClient({ queue }).send('total', [35]));
    const answerer = newQueue(queue);
    const [, request] = await answerer.dequeueBlocking(10);
    expect([request.action, request.payload]).toEqual(['total', '[35]']);
    await answerer.enqueueResponse(ServiceEvent.responseTo(request, 'any', '{"total":35}'));
    expect(await answer).toEqual({ total: 35 });
  });

  it('handles events of a Nest client, and emits events for handlers', async () => {
    const queue = newQueueName();
    const other = newQueue(queue);
    startClient({ queue }).emit('note', { id: 7 });
    const [, event] = await other.dequeueBlocking(10);
    expect([event.action, event.payload]).toEqual(['note', '{"id":7}']);

    const handled: unknown[] = [];
    await startApp(moduleOf(events({ note: (data) => handled.push(data) })), { queue });
    await other.enqueue(event);
    await until(() => handled.length === 1);
    expect(handled).toEqual([{ id: 7 }]);
  });
});
