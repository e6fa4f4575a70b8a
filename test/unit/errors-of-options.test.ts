import {
  ElkMqRecord,
  EventQueue,
  QueueAdmin,
  ServiceEvent,
  Topic,
  type EventQueueOptions,
} from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { messageOf, thrownBy } from '../support/calls.js';
import { newQueue } from '../support/event-queue.js';
import { closing, newQueueName, rejection, url } from '../support/queue.js';

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

  it.each<[string, (options: never) => unknown, string, RegExp]>([
    [
      'EventQueue',
      (options) => new EventQueue('name', url, options),
      'maxQueueLenght',
      /^EventQueue has no option "maxQueueLenght"; it has credentials, .*, partitionsForTests$/,
    ],
    [
      'Topic',
      (options) => new Topic('name', url, options),
      'requireSubscripton',
      /^Topic has no option "requireSubscripton"; it has credentials, .*, requireSubscription$/,
    ],
    [
      'QueueAdmin',
      (options) => new QueueAdmin('name', url, options),
      'timeOut',
      /^QueueAdmin has no option "timeOut"; it has audit, credentials, partitions, timeout$/,
    ],
  ])('of %s: a misspelt one, and what is no object', (name, make, misspelt, expected) => {
    expect(messageOf('INVALID_OPTION', () => make({ [misspelt]: 5 } as never))).toMatch(expected);
    for (const [given, shown] of [
      [null, 'null'],
      [5, '5'],
      [[], 'an array of 0'],
    ])
      expect(messageOf('INVALID_OPTION', () => make(given as never))).toMatch(
        new RegExp(`^${name} takes an object of options \\(.*\\), got ${String(shown)}$`),
      );
  });

  it('the audit of a QueueAdmin that is no function', () => {
    const make = () => new QueueAdmin('name', url, { audit: 5 as never });
    expect(messageOf('INVALID_OPTION', make)).toBe('audit must be a function, got 5');
  });

  it('of a call: a misspelt one, and what is no object', async () => {
    const event = new ServiceEvent(5, 'a');
    const queue = newQueue();
    const topic = closing(new Topic(newQueueName(), url));
    const admin = closing(new QueueAdmin(newQueueName(), url));
    const refusals: [() => Promise<unknown>, string][] = [
      [
        () => queue.enqueue(event, null as never),
        'enqueue takes an object of options (orderingKey), got null',
      ],
      [
        () => admin.enqueue(event, null as never),
        'enqueue takes an object of options (delay, headers), got null',
      ],
      [
        () => topic.publish(event, null as never),
        'publish takes an object of options (deduplication, delay, headers, orderingKey), got null',
      ],
      [
        () => topic.publish(event, { deduplication: null as never }),
        'deduplication must be { key, window }, got null',
      ],
      [
        () => topic.publish(event, { deduplication: { key: 'k', windw: 5 } as never }),
        'deduplication has no option "windw"; it has key, window',
      ],
      [
        () => (topic.subscribe as (name: string) => Promise<void>).call(topic, 'a'),
        'subscribe takes an object of options (patterns, retention), got undefined',
      ],
    ];
    for (const [call, message] of refusals)
      expect(await rejection(call())).toMatchObject({ code: 'INVALID_OPTION', message });
  });

  it('the deduplication of a record, when it is misspelt', () => {
    const make = () => new ElkMqRecord(1, undefined, undefined, undefined, { key: 'k', windw: 5 } as never);
    expect(messageOf('INVALID_OPTION', make)).toBe('deduplication has no option "windw"; it has key, window');
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
    [' redis://127.0.0.1', 'got " redis://127.0.0.1"'],
    ['\nredis://127.0.0.1', 'got "\\nredis://127.0.0.1"'],
    ['redis://127.0.0.1\n', 'got "redis://127.0.0.1\\n"'],
    ['redis://127.0\n.0.1', 'got "redis://127.0\\n.0.1"'],
    ['redis:127.0.0.1', 'got "redis:127.0.0.1"'],
    ['REDISS://127.0.0.1', 'got "REDISS://127.0.0.1"'],
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
    ' redis://:s3cret@127.0.0.1',
    'redis://127.0.0.1?password=s3cret\n',
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
