import { expect, it } from 'vitest';
import { GROUP } from '../../libs/elkmq/src/model/keys.js';
import { LaneCalls } from '../support/lane-model/calls.js';
import type { Held, Message } from '../support/lane-model/state.js';
import { newQueueName, redis } from '../support/queue.js';

const EXPIRED_PER_KEY = 150;
/** As docs/protocol.md has it. */
const MAX_DROPPED = 100;

let number = 0;
const messageOf = (key: string, isExpired: boolean): Message => ({
  ...{ number: ++number, key, isRequest: true, isDeduplicated: false, isExpired, isPlaceless: false },
  ...{ origin: '', isCancelled: false, runsAt: undefined, end: undefined, isLoose: false },
});

/** Workers have taken the messages, which are stored. */
async function take(calls: LaneCalls, heads: readonly Message[]): Promise<Held[]> {
  const { eventStream } = calls.keys;
  const ids = await calls.enqueue(heads, [])();
  for (const [index, head] of heads.entries()) head.origin = ids[index] ?? '';
  await redis.xgroup('CREATE', eventStream, GROUP, '0');
  await redis.xreadgroup('GROUP', GROUP, 'w.1.60000', 'STREAMS', eventStream, '>');
  return heads.map((message) => ({ id: message.origin, fields: [], attempt: 1, message, read: [] }));
}

it('one call drops at most 100 expired requests, of all the keys that it lets go on', async () => {
  const calls = new LaneCalls(newQueueName());
  const { eventStream, laneBodies } = calls.keys;
  const keys = ['a', 'b'];
  const heads = keys.map((key) => messageOf(key, false));
  const held = await take(calls, heads);
  const expired = keys.flatMap((key) => Array.from({ length: EXPIRED_PER_KEY }, () => messageOf(key, true)));
  await calls.enqueue(expired, [])();
  expect(await calls.settle(held, false)).toEqual([]);
  // The next one of each key is in the stream, expired or not: a worker drops it when it comes to it.
  expect(await redis.xlen(eventStream)).toBe(keys.length);
  expect(await redis.hlen(laneBodies)).toBe(expired.length - MAX_DROPPED - keys.length);
});

it('a request goes on when the marks of cancelled ones cannot be read', async () => {
  const calls = new LaneCalls(newQueueName());
  const { laneBodies, cancelled } = calls.keys;
  const held = await take(calls, [messageOf('k', false)]);
  const next = messageOf('k', false);
  await calls.enqueue([next], [])();
  await redis.lpush(cancelled, 'no mark');
  expect(await calls.settle(held, false)).toEqual([]);
  const entries = await calls.entries();
  expect(entries.map(({ fields }) => fields[1])).toEqual([
    expect.stringContaining(`"request_uuid":${String(next.number)},`),
  ]);
  expect(await redis.exists(laneBodies)).toBe(0);
});
