import { EventQueue, ServiceEvent, type RedisSourceInput, type TimestampedEvent } from 'nestjs-elkmq';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { eventsOf as eventsOfAt, millisecondsOf } from '../support/entries.js';
import { newQueue as newQueueAt } from '../support/event-queue.js';
import { replyPlaces, sourceWithoutPushes, type ReplyPlace } from '../support/reply-forms.js';
import { keysOf as keysOfAt, rejection, until } from '../support/queue.js';

/** Answers everything that comes into the queue with its own payload, until the test is over. */
function echoAt(source: RedisSourceInput, name: string): { readonly requests: ServiceEvent[] } {
  const queue = new EventQueue(name, source);
  const requests: ServiceEvent[] = [];
  const run = async () => {
    for (;;) {
      const [, request] = await queue.dequeueBlocking(0);
      requests.push(request);
      await queue.enqueueResponse(
        ServiceEvent.responseTo(request, `${request.action}_response`, request.payload),
      );
    }
  };
  const running = rejection(run());
  onTestFinished(async () => {
    await queue.close();
    expect(await running).toMatchObject({ code: 'CONNECTION_FAILED' });
  });
  return { requests };
}

const FORMS = replyPlaces().flatMap(([where, , placeOf]) =>
  ['that may be pushed', 'by blocking reads'].map((form) => [form, where, placeOf] as const),
);

describe.each(FORMS)('replies %s, on %s:', (form, _where, placeOf) => {
  let place: ReplyPlace;
  let source: RedisSourceInput;
  beforeAll(async () => {
    place = placeOf();
    source = form === 'by blocking reads' ? await sourceWithoutPushes(place) : place.source;
  });
  const newQueue = (name = place.newName()): EventQueue => newQueueAt(name, source);
  const startEcho = (name: string) => echoAt(place.source, name);
  const keysOf = (name: string) => keysOfAt(name, place.admin);
  const eventsOf = (name: string) => eventsOfAt(name, place.admin);
  const inboxLength = async (name: string): Promise<number> => {
    const inbox = Object.keys(await keysOf(name)).find((key) => key.startsWith('(inbox)'));
    return inbox === undefined ? 0 : place.admin.xlen(name + inbox);
  };

  describe('awaitResponse', () => {
    it('resolves with the response: uuid of the request, action and payload of who answered', async () => {
      const queue = newQueue();
      const { requests } = startEcho(queue.name);
      const request = new ServiceEvent(10, 'ask', '{"a":1}');
      const [, response] = await queue.awaitResponse(request);
      expect(response).toBeInstanceOf(ServiceEvent);
      expect(response).toMatchObject({ timeout: 10, action: 'ask_response', payload: '{"a":1}' });
      expect(response.uuid).toBe(request.uuid);
      expect(requests.map(({ uuid }) => uuid)).toEqual([request.uuid]);
    });

    it.each([
      ['none', null],
      ['an empty one', ''],
      ['Unicode', 'é 漢字 😀 \u0000\u2028"\\'],
      ['100 KiB', '\n"'.repeat(50 * 1024)],
    ])('brings a payload back as it was: %s', async (_what, payload) => {
      const queue = newQueue();
      startEcho(queue.name);
      expect((await queue.awaitResponse(new ServiceEvent(10, 'echo', payload)))[1].payload).toBe(payload);
    });

    it('gives each of many requests, of several clients, its own response', async () => {
      const name = place.newName();
      const clients = [newQueue(name), newQueue(name), newQueue(name)];
      startEcho(name);
      startEcho(name);
      const asked = clients.flatMap((client, number) =>
        Array.from({ length: 200 }, async (_, index) => {
          const payload = `${number}-${index}`;
          return (await client.awaitResponse(new ServiceEvent(300, 'echo', payload)))[1].payload === payload;
        }),
      );
      expect((await Promise.all(asked)).every(Boolean)).toBe(true);
      expect(await eventsOf(name)).toEqual([]);
    });

    it('can be answered by the queue that asks', async () => {
      const before = Date.now();
      const queue = newQueue();
      const response = queue.awaitResponse(new ServiceEvent(10, 'ask'));
      const [, request] = await queue.dequeueBlocking(10);
      const timestamp = await queue.enqueueResponse(ServiceEvent.responseTo(request, 'answer'));
      expect((await response)[1].action).toBe('answer');
      // The clock of Redis need not be that of this process.
      expect(timestamp).toBeGreaterThan(before - 1_000);
      expect(timestamp).toBeLessThan(Date.now() + 1_000);
    });

    it('resolves with the time at which Redis registered the response, which enqueueResponse answered too', async () => {
      const queue = newQueue();
      const response = queue.awaitResponse(new ServiceEvent(10, 'ask'));
      const [, request] = await queue.dequeueBlocking(10);
      const registeredAt = await queue.enqueueResponse(ServiceEvent.responseTo(request, 'answer'));
      expect((await response)[0]).toBe(registeredAt);
    });

    it('takes the first of two responses, and the other one takes no space', async () => {
      const queue = newQueue();
      const response = queue.awaitResponse(new ServiceEvent(10, 'ask'));
      const [, request] = await queue.dequeueBlocking(10);
      await queue.enqueueResponse(ServiceEvent.responseTo(request, 'first'));
      await queue.enqueueResponse(ServiceEvent.responseTo(request, 'second'));
      expect((await response)[1].action).toBe('first');
      await until(async () => (await inboxLength(queue.name)) === 0);
    });

    it('of an event for which a response is awaited already is an error', async () => {
      const queue = newQueue();
      startEcho(queue.name);
      const request = new ServiceEvent(10, 'ask');
      const response = queue.awaitResponse(request);
      expect(await rejection(queue.awaitResponse(request))).toMatchObject({
        code: 'INVALID_EVENT',
        message: expect.stringContaining(String(request.uuid)) as string,
      });
      expect((await response)[1].action).toBe('ask_response');
      // Once answered it may be asked again.
      expect((await queue.awaitResponse(request))[1].action).toBe('ask_response');
    });
  });

  describe('a request that nobody answers in time', () => {
    it('ends with a TimeoutExpiredError, and is cancelled when nobody has taken it', async () => {
      const queue = newQueue();
      const start = performance.now();
      const error = await rejection(queue.awaitResponse(new ServiceEvent(1, 'ask')));
      expect(error).toMatchObject({
        code: 'TIMEOUT_EXPIRED',
        message: "no response to 'ask' within 1000 ms",
      });
      expect(performance.now() - start).toBeGreaterThan(990);
      await until(async () => (await eventsOf(queue.name)).length === 0);
      expect(await rejection(queue.dequeue())).toMatchObject({ code: 'QUEUE_EMPTY' });
    });

    it('is cancelled alone: what others enqueued stays', async () => {
      const queue = newQueue();
      const asked = rejection(queue.awaitResponse(new ServiceEvent(1, 'cancelled')));
      await queue.enqueue(new ServiceEvent(1, 'stays'));
      await asked;
      await until(async () => (await eventsOf(queue.name)).length === 1);
      expect((await queue.dequeue())[1].action).toBe('stays');
    });

    it('stays with whom took it, whose late response is discarded and takes no space', async () => {
      const queue = newQueue();
      let taken: TimestampedEvent | undefined;
      let asked: Promise<unknown> | undefined;
      // On a busy machine its time may be over before it is taken. Then another one is asked.
      await until(async () => {
        asked = rejection(queue.awaitResponse(new ServiceEvent(1, 'ask')));
        taken = await queue.dequeueBlocking(1).catch(() => undefined);
        return taken !== undefined;
      });
      expect(await asked).toMatchObject({ code: 'TIMEOUT_EXPIRED' });
      const [, request] = taken as TimestampedEvent;
      await queue.enqueueResponse(ServiceEvent.responseTo(request, 'late'));
      await until(async () => (await inboxLength(queue.name)) === 0);
      expect(await eventsOf(queue.name)).toEqual([]);
      expect(await keysOf(queue.name)).not.toHaveProperty(['(response_stream)']);
      // The next request is not mistaken for it.
      startEcho(queue.name);
      expect((await queue.awaitResponse(new ServiceEvent(10, 'again')))[1].action).toBe('again_response');
    });
  });

  describe('a response to a client that is gone', () => {
    it('is written nowhere; the answer is the time of Redis all the same', async () => {
      const name = place.newName();
      const [client, worker] = [newQueue(name), newQueue(name)];
      const asked = rejection(client.awaitResponse(new ServiceEvent(300, 'ask')));
      const [, request] = await worker.dequeueBlocking(10);
      await client.close();
      expect(await asked).toMatchObject({
        code: 'CONNECTION_FAILED',
        message: `the queue "${name}" was closed`,
      });
      const [before] = await place.admin.time();
      const timestamp = await worker.enqueueResponse(ServiceEvent.responseTo(request, 'late'));
      const [after] = await place.admin.time();
      expect(timestamp / 1_000).toBeGreaterThanOrEqual(Number(before));
      expect(timestamp / 1_000).toBeLessThan(Number(after) + 1);
      // That nobody waits is marked for as long as the request had time, in case that a worker handles it.
      // Here nobody takes the mark.
      expect(await keysOf(name)).toEqual({ '(cancelled)': 'zset', '(event_stream)': 'stream' });
      const left = await place.admin.pttl(`${name}(cancelled)`);
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThanOrEqual(300_000);
      expect(await eventsOf(name)).toEqual([]);
    });

    it('whose address names another key is written nowhere near it', async () => {
      const queue = newQueue();
      const json = '{"request_uuid":7,"timeout":1,"action":"a","payload":null}';
      const addresses = [`../${queue.name}`, `x)(event_stream`, 'a b', 'x'.repeat(65)];
      for (const address of addresses) {
        await place.admin.xadd(`${queue.name}(event_stream)`, '*', 'event', json, 'reply_to', address);
      }
      for (let i = 0; i < addresses.length; i++) {
        const [, request] = await queue.dequeue();
        await queue.enqueueResponse(ServiceEvent.responseTo(request, 'b'));
      }
      expect(Object.keys(await keysOf(queue.name)).filter((key) => key.includes('inbox'))).toEqual([]);
    });

    it('answers the time of its entry while the client is there', async () => {
      const queue = newQueue();
      const asked = queue.awaitResponse(new ServiceEvent(10, 'ask'));
      const [, request] = await queue.dequeueBlocking(10);
      const before = await place.admin.xadd(`${queue.name}(event_stream)`, '*', 'response', 'x');
      const timestamp = await queue.enqueueResponse(ServiceEvent.responseTo(request, 'answer'));
      expect(timestamp).toBeGreaterThanOrEqual(millisecondsOf(String(before)));
      await asked;
    });
  });
});
