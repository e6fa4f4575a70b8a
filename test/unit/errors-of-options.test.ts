import { EventQueue, Topic, type EventQueueOptions } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { messageOf, thrownBy } from '../support/calls.js';
import { newQueue } from '../support/event-queue.js';
import { rejection, url } from '../support/queue.js';

describe('an option that is not accepted', () => {
  it.each([
    [{ enqueueTimeout: 0 }, 'enqueueTimeout must be a number of milliseconds from 1 to 2147483647, got 0'],
    [
      { enqueueTimeout: '1s' },
      'enqueueTimeout must be a number of milliseconds from 1 to 2147483647, got "1s"',
    ],
    [
      { enqueueTimeout: Infinity },
      'enqueueTimeout must be a number of milliseconds from 1 to 2147483647, got Infinity',
    ],
    [{ maxPayloadBytes: 0 }, 'maxPayloadBytes must be a whole number from 1 to 2147483647, got 0'],
    [{ maxPayloadBytes: 1.5 }, 'maxPayloadBytes must be a whole number from 1 to 2147483647, got 1.5'],
    [{ maxPayloadBytes: null }, 'maxPayloadBytes must be a whole number from 1 to 2147483647, got null'],
  ])('%j', (options, expected) => {
    const make = () => new EventQueue('name', url, options as EventQueueOptions);
    expect(messageOf('INVALID_OPTION', make)).toBe(expected);
  });

  it('the partitions of a Topic on a single Redis, and another number than a power of two', () => {
    const refusal = (options: object) => messageOf('INVALID_OPTION', () => new Topic('name', url, options));
    expect(refusal({ partitions: 4 })).toMatch(/^partitions need Redis Cluster: /);
    expect(refusal({ partitions: 5, partitionsForTests: true })).toBe(
      'partitions must be 2, 4, 8, 16, 32 or 64, got 5',
    );
  });

  it.each([
    [undefined, 'undefined'],
    [7, '7'],
    ['\ud83d', '"\\ud83d"'],
  ])('the name %j', (name, shown) => {
    const message = messageOf('INVALID_OPTION', () => new EventQueue(name as string, url));
    expect(message).toBe(`queue must be a string of well-formed Unicode, got ${shown}`);
  });

  it.each([
    ['127.0.0.1:6379', 'got "127.0.0.1:6379"'],
    ['redis://127.0.0.1:99999', 'got "redis://127.0.0.1:99999"'],
    ['http://127.0.0.1', 'got one with the protocol "http:"'],
    ['', 'got ""'],
  ])('the URL %j', (address, expected) => {
    const message = messageOf('INVALID_OPTION', () => new EventQueue('name', address));
    expect(message).toMatch(/^url must be a URL such as redis:\/\/127\.0\.0\.1:6379, /);
    expect(message).toContain(expected);
  });

  it.each([
    'redis://user:s3cret@127.0.0.1:99999',
    'redis://user:s3/cret@127.0.0.1:6379',
    'redis://user:s3@cret@host:port',
    'http://user:s3cret@127.0.0.1',
    'user:s3cret@127.0.0.1:6379',
    '//:s3cret@127.0.0.1',
    'redis://127.0.0.1:port?password=s3cret',
  ])('a URL whose password no message shows: %s', (address) => {
    const error = thrownBy(() => new EventQueue('name', address));
    expect(error).toHaveProperty('code', 'INVALID_OPTION');
    expect(`${String(error)} ${JSON.stringify(error)}`).not.toMatch(/s3|cret/);
  });

  it.each([
    [-1, '-1'],
    [NaN, 'NaN'],
    ['5', '"5"'],
    [undefined, 'undefined'],
  ])('%s seconds to wait for an event', async (seconds, shown) => {
    const queue = newQueue();
    expect(await rejection(queue.dequeueBlocking(seconds as number))).toMatchObject({
      code: 'INVALID_OPTION',
      message: `seconds must be a number of at least 0 (0 waits for ever), got ${shown}`,
    });
  });
});
