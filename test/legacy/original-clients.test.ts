import { ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { hyphenated } from '../../libs/elkmq/src/model/request-ids.js';
import { enqueueAsTheOriginal, entriesOf, eventsOf, millisecondsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { keysOf, redis, rejection } from '../support/queue.js';

const UUID = 272254192325443628094509144338065739309n;
const HYPHENATED = 'ccd24009-baa2-4433-bcc5-6895ac074e2d';
const REQUEST = `{"request_uuid":${String(UUID)},"timeout":10,"action":"getit","payload":"ping"}`;

function jsonOf({ uuid, timeout, action, payload }: ServiceEvent): string {
  const text = `"action":${JSON.stringify(action)},"payload":${JSON.stringify(payload)}`;
  return `{"request_uuid":${String(uuid)},"timeout":${timeout},${text}}`;
}

describe('what an original client finds in the event stream', () => {
  it('is its own format, in the field that it looks for', async () => {
    const queue = newQueue();
    const events = [
      new ServiceEvent(10, 'test_event', 'serialized_data'),
      new ServiceEvent(65_535, '', null),
      new ServiceEvent(1, 'é "quoted" \\', 'a\n\u0000\u2028😀'),
    ];
    for (const event of events) await queue.enqueue(event);

    const entries = await eventsOf(queue.name);
    expect(entries.map(({ fields }) => fields.slice(0, 2))).toEqual(
      events.map((event) => ['event', jsonOf(event)]),
    );
    // Further fields of an entry must be text, and must not look like a response.
    expect(entries.map(({ fields }) => fields.slice(2))).toEqual(events.map(() => ['reply_to', '']));
  });

  it('is a request in the same form, with the address for the reply beside it', async () => {
    const queue = newQueue();
    const request = new ServiceEvent(5, 'ask');
    const reply = rejection(queue.awaitResponse(request));
    await expect.poll(() => eventsOf(queue.name)).toHaveLength(1);
    const [entry] = await eventsOf(queue.name);
    expect(entry?.fields.slice(0, 3)).toEqual(['event', jsonOf(request), 'reply_to']);
    expect(await keysOf(queue.name)).toHaveProperty([`(inbox):${String(entry?.fields[3])}`], 'stream');
    await queue.close();
    await reply;
  });
});

describe('an event of an original client', () => {
  it('is dequeued, and its id leaves the list so that no original client takes it as well', async () => {
    const queue = newQueue();
    const id = await enqueueAsTheOriginal(queue.name, REQUEST);
    const other = await enqueueAsTheOriginal(queue.name, REQUEST.replace('ping', 'pong'));

    const [timestamp, event] = await queue.dequeue();
    expect(timestamp).toBe(millisecondsOf(id));
    expect(event.uuid).toBe(UUID);
    expect(event).toMatchObject({ timeout: 10, action: 'getit', payload: 'ping' });
    expect(await redis.lrange(`${queue.name}(message_queue)`, 0, -1)).toEqual([other]);
    expect((await eventsOf(queue.name)).map((entry) => entry.id)).toEqual([other]);
  });

  it('wakes a call that waits', async () => {
    const queue = newQueue();
    const taken = queue.dequeueBlocking(10);
    await enqueueAsTheOriginal(queue.name, REQUEST);
    expect((await taken)[1].payload).toBe('ping');
    expect(await keysOf(queue.name)).toEqual({ '(event_stream)': 'stream' });
  });

  it.each(['[7,1,"a",null]', '{"extra":1,"action":"a","timeout":1,"request_uuid":7}'])(
    'may be in any form that the original reads: %s',
    async (json) => {
      const queue = newQueue();
      await enqueueAsTheOriginal(queue.name, json);
      const [, event] = await queue.dequeue();
      expect(event.uuid).toBe(7n);
      expect(event).toMatchObject({ timeout: 1, action: 'a', payload: null });
    },
  );

  it('may have further fields', async () => {
    const queue = newQueue();
    await redis.xadd(`${queue.name}(event_stream)`, '*', 'trace', 'x', 'event', REQUEST);
    expect((await queue.dequeue())[1].payload).toBe('ping');
  });
});

describe('the response to a request of an original client', () => {
  it('is where it looks for it: body in the event stream, id of the body in the index', async () => {
    const queue = newQueue();
    await enqueueAsTheOriginal(queue.name, REQUEST);
    const [, request] = await queue.dequeue();
    const timestamp = await queue.enqueueResponse(ServiceEvent.responseTo(request, 'getit_response', 'pong'));

    const [body, ...others] = await eventsOf(queue.name);
    const json = `{"request_uuid":${String(UUID)},"timeout":10,"action":"getit_response","payload":"pong"}`;
    expect(body?.fields).toEqual(['response', json]);
    expect(others).toEqual([]);
    expect(timestamp).toBe(millisecondsOf(String(body?.id)));
    // Exactly one field: of two, the original picks one by chance.
    const index = await entriesOf(`${queue.name}(response_stream)`);
    expect(index.map(({ fields }) => fields)).toEqual([[HYPHENATED, body?.id]]);
  });

  it('is never handed out as an event, and stays for its requester', async () => {
    const queue = newQueue();
    const response = new ServiceEvent(10, 'getit_response', 'pong');
    await queue.enqueueResponse(response);
    await redis.xadd(`${queue.name}(event_stream)`, '*', 'response', 'whatever it is');
    await queue.enqueue(new ServiceEvent(10, 'next'));

    expect((await queue.dequeue())[1].action).toBe('next');
    expect(await rejection(queue.dequeue())).toMatchObject({ code: 'QUEUE_EMPTY' });
    const left = (await eventsOf(queue.name)).map(({ fields }) => fields);
    expect(left).toEqual([
      ['response', jsonOf(response)],
      ['response', 'whatever it is'],
    ]);
    expect(await redis.xpending(`${queue.name}(event_stream)`, 'elkmq')).toEqual([0, null, null, null]);
    const [index] = await entriesOf(`${queue.name}(response_stream)`);
    expect(index?.fields[0]).toBe(hyphenated(String(response.uuid)));
  });
});
