import { expect, it } from 'vitest';
import { Topic } from 'elkmq';
import { ElkMqServer, type ElkMqContext } from 'nestjs-elkmq';
import { partitionNames } from '../../libs/elkmq/src/model/partitions.js';
import { startRedis } from '../../scripts/redis.js';
import { elkmq, elkmqJson } from '../support/command-line.js';
import { ask, startConsole } from '../support/console.js';
import { listening, logs } from '../support/nest.js';
import { closing, rejection, until } from '../support/queue.js';
import { PUBLISHED_USERS } from '../support/rights.js';
import { event, newPartitionedTopic, PARTITIONED, PARTITIONS, queueOf } from '../support/topics.js';

it('the command line shows a topic with partitions as one topic, and changes its subscriptions', async () => {
  const topic = newPartitionedTopic();
  const { name } = topic;
  await topic.subscribe('billing', { patterns: ['a'] });
  for (let n = 0; n < 8; n++) await topic.publish(event('a'));
  await topic.publish(event('lost'));
  const { topics } = (await elkmqJson(['topics', '--limit', '100000'])).json as { topics: string[] };
  expect(topics.filter((found) => found.startsWith(name))).toEqual([name]);
  expect(await elkmqJson(['topics', name])).toMatchObject({
    code: 0,
    json: {
      topic: name,
      partitions: PARTITIONS,
      subscriptions: [{ name: 'billing', waiting: 8 }],
      unrouted: 1,
    },
  });
  expect((await elkmq(['topics', name])).stderr).toContain('The topic has 4 partitions.');
  expect(await elkmqJson(['state', queueOf(topic, 'billing')])).toMatchObject({
    json: { waiting: 8, partitions: PARTITIONS },
  });
  expect(await elkmq(['subscribe', name, 'mail', '--pattern', 'a'])).toMatchObject({ code: 0 });
  for (let n = 0; n < PARTITIONS; n++) expect(await topic.publish(event('a'))).toBe(2);
  expect(await elkmqJson(['unsubscribe', name, 'billing', '--yes'])).toMatchObject({ json: { count: 12 } });
  for (let n = 0; n < PARTITIONS; n++) expect(await topic.publish(event('a'))).toBe(1);
  const second = String(partitionNames(name, PARTITIONS)[1]);
  const refused = await elkmq(['topics', second]);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain(`is partition 1 of the topic "${name}": give the name of the topic`);
});

it('the console shows a topic with partitions as one topic', async () => {
  const topic = newPartitionedTopic();
  await topic.subscribe('billing', { patterns: ['a'] });
  for (let n = 0; n < 8; n++) await topic.publish(event('a'));
  const queue = queueOf(topic, 'billing');
  const address = await startConsole({ queues: [queue] });
  const state = { waiting: 8, partitions: PARTITIONS };
  expect((await ask(`${address}api/topics`)).json).toMatchObject({
    topics: [
      { name: topic.name, partitions: PARTITIONS, subscriptions: [{ name: 'billing', queue, ...state }] },
    ],
  });
  expect((await ask(`${address}api/queues`)).json).toMatchObject({ queues: [{ name: queue, ...state }] });
});

it.each(PUBLISHED_USERS)(
  'a user with the rules %# may use the topic with its partitions, and no other one',
  async ({ rules }) => {
    const before = logs.length;
    const server = await startRedis({ user: `~{orders}* ~{orders#*}* ${rules}` });
    closing({ close: () => server.stop() });
    const { url } = server;
    const warnings: string[] = [];
    const options = { ...PARTITIONED, onWarning: (message: string) => warnings.push(message) };
    const topic = closing(new Topic('orders', url, options));
    await topic.subscribe('idle', { patterns: ['#'], retention: { max: PARTITIONS } });
    const served = { url, topic: 'orders', subscription: 'billing', ...PARTITIONED };
    const strategy = new ElkMqServer({ ...served, retry: { attempts: 2, backoff: 1 } });
    let attempts = 0;
    const handle = (_: unknown, context: ElkMqContext): Promise<void> => {
      attempts++;
      return context.getAttempt() === 1 ? Promise.reject(new Error('again')) : Promise.resolve();
    };
    strategy.addHandler('a', handle, true);
    await listening(strategy);
    for (let n = 0; n < 2 * PARTITIONS; n++) {
      const more = { delay: 1, orderingKey: `key ${String(n)}`, deduplication: { key: `key ${String(n)}` } };
      await topic.publish(event('a'), more);
      await topic.publish(event('a'));
    }
    await until(async () => (await strategy.state()).waiting === 0 && attempts === 8 * PARTITIONS);
    await until(async () => ((await topic.state()).subscriptions[1]?.trimmed ?? 0) > 0);
    await topic.removePatterns('idle', ['#']);
    expect(await topic.unsubscribe('idle')).toBe(true);
    for (const other of ['orders2', 'order'])
      expect(await rejection(closing(new Topic(other, url)).publish(event('a')))).toBeInstanceOf(Error);
    const told = [...logs.slice(before), ...warnings].filter((line) => line.includes('NOPERM'));
    // Hosts refuse CLIENT: see the test of these rules with a queue.
    expect(told.filter((line) => !line.includes('Redis refuses CLIENT ID, CLIENT UNBLOCK'))).toEqual([]);
  },
);
