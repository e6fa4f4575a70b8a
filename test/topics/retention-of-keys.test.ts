import { ElkMqServer } from 'nestjs-elkmq';
import type { Topic } from 'elkmq';
import { describe, expect, it, onTestFinished } from 'vitest';
import { listening } from '../support/nest.js';
import { redis, until, url } from '../support/queue.js';
import { event, newTopic, queueOf, waitingFor } from '../support/topics.js';

/** The payloads `hot1`, `hot2`, … */
function named(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}${String(index + 1)}`);
}

async function publish(topic: Topic, payloads: readonly string[], orderingKey?: string): Promise<void> {
  await Promise.all(payloads.map((payload) => topic.publish(event('a', payload), { orderingKey })));
}

/** A worker takes what waits in the stream, and goes on with it for ever. */
async function takeAll(topic: Topic): Promise<void> {
  const stream = `${queueOf(topic, 'away')}(event_stream)`;
  await redis.xreadgroup('GROUP', 'elkmq', 'reader', 'COUNT', 1_000, 'STREAMS', stream, '>');
}

/** Waits until Redis gives times that are later than those of all messages so far. */
async function afterThat(): Promise<void> {
  const now = async (): Promise<number> => {
    const [seconds, microseconds] = await redis.time();
    return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  };
  const before = await now();
  await until(async () => (await now()) > before);
}

async function lengthOf(topic: Topic): Promise<number> {
  const queue = queueOf(topic, 'away');
  return (await redis.xlen(`${queue}(event_stream)`)) + (await redis.hlen(`${queue}(lane_bodies)`));
}

/** Expects that the lanes count the messages that wait in them. */
async function expectRightLanes(topic: Topic): Promise<void> {
  const queue = queueOf(topic, 'away');
  const { '': blocked = '0', ...lanes } = await redis.hgetall(`${queue}(lanes)`);
  const fields = Object.entries(lanes).map(([key, text]) => {
    const [, , first = '1', last = '0'] = text.split(' ');
    const numbers = Array.from({ length: Number(last) - Number(first) + 1 }, (_, n) => Number(first) + n);
    return numbers.map((number) => `${String(number)} ${key}`);
  });
  expect(fields.flat().sort()).toEqual((await redis.hkeys(`${queue}(lane_bodies)`)).sort());
  expect(fields.filter(({ length }) => length > 0)).toHaveLength(Number(blocked));
}

describe('retention of a subscription with ordering keys', () => {
  it('deletes what waits behind a message that runs, and not what is younger; the key goes on', async () => {
    const topic = newTopic();
    await topic.subscribe('away', { patterns: ['a'], retention: { max: 10 } });
    const handled: unknown[] = [];
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    onTestFinished(finish);
    const server = new ElkMqServer({ url, topic: topic.name, subscription: 'away', concurrency: 1 });
    const handle = async (data: unknown): Promise<void> => {
      handled.push(data);
      await finished;
    };
    server.addHandler('a', handle, true);
    await listening(server);
    await publish(topic, ['head'], 'hot');
    await until(() => handled.length === 1);
    await publish(topic, named('hot', 20), 'hot');
    await publish(topic, named('fresh', 6));
    await until(async () => (await lengthOf(topic)) === 10);
    expect((await topic.state()).subscriptions[0]?.trimmed).toBe(17);
    expect(await waitingFor(topic, 'away')).toEqual(['head', ...named('fresh', 6)]);
    await expectRightLanes(topic);
    finish();
    await until(() => handled.length === 10);
    expect(handled).toEqual(['head', ...named('fresh', 6), 'hot18', 'hot19', 'hot20']);
  });

  it('deletes what is older in the stream before what waits behind a message that runs', async () => {
    const topic = newTopic();
    await topic.subscribe('away', { patterns: ['a'], retention: { max: 8 } });
    await publish(topic, ['head'], 'hot');
    await takeAll(topic);
    await publish(topic, named('old', 10));
    await afterThat();
    await publish(topic, named('hot', 10), 'hot');
    await until(async () => (await lengthOf(topic)) === 8);
    expect(await waitingFor(topic, 'away')).toEqual(['head']);
    expect((await redis.hkeys(`${queueOf(topic, 'away')}(lane_bodies)`)).sort()).toEqual(
      ['4 hot', '5 hot', '6 hot', '7 hot', '8 hot', '9 hot', '10 hot'].sort(),
    );
  });

  it('deletes what is too old behind a message that runs', async () => {
    const topic = newTopic();
    await topic.subscribe('away', { patterns: ['a'], retention: { maxAge: 1 } });
    await publish(topic, ['head'], 'hot');
    await takeAll(topic);
    await publish(topic, named('hot', 10), 'hot');
    await until(async () => (await lengthOf(topic)) === 1);
    await expectRightLanes(topic);
  });

  it('keeps the bound with many keys whose first messages run, and spares what is younger', async () => {
    const topic = newTopic();
    await topic.subscribe('away', { patterns: ['a'], retention: { max: 200 } });
    const keys = named('key', 120);
    await Promise.all(keys.map((key) => publish(topic, ['head'], key)));
    await takeAll(topic);
    await Promise.all(keys.map((key) => publish(topic, ['next', 'last'], key)));
    await afterThat();
    await publish(topic, named('fresh', 30));
    await until(async () => (await lengthOf(topic)) === 200);
    expect((await waitingFor(topic, 'away')).slice(keys.length)).toEqual(named('fresh', 30));
    await expectRightLanes(topic);
  });
});
