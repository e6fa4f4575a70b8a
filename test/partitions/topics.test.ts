import { QueueAdmin, queues } from 'elkmq';
import { ElkMqRecordBuilder, type ElkMqContext } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import { partitionNames, partitionOf } from '../../libs/elkmq/src/model/partitions.js';
import { healthOf } from '../support/health.js';
import { events, moduleOf, startApp, startClient } from '../support/nest.js';
import { closing, redis, until, url } from '../support/queue.js';
import {
  event,
  newPartitionedTopic,
  PARTITIONED,
  PARTITIONS,
  queueOf,
  waitingFor,
} from '../support/topics.js';

type Topic = ReturnType<typeof newPartitionedTopic>;

/** The payloads that wait for a subscription in each partition. */
function waitingInEach(topic: Topic, subscription: string): Promise<unknown[][]> {
  const names = partitionNames(topic.name, PARTITIONS);
  return Promise.all(names.map((name) => waitingFor({ name }, subscription)));
}

/** A service that notes what it gets, until the test is over. */
async function startService(topic: Topic, subscription: string, options: object = {}): Promise<unknown[]> {
  const got: unknown[] = [];
  const handlers = moduleOf(events({ 'a.*': (data: unknown) => got.push(data) }));
  await startApp(handlers, { topic: topic.name, subscription, ...PARTITIONED, ...options });
  return got;
}

const KEYS = Array.from({ length: 12 }, (_, n) => `customer-${String(n)}`);

describe('an event of a topic with partitions', () => {
  it('goes to every subscription that has its pattern, once each, and all copies are in one partition', async () => {
    const topic = newPartitionedTopic();
    for (const name of ['billing', 'mail']) await topic.subscribe(name, { patterns: ['a'] });
    await topic.subscribe('stock', { patterns: ['b'] });
    const payloads = Array.from({ length: 2 * PARTITIONS }, (_, n) => String(n));
    for (const payload of payloads) expect(await topic.publish(event('a', payload))).toBe(2);
    const billing = await waitingInEach(topic, 'billing');
    // Events without a key take turns.
    expect(billing.map(({ length }) => length)).toEqual([2, 2, 2, 2]);
    expect(billing.flat().sort()).toEqual(payloads);
    expect(await waitingInEach(topic, 'mail')).toEqual(billing);
    expect((await waitingInEach(topic, 'stock')).flat()).toEqual([]);
  });

  it('is in the partition of its ordering key, or else of its deduplication key, which is known once', async () => {
    const topic = newPartitionedTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    const home = partitionOf('customer-7', PARTITIONS);
    for (const payload of ['1', '2']) {
      const both = { orderingKey: 'customer-7', deduplication: { key: `order-${payload}` } };
      expect(await topic.publish(event('a', payload), both)).toBe(1);
      // The duplicate is answered as the first one.
      expect(await topic.publish(event('a', payload), both)).toBe(1);
    }
    const [billing] = (await topic.state()).subscriptions;
    expect(billing).toMatchObject({ waiting: 2, behindKeys: 1, blockedKeys: 1 });
    expect((await waitingInEach(topic, 'billing'))[home]).toEqual(['1']);
    const deduplication = { key: 'order-9' };
    for (let n = 0; n < 8; n++) await topic.publish(event('a', '9'), { deduplication });
    const counts = [0, 0, 0, 0];
    counts[home] = 1;
    counts[partitionOf('order-9', PARTITIONS)] = (counts[partitionOf('order-9', PARTITIONS)] ?? 0) + 1;
    expect((await waitingInEach(topic, 'billing')).map(({ length }) => length)).toEqual(counts);
  });

  it('is handled by each service once, also delayed, and each key keeps its order', async () => {
    const topic = newPartitionedTopic();
    const billing = await startService(topic, 'billing');
    const seen = new Map<string, number[]>();
    const overlaps: string[] = [];
    const running = new Set<string>();
    const note = async (n: number, context: ElkMqContext): Promise<void> => {
      const key = String(context.getOrderingKey());
      if (running.has(key)) overlaps.push(key);
      running.add(key);
      await new Promise((resolve) => setImmediate(resolve));
      seen.set(key, [...(seen.get(key) ?? []), n]);
      running.delete(key);
    };
    await topic.subscribe('mail', { patterns: ['a.keyed'] });
    const client = startClient({ topic: topic.name, ...PARTITIONED });
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    const emitted = (pattern: string, data: unknown) =>
      lastValueFrom(client.emit(pattern, data), { defaultValue: undefined });
    const keyed = (n: number, key: string) => new ElkMqRecordBuilder(n).setOrderingKey(key).build();
    for (const n of numbers) await Promise.all(KEYS.map((key) => emitted('a.keyed', keyed(n, key))));
    // This service finds all of them waiting.
    const mail = { topic: topic.name, subscription: 'mail', ...PARTITIONED };
    await startApp(moduleOf(events({ 'a.keyed': note })), mail);
    await emitted('a.delayed', new ElkMqRecordBuilder('late').setDelay(5).build());
    await emitted('a.plain', 'plain');
    const total = KEYS.length * numbers.length;
    await until(() => [...seen.values()].flat().length === total && billing.length === total + 2);
    for (const key of KEYS) expect(seen.get(key)).toEqual(numbers);
    expect(overlaps).toEqual([]);
    expect(billing.filter((data) => typeof data === 'string').sort()).toEqual(['late', 'plain']);
    await until(async () => (await client.state()).running === 0);
    const state = { waiting: 0, delayed: 0, deadLetters: 0, workers: 2, partitions: PARTITIONS };
    expect(await client.state()).toMatchObject(state);
    expect(await healthOf(client, { minWorkers: 2 })).toMatchObject({
      status: 'up',
      partitions: PARTITIONS,
    });
  });

  it('that fails for one service is a dead letter of it, which a QueueAdmin retries in its partition', async () => {
    const topic = newPartitionedTopic();
    const got = await startService(topic, 'good');
    let isGood = false;
    const retried: unknown[] = [];
    const fail = (data: unknown): void => {
      if (!isGood) throw new Error('not yet');
      retried.push(data);
    };
    const bad = { topic: topic.name, subscription: 'bad', ...PARTITIONED };
    await startApp(moduleOf(events({ 'a.*': fail })), bad);
    for (let n = 0; n < 8; n++) await topic.publish(event('a.b', String(n)));
    const queue = queueOf(topic, 'bad');
    const admin = closing(new QueueAdmin(queue, url));
    await until(async () => (await admin.state()).deadLetters === 8);
    expect(await admin.state()).toMatchObject({ partitions: PARTITIONS, workers: 1 });
    expect((await admin.messages('dead')).messages.map(({ id }) => id[0]).sort()).toEqual([
      '0',
      '0',
      '1',
      '1',
      '2',
      '2',
      '3',
      '3',
    ]);
    expect((await closing(new QueueAdmin(queueOf(topic, 'good'), url)).state()).deadLetters).toBe(0);
    isGood = true;
    expect(await admin.retry({ reason: 'failed' })).toBe(8);
    await until(() => retried.length === 8);
    await until(() => got.length === 8);
    const found = await queues(inject('adminUrl'), { limit: 100_000 });
    const own = found.queues.filter((name) => name.includes(topic.name));
    expect(own).toEqual([queueOf(topic, 'bad'), queueOf(topic, 'good')]);
  });

  it('without a subscription is counted over all partitions, and the log of the publisher has one line', async () => {
    const warnings: string[] = [];
    const topic = newPartitionedTopic({ onWarning: (message) => warnings.push(message) });
    await topic.subscribe('billing', { patterns: ['a'] });
    for (let n = 0; n < 8; n++) expect(await topic.publish(event('lost'))).toBe(0);
    expect(await topic.state()).toMatchObject({ unrouted: 8, lastUnrouted: { action: 'lost' } });
    await topic.close();
    expect(warnings).toEqual([
      "8 event(s) had no subscription and were dropped, the last one with the pattern 'lost'",
    ]);
  });

  it('fails when its partition has half of what may be buffered, and those of other partitions do not', async () => {
    const topic = newPartitionedTopic({ maxBufferedBytes: 2_000 });
    await topic.subscribe('billing', { patterns: ['a'] });
    const other = KEYS.find((key) => partitionOf(key, PARTITIONS) !== partitionOf('customer-7', PARTITIONS));
    const publish = (orderingKey: string) => topic.publish(event('a', 'x'.repeat(300)), { orderingKey });
    const all = [1, 2, 3, 4].map(() => publish('customer-7'));
    const results = await Promise.allSettled([...all, publish(String(other))]);
    const failures = results.map((result) =>
      result.status === 'rejected' ? String(result.reason) : 'stored',
    );
    expect(failures.filter((failure) => failure !== 'stored').length).toBeGreaterThan(0);
    for (const failure of failures.filter((each) => each !== 'stored'))
      expect(failure).toMatch(/^BufferFullError: .* more than maxBufferedBytes \(1000\) would wait/);
    expect(failures.at(-1)).toBe('stored');
    expect(failures[0]).toBe('stored');
  });

  it('leaves nothing in Redis beside the tables and the numbers, when it is handled and the client closed', async () => {
    const topic = newPartitionedTopic();
    const got = await startService(topic, 'billing');
    const client = startClient({ topic: topic.name, ...PARTITIONED });
    for (let n = 0; n < 8; n++) await lastValueFrom(client.emit('a.b', n), { defaultValue: 0 });
    await until(() => got.length === 8);
    await client.close();
    const keys = await redis.keys(`{${topic.name}*`);
    expect(keys.filter((key) => /\((?:producer|deduplication)\)/.test(key))).toEqual([]);
  });
});

describe('the retention of a subscription with partitions', () => {
  it('is divided: each partition keeps its share, rounded up', async () => {
    const warnings: string[] = [];
    const topic = newPartitionedTopic({ onWarning: (message) => warnings.push(message) });
    await topic.subscribe('billing', { patterns: ['a'], retention: { max: 10 } });
    for (let n = 0; n < 40; n++) await topic.publish(event('a', String(n)));
    await until(async () => {
      // Publishers look only after something was published.
      const { subscriptions } = await topic.state();
      return subscriptions[0]?.waiting === 12;
    });
    const [billing] = (await topic.state()).subscriptions;
    expect(billing).toMatchObject({ trimmed: 28, retention: { max: 10 } });
    expect((await waitingInEach(topic, 'billing')).map(({ length }) => length)).toEqual([3, 3, 3, 3]);
    expect(warnings[0]).toMatch(
      /^the subscription 'billing' has lost the 7 message\(s\) that had waited longest in the partition 'topic-.*': its retention there is 3 messages and 604800000 ms$/,
    );
  });
});
