import { ElkMqClient, ElkMqRecordBuilder, ElkMqServer, ServiceEvent, type ElkMqContext } from 'nestjs-elkmq';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { partitionNames, partitionOf } from '../../libs/elkmq/src/model/partitions.js';
import { newQueue } from '../support/event-queue.js';
import { events, logs, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { newQueueName, redis, rejection, until, url } from '../support/queue.js';

const PARTITIONS = 4;

/** The options of a queue of its own, with partitions. */
function newPartitioned() {
  return { queue: newQueueName(), partitions: PARTITIONS, partitionsForTests: true };
}

function emitted(client: ElkMqClient, pattern: string, data: unknown): Promise<unknown> {
  return lastValueFrom(client.emit(pattern, data), { defaultValue: undefined });
}

function keyed(data: unknown, key: string) {
  return new ElkMqRecordBuilder(data).setOrderingKey(key).build();
}

/** How many messages wait in each partition. */
function lengths(queue: string): Promise<number[]> {
  return Promise.all(partitionNames(queue, PARTITIONS).map((name) => redis.xlen(`${name}(event_stream)`)));
}

describe('a queue with partitions', () => {
  it('handles requests and events, with and without keys, delayed and deduplicated', async () => {
    const options = newPartitioned();
    const seen: string[] = [];
    const note = (value: string) => void seen.push(value);
    await startApp(moduleOf(requests({ double: (n: number) => n * 2 }), events({ note })), options);
    const client = startClient(options);
    const answers = Array.from({ length: 20 }, (_, n) => {
      const plain = firstValueFrom(client.send<number>('double', n));
      return Promise.all([
        plain,
        firstValueFrom(client.send<number>('double', keyed(n, `key-${String(n)}`))),
      ]);
    });
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 20 }, (_, n) => [n * 2, n * 2]));
    for (let n = 0; n < 20; n++) await emitted(client, 'note', `plain ${String(n)}`);
    await emitted(client, 'note', new ElkMqRecordBuilder('late').setDelay(5).build());
    for (let n = 0; n < 10; n++) {
      const record = new ElkMqRecordBuilder('only once').setDeduplicationKey('same', 60_000).build();
      await emitted(client, 'note', record);
    }
    await until(() => seen.length === 22);
    expect(seen.filter((value) => value === 'only once')).toHaveLength(1);
    await until(async () => (await client.state()).running === 0);
    expect(await lengths(options.queue)).toEqual([0, 0, 0, 0]);
    // That warning is for a Cluster.
    expect(logs.filter((line) => line.includes('full-coverage') && line.includes(options.queue))).toEqual([]);
  });

  it('stores a message with a key in the partition of its key, and others in all partitions by turns', async () => {
    const options = newPartitioned();
    const client = startClient(options);
    const key = 'customer-7';
    for (let n = 0; n < 5; n++) await emitted(client, 'note', keyed(n, key));
    const expected = [0, 0, 0, 0];
    expected[partitionOf(key, PARTITIONS)] = 1;
    // The others of the key wait behind the first one.
    expect(await lengths(options.queue)).toEqual(expected);
    for (let n = 0; n < 2 * PARTITIONS; n++) await emitted(client, 'note', n);
    expect(await lengths(options.queue)).toEqual(expected.map((count) => count + 2));
  });

  it('keeps the order of each key', async () => {
    const options = newPartitioned();
    const seen = new Map<string, number[]>();
    const running = new Set<string>();
    const overlaps: string[] = [];
    const note = async (n: number, context: ElkMqContext) => {
      const key = String(context.getOrderingKey());
      if (running.has(key)) overlaps.push(key);
      running.add(key);
      await new Promise((resolve) => setImmediate(resolve));
      seen.set(key, [...(seen.get(key) ?? []), n]);
      running.delete(key);
    };
    await startApp(moduleOf(events({ note })), options);
    const client = startClient(options);
    const keys = Array.from({ length: 12 }, (_, n) => `customer-${String(n)}`);
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    await Promise.all(numbers.flatMap((n) => keys.map((key) => emitted(client, 'note', keyed(n, key)))));
    await until(() => [...seen.values()].flat().length === keys.length * numbers.length);
    for (const key of keys) expect(seen.get(key)).toEqual(numbers);
    expect(overlaps).toEqual([]);
  });

  it('runs no more than `concurrency` messages at once, over all partitions', async () => {
    const options = newPartitioned();
    const client = startClient(options);
    const total = 40;
    for (let n = 0; n < total; n++) await emitted(client, 'note', n);
    let running = 0;
    let most = 0;
    let done = 0;
    const note = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 2));
      running--;
      done++;
    };
    await startApp(moduleOf(events({ note })), { ...options, concurrency: 6 });
    await until(() => done === total);
    expect(most).toBeLessThanOrEqual(6);
    expect(most).toBeGreaterThan(1);
  });

  it('serves a partition to whose messages others leave one slot only', async () => {
    const options = newPartitioned();
    const client = startClient(options);
    const key = 'customer-7';
    const other = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].find(
      (each) => partitionOf(each, PARTITIONS) !== partitionOf(key, PARTITIONS),
    );
    let release: (() => void) | undefined;
    const blocked = new Promise<void>((resolve) => {
      release = resolve;
    });
    let isSeen = false;
    const handlers = events({
      block: () => blocked,
      note: () => {
        isSeen = true;
      },
    });
    await startApp(moduleOf(handlers), { ...options, concurrency: PARTITIONS });
    await emitted(client, 'block', keyed(1, key));
    await emitted(client, 'note', keyed(1, String(other)));
    await until(() => isSeen);
    release?.();
  });

  it('a client without keyed requests reads the inbox of one partition only', async () => {
    const options = newPartitioned();
    await startApp(moduleOf(requests({ double: (n: number) => n * 2 })), options);
    const client = startClient(options);
    await Promise.all(Array.from({ length: 20 }, (_, n) => firstValueFrom(client.send('double', n))));
    const inboxes = await Promise.all(
      partitionNames(options.queue, PARTITIONS).map((name) => redis.keys(`${name}(inbox):*`)),
    );
    expect(inboxes.flat().length).toBeLessThanOrEqual(1);
    await client.close();
    const left = (await redis.keys(`${options.queue}*`)).filter((key) => /\((?:inbox|producer)\)/.test(key));
    expect(left).toEqual([]);
  });
});

describe('the number of partitions', () => {
  it('is registered by whoever comes first, and another one is refused with both numbers', async () => {
    const options = newPartitioned();
    await startClient(options).connect();
    for (const name of partitionNames(options.queue, PARTITIONS))
      expect(await redis.get(`${name}(partitions)`)).toBe('4');
    const refusal = /^partitions must be 4 for the queue '.*', got 8: /;
    const other = { ...options, partitions: 8 };
    const client = startClient(other);
    expect(String((await rejection(client.connect())) as Error)).toMatch(
      /InvalidOptionError: partitions must be 4 .* got 8/,
    );
    await expect(emitted(startClient(other), 'note', 1)).rejects.toThrow(refusal);
    await expect(startApp(moduleOf(events({ note: () => 0 })), other)).rejects.toThrow(refusal);
  });

  it('is needed by everybody: a client, a worker and an EventQueue without partitions are refused', async () => {
    const options = newPartitioned();
    const { queue } = options;
    await startClient(options).connect();
    const refusal = /^partitions must be 4 for the queue '.*', got none: /;
    await expect(startClient({ queue }).connect()).rejects.toThrow(refusal);
    await expect(firstValueFrom(startClient({ queue }).send('double', 1))).rejects.toThrow(refusal);
    await expect(startApp(moduleOf(events({ note: () => 0 })), { queue })).rejects.toThrow(refusal);
    await expect(newQueue(queue).enqueue(new ServiceEvent(1, 'a'))).rejects.toThrow(refusal);
    await expect(newQueue(queue).dequeue()).rejects.toThrow(refusal);
  });

  it('is not registered while messages with ordering keys are there from before', async () => {
    const options = newPartitioned();
    const { queue } = options;
    await emitted(startClient({ queue }), 'note', keyed(1, 'customer-7'));
    await expect(startClient(options).connect()).rejects.toThrow(
      /^partitions must not be given \(got 4\) while the queue '.*', which had none, has messages with ordering keys: let its workers finish them first$/,
    );
    expect(await redis.exists(`${queue}(partitions)`)).toBe(0);
    let isSeen = false;
    const note = () => {
      isSeen = true;
    };
    const old = await startApp(moduleOf(events({ note })), { queue });
    await until(async () => isSeen && (await redis.exists(`${queue}(lanes)`)) === 0);
    await old.close();
    await startClient(options).connect();
  });

  it('is registered again where a failover has lost it, and the messages with ordering keys there are handled', async () => {
    const options = newPartitioned();
    const { queue } = options;
    const client = startClient(options);
    const keys = Array.from({ length: 40 }, (_, n) => `customer-${String(n)}`);
    for (const key of keys) await emitted(client, 'note', keyed(1, key));
    const numbers = partitionNames(queue, PARTITIONS).map((name) => `${name}(partitions)`);
    for (const lost of [0, 3]) {
      await redis.del(numbers[lost] as string);
      const refusal = /^partitions must be 4 for the queue '.*', got 2: /;
      await expect(startClient({ ...options, partitions: 2 }).connect()).rejects.toThrow(refusal);
      await startClient(options).connect();
      expect(await redis.mget(numbers)).toEqual(['4', '4', '4', '4']);
    }
    await redis.del(numbers.slice(0, 3));
    const seen: string[] = [];
    const note = (_: number, context: ElkMqContext) => void seen.push(String(context.getOrderingKey()));
    await startApp(moduleOf(events({ note })), options);
    expect(await redis.mget(numbers)).toEqual(['4', '4', '4', '4']);
    await until(() => seen.length === keys.length);
    expect(seen.toSorted()).toEqual(keys.toSorted());
  });

  it('is not seen by those who have started before: they know partition 0 only, where all is handled, but not in order', async () => {
    const options = newPartitioned();
    const { queue } = options;
    const before = startClient({ queue });
    await before.connect();
    const seen: string[] = [];
    const note = (value: string) => void seen.push(value);
    const handlers = moduleOf(events({ note }));
    const old = await startApp(handlers, { queue });
    const client = startClient(options);
    await client.connect();
    await old.close();
    const key = Array.from({ length: 99 }, (_, n) => String(n)).find(
      (each) => partitionOf(each, PARTITIONS) === 2,
    );
    for (const n of [1, 2, 3]) {
      await emitted(before, 'note', keyed(`before ${String(n)}`, String(key)));
      await emitted(client, 'note', keyed(`since ${String(n)}`, String(key)));
    }
    // The head of the key is in the stream, in each of the two partitions.
    expect(await lengths(queue)).toEqual([1, 0, 1, 0]);
    await startApp(handlers, options);
    await until(() => seen.length === 6);
    const all = ['before 1', 'before 2', 'before 3', 'since 1', 'since 2', 'since 3'];
    expect(seen.toSorted()).toEqual(all);
  });

  it('a worker that has started before the queue had partitions takes messages of partition 0 only', async () => {
    const options = newPartitioned();
    const { queue } = options;
    const seen: string[] = [];
    const handlersOf = (name: string) =>
      moduleOf(events({ note: (value: string) => void seen.push(`${name} ${value}`) }));
    const old = await startApp(handlersOf('old'), { queue });
    const client = startClient(options);
    await client.connect();
    // Events without a key take turns.
    for (let n = 0; n < 8; n++) await emitted(client, 'note', String(n));
    await until(() => seen.length === 2);
    expect((await lengths(queue)).toSorted()).toEqual([0, 2, 2, 2]);
    await old.close();
    await startApp(handlersOf('new'), options);
    await until(() => seen.length === 8);
    expect(seen.filter((line) => line.startsWith('new'))).toHaveLength(6);
  });

  it('a queue that had none keeps its messages, which are then in partition 0', async () => {
    const options = newPartitioned();
    await emitted(startClient({ queue: options.queue }), 'note', 'from before');
    const seen: string[] = [];
    await startApp(moduleOf(events({ note: (value: string) => void seen.push(value) })), options);
    await until(() => seen.length === 1);
  });
});

describe('options that do not fit partitions are refused:', () => {
  const queue = 'orders';
  const forTests = { partitionsForTests: true };

  it.each([
    [
      { queue, url, partitions: 4 },
      /^partitions need Redis Cluster: .* set partitionsForTests to true in a test$/,
    ],
    [{ queue, partitions: 3, ...forTests }, /^partitions must be 2, 4, 8, 16, 32 or 64, got 3$/],
    [{ queue, partitions: '4', ...forTests }, /^partitions must be .*, got "4"$/],
    [{ queue: '{a}{b}', partitions: 4, ...forTests }, /without braces or with one hash tag/],
    [{ queue, partitions: 4, partitionsForTests: 1 }, /^partitionsForTests must be true or false, got 1$/],
    [{ topic: 'orders', url, partitions: 4 }, /^partitions need Redis Cluster: /],
    [
      { queue, partitions: 4, ...forTests, legacyConsumers: true },
      /^legacyConsumers must not be given with part/,
    ],
  ])('%j', (options, message) => {
    expect(() => new ElkMqClient(options as never)).toThrow(message);
    const served = 'topic' in options ? { ...options, subscription: 'billing' } : options;
    expect(() => new ElkMqServer(served as never)).toThrow(message);
  });

  it('a concurrency below the number of partitions', () => {
    expect(() => new ElkMqServer({ queue, partitions: 8, ...forTests, concurrency: 7 })).toThrow(
      /^concurrency must be at least the number of partitions \(8\), got 7$/,
    );
  });
});
