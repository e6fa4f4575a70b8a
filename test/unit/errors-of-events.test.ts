import { ServiceEvent } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { messageOf } from '../support/calls.js';
import { newQueue } from '../support/event-queue.js';
import { startClient } from '../support/nest.js';
import { keysOf, newQueueName, rejection, url } from '../support/queue.js';

describe('an event that the wire format cannot carry', () => {
  it.each([
    [0, '0'],
    [-1, '-1'],
    [65_536, '65536'],
    [1.5, '1.5'],
    [NaN, 'NaN'],
    [Infinity, 'Infinity'],
    ['10', '"10"'],
    [null, 'null'],
    [10n, '10'],
    [{}, 'an object'],
  ])('its timeout is %s', (timeout, shown) => {
    const message = messageOf('INVALID_EVENT', () => new ServiceEvent(timeout as number, 'a'));
    expect(message).toBe(`timeout must be a whole number of seconds from 1 to 65535, got ${shown}`);
  });

  it.each([
    [undefined, 'a string, got undefined'],
    [null, 'a string, got null'],
    [7, 'a string, got 7'],
    [['a', 'b'], 'a string, got an array of 2'],
    ['\ud83d', 'well-formed Unicode, got a lone surrogate in "\\ud83d"'],
  ])('its action is %j', (action, expected) => {
    const message = messageOf('INVALID_EVENT', () => new ServiceEvent(1, action as string));
    expect(message).toBe(`action must be ${expected}`);
  });

  it.each([
    [7, 'a string, null or undefined, got 7'],
    [{ a: 1 }, 'a string, null or undefined, got an object'],
    [Buffer.from('a'), 'a string, null or undefined, got an object'],
    [`${'x'.repeat(100)}\ude00`, `well-formed Unicode, got a lone surrogate in "${'x'.repeat(80)}…"`],
  ])('its payload is %j', (payload, expected) => {
    const event = new ServiceEvent(1, 'a');
    for (const make of [
      () => new ServiceEvent(1, 'a', payload as string),
      () => ServiceEvent.responseTo(event, 'a', payload as string),
    ]) {
      expect(messageOf('INVALID_EVENT', make)).toBe(`payload must be ${expected}`);
    }
  });

  it('it is the response to what is no event', () => {
    // This easily happens with the pair that dequeue answers.
    const taken = [1, new ServiceEvent(1, 'a')] as unknown as ServiceEvent;
    const message = messageOf('INVALID_EVENT', () => ServiceEvent.responseTo(taken, 'b'));
    expect(message).toBe('request must be a ServiceEvent, got an array of 2');
  });

  it('it is none', async () => {
    const queue = newQueue();
    const event = { timeout: 1, action: 'a', payload: null } as ServiceEvent;
    for (const call of [queue.enqueue(event), queue.awaitResponse(event), queue.enqueueResponse(event)]) {
      expect(await rejection(call)).toMatchObject({
        code: 'INVALID_EVENT',
        message: 'event must be a ServiceEvent, got an object',
      });
    }
  });
});

describe('a payload', () => {
  it('that is too large is an error, and nothing is sent', async () => {
    const queue = newQueue(newQueueName(), url, { maxPayloadBytes: 10 });
    for (const payload of ['x'.repeat(11), 'é'.repeat(6)]) {
      const event = new ServiceEvent(1, 'big', payload);
      const bytes = Buffer.byteLength(payload);
      const tooLarge = {
        code: 'PAYLOAD_TOO_LARGE',
        message: `the payload of 'big' has ${bytes} bytes; maxPayloadBytes is 10`,
      };
      expect(await rejection(queue.enqueue(event))).toMatchObject(tooLarge);
      expect(await rejection(queue.awaitResponse(event))).toMatchObject(tooLarge);
      expect(await rejection(queue.enqueueResponse(event))).toMatchObject(tooLarge);
    }
    await queue.close();
    expect(await keysOf(queue.name)).toEqual({});
  });

  it('of exactly the largest size is stored', async () => {
    const queue = newQueue(newQueueName(), url, { maxPayloadBytes: 10 });
    for (const payload of ['x'.repeat(10), 'é'.repeat(5)]) {
      await queue.enqueue(new ServiceEvent(1, 'fits', payload));
      expect((await queue.dequeue())[1].payload).toBe(payload);
    }
  });

  it('that is no JSON value is an error', async () => {
    const client = startClient({ queue: newQueueName(), url });
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    for (const [data, why] of [
      [cyclic, /circular/i],
      [1n, /BigInt/],
      [() => 1, /it is a function/],
    ] as const) {
      const error = await rejection(lastValueFrom(client.send('sum', data)));
      expect(error).toMatchObject({ code: 'JSON_DUMP_FAILED' });
      expect((error as Error).message).toMatch(/^the payload of 'sum' cannot be written as JSON: /);
      expect((error as Error).message).toMatch(why);
    }
  });
});
