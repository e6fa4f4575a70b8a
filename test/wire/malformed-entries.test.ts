import { EventQueue, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { enqueueAsTheOriginal, eventsOf, millisecondsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { keysOf, redis, rejection } from '../support/queue.js';

const VALID = '{"request_uuid":7,"timeout":1,"action":"a","payload":null}';

async function write(queue: EventQueue, ...fields: string[]): Promise<string> {
  const id = String(await redis.xadd(`${queue.name}(event_stream)`, '*', ...fields));
  // An entry as the original writes it counts only while its id is in the list.
  if (fields.length === 2) await redis.lpush(`${queue.name}(message_queue)`, id);
  return id;
}

async function deadLettersOf({ name }: EventQueue): Promise<Record<string, unknown>[]> {
  const origins = await redis.zrange(`${name}(dead_letters)`, '0', '-1');
  const bodies = await redis.hgetall(`${name}(dead_letter_bodies)`);
  expect(Object.keys(bodies).sort()).toEqual([...origins].sort());
  return origins.map((origin) => JSON.parse(bodies[origin] ?? '') as Record<string, unknown>);
}

describe('an entry that is no event', () => {
  it.each([
    [
      'JSON of something else',
      ['event', '{"hello":"world"}'],
      'request_uuid is not an unsigned 128-bit integer',
    ],
    ['no JSON', ['event', 'hello'], 'not an object'],
    ['no event at all', ['something', 'else'], "has no field 'event'"],
    ['a response and more', ['response', VALID, 'x', 'y'], "has no field 'event'"],
    ['an origin that is no id', ['event', VALID, 'origin', 'x'], 'has an origin that is no id: x'],
    ['an origin that no id can be', ['event', VALID, 'origin', `${'9'.repeat(400)}-1`], 'has an origin that'],
    ['an attempt that is no number', ['event', VALID, 'attempt', 'x'], 'has an attempt that is no number'],
    ['an attempt without end', ['event', VALID, 'attempt', 'Infinity'], 'has an attempt that is no number'],
    [
      'a count of abandoned attempts that is no number',
      ['event', VALID, 'attempt', '3', 'abandoned_attempts', '-1'],
      'has a count of abandoned attempts that is no number',
    ],
    ['a due time without end', ['event', VALID, 'due', 'Infinity'], 'has a due time that is no number'],
    ['an empty ordering key', ['event', VALID, 'ordering_key', ''], 'has an ordering key that is empty'],
  ])('is a JsonParseError, and then among the dead letters: %s', async (_what, fields, reason) => {
    const queue = newQueue();
    const id = await write(queue, ...fields);
    await queue.enqueue(new ServiceEvent(1, 'next'));

    const error = await rejection(queue.dequeue());
    expect(error).toMatchObject({
      code: 'JSON_PARSE_FAILED',
      message: expect.stringContaining(reason) as string,
    });
    const [letter, ...others] = await deadLettersOf(queue);
    expect(others).toEqual([]);
    expect(letter).toMatchObject({ reason: 'malformed', origin: id, fields, attempts: 1 });
    expect(letter).toMatchObject({ error: { name: 'JsonParseError', message: (error as Error).message } });
    expect(letter).toMatchObject({ firstAt: millisecondsOf(id), consumer: expect.any(String) as string });
    const diedAt = Number(await redis.zscore(`${queue.name}(dead_letters)`, id));
    expect(letter?.['lastAt']).toBe(diedAt);
    expect(diedAt).toBeGreaterThanOrEqual(millisecondsOf(id));
    expect(diedAt / 1_000).toBeLessThan(Number((await redis.time())[0]) + 1);

    // It is out of the way.
    expect((await queue.dequeue())[1].action).toBe('next');
    expect(await eventsOf(queue.name)).toEqual([]);
  });

  it('is a JsonParseError for a call that waits, and the next call takes the next event', async () => {
    const queue = newQueue();
    const calls = [rejection(queue.dequeueBlocking(10)), queue.dequeueBlocking(10)] as const;
    await write(queue, 'event', '[]');
    await queue.enqueue(new ServiceEvent(1, 'next'));
    expect(await calls[0]).toMatchObject({ code: 'JSON_PARSE_FAILED' });
    expect((await calls[1])[1].action).toBe('next');
    expect(await deadLettersOf(queue)).toHaveLength(1);
  });

  it('of an original client leaves its list as well', async () => {
    const queue = newQueue();
    await enqueueAsTheOriginal(queue.name, 'x');
    await rejection(queue.dequeue());
    await queue.close();
    expect(await keysOf(queue.name)).toEqual({
      '(dead_letter_bodies)': 'hash',
      '(dead_letters)': 'zset',
      '(event_stream)': 'stream',
    });
  });

  it('is kept in the order in which it died', async () => {
    const queue = newQueue();
    const written: string[] = [];
    for (const text of ['1', '2', '3']) {
      written.push(await write(queue, 'event', text));
      await rejection(queue.dequeue());
    }
    expect((await deadLettersOf(queue)).map(({ origin }) => origin)).toEqual(written);
  });

  it('makes room for others: the last 10,000 are kept', async () => {
    const queue = newQueue();
    const old = Array.from({ length: 10_000 }, (_, index) => `${index}-1`);
    const hourAgo = Date.now() - 3_600_000;
    const died = old.flatMap((origin, index) => [hourAgo + index, origin]);
    await redis.zadd(`${queue.name}(dead_letters)`, ...died);
    await redis.hset(`${queue.name}(dead_letter_bodies)`, ...old.flatMap((origin) => [origin, '{}']));
    const id = await write(queue, 'event', 'x');
    await rejection(queue.dequeue());
    const left = await redis.zrange(`${queue.name}(dead_letters)`, '0', '-1');
    expect(left).toEqual([...old.slice(1), id]);
    expect(await redis.hlen(`${queue.name}(dead_letter_bodies)`)).toBe(10_000);
  });
});
