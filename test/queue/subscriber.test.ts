import { afterEach, expect, inject, it } from 'vitest';
import { COMMAND_TIMEOUT_MS, Connection } from '../../libs/elkmq/src/redis/connection.js';
import { RedisSource } from '../../libs/elkmq/src/redis/redis-source.js';
import { ChannelSubscriber } from '../../libs/elkmq/src/redis/channel-subscriber.js';
import { closing, newQueueName, redis, until } from '../support/queue.js';

/** Counts the turns of the event loop while a test runs. */
let turn = 0;
let ticking: NodeJS.Immediate | undefined;
function countTurns(): void {
  turn++;
  ticking = setImmediate(countTurns);
}
afterEach(() => {
  clearImmediate(ticking);
});

async function subscribe() {
  const channel = newQueueName();
  const source = new RedisSource(inject('adminUrl'));
  const beside = new Connection(source, COMMAND_TIMEOUT_MS);
  await beside.whenConnected(60_000);
  const received: { message: string; turn: number }[] = [];
  let isSubscribed = false;
  const subscription = {
    subscribed: () => void (isSubscribed = true),
    received: (message: string) => void received.push({ message, turn }),
    refused: () => undefined,
    disconnected: () => undefined,
  };
  const subscriber = new ChannelSubscriber(source, channel, subscription, beside);
  closing({
    close: async () => {
      await subscriber.closeSubscriber();
      await beside.closeConnection();
    },
  });
  await until(() => isSubscribed);
  /** Redis sends all messages of a transaction at once. */
  const publish = async (count: number) => {
    const all = redis.multi();
    for (let n = 0; n < count; n++) all.publish(channel, String(n));
    await all.exec();
  };
  return { subscriber, publish, received };
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => String(n));

it('messages that come together are received in turns of their own, in their order', async () => {
  const { publish, received } = await subscribe();
  countTurns();
  await publish(3);
  await until(() => received.length === 3);
  expect(received.map(({ message }) => message)).toEqual(numbers(3));
  expect(new Set(received.map((each) => each.turn)).size).toBe(3);
});

it('many that come together wait for no turns of their own', async () => {
  const { publish, received } = await subscribe();
  countTurns();
  await publish(100);
  await until(() => received.length === 100);
  expect(received.map(({ message }) => message)).toEqual(numbers(100));
  expect(new Set(received.map((each) => each.turn)).size).toBeLessThanOrEqual(8);
});

it('who has caught up has received all that was published before, also what waits for its turn', async () => {
  const { subscriber, publish, received } = await subscribe();
  for (const count of [4, 8, 100]) {
    received.length = 0;
    const published = publish(count);
    await published;
    expect(await subscriber.catchUp()).toBe(true);
    expect(received).toHaveLength(count);
  }
});
