import keySlot from 'cluster-key-slot';
import { describe, expect, it } from 'vitest';
import { QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import { checkPartitions, partitionNames, partitionOf } from '../../libs/elkmq/src/model/partitions.js';
import { subscriptionOfQueue } from '../../libs/elkmq/src/model/topic-names.js';

const SLOTS = 16_384;
const NUMBERS = [2, 4, 8, 16, 32, 64];
const QUEUES = ['orders', 'q', 'größe', '{shop}orders', 'eu{shop}', '{orders}/billing', 'x'.repeat(500)];

const slotOf = (queue: string) => keySlot(new QueueKeys(queue, true).eventStream);

describe.each(NUMBERS)('%i partitions', (partitions) => {
  it.each(QUEUES)('of %.20s have one slot in each equal range of slots', (queue) => {
    const names = partitionNames(queue, partitions);
    const ranges = names.map((name) => Math.floor((slotOf(name) / SLOTS) * partitions));
    expect(ranges.toSorted((a, b) => a - b)).toEqual(Array.from({ length: partitions }, (_, n) => n));
  });

  it.each(QUEUES)('of %.20s have short names of their own, and the first is the queue', (queue) => {
    const names = partitionNames(queue, partitions);
    expect(names[0]).toBe(queue);
    expect(new Set(names).size).toBe(partitions);
    for (const name of names) expect(name.length).toBeLessThanOrEqual(queue.length + '#63.9999'.length);
  });

  it('get about as many of the keys each', () => {
    const counts = new Array<number>(partitions).fill(0);
    const keys = 20_000;
    for (let n = 0; n < keys; n++) {
      const partition = partitionOf(`customer-${String(n)}`, partitions);
      counts[partition] = (counts[partition] as number) + 1;
    }
    const mean = keys / partitions;
    for (const count of counts) expect(Math.abs(count - mean)).toBeLessThan(mean / 4);
  });
});

it('the names of fewer partitions are the first of more, so no partition moves', () => {
  for (const queue of QUEUES) {
    const most = partitionNames(queue, 64);
    for (const partitions of NUMBERS)
      expect(partitionNames(queue, partitions)).toEqual(most.slice(0, partitions));
  }
});

it('the names and the partition of a key are a part of the protocol', () => {
  expect(partitionNames('orders', 4)).toEqual(['orders', 'orders#1.78', 'orders#2.8', 'orders#3.33']);
  expect(partitionNames('{shop}orders', 2)[1]).toMatch(/^\{shop#1\.\d+\}orders$/);
  // Values of FNV-1a that its authors publish: 0xe40c292c for "a", 0xbf9cf968 for "foobar".
  expect(partitionOf('a', 64)).toBe(0xe40c292c % 64);
  expect(partitionOf('foobar', 64)).toBe(0xbf9cf968 % 64);
  expect(partitionOf('größe', 2 ** 32)).toBe(0xcd38f49a);
});

it('a partition of the queue of a subscription is in the slot of the same partition of its topic', () => {
  const topics = partitionNames('orders', 8);
  const queues = partitionNames('{orders}/billing', 8);
  expect(queues.map((name) => subscriptionOfQueue(name)?.topic)).toEqual(topics);
});

it.each([undefined, null, 0, 1, 3, 12, 128, -2, 2.5, '4', NaN, {}])('%s partitions are refused', (value) => {
  expect(() => checkPartitions(value)).toThrow(/^partitions must be 2, 4, 8, 16, 32 or 64, got /);
});

it.each(['', '{}orders', 'a{b', 'a}b', '{a}{b}', '{{a}}'])(
  'a queue with partitions and the name %j is refused',
  (queue) => {
    expect(() => partitionNames(queue, 2)).toThrow(/must have a name without braces or with one hash tag/);
  },
);
