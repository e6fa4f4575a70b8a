import { lastValueFrom } from 'rxjs';
import { Topic } from 'elkmq';
import { describe, expect, it } from 'vitest';
import { startCluster } from '../support/cluster.js';
import { deadLettersOf, events, moduleOf, startApp, startClient } from '../support/nest.js';
import { closing, until } from '../support/queue.js';
import { event } from '../support/topics.js';

describe('on Redis Cluster a topic', () => {
  it('reaches every subscription, with delays, ordering keys and deduplication, and can be looked at', async () => {
    const cluster = await startCluster(2);
    const topics = ['orders', 'payments', 'items'].map((name) => closing(new Topic(name, cluster)));
    for (const topic of topics) {
      const got: Record<string, unknown[]> = { billing: [], mail: [] };
      for (const [subscription, taken] of Object.entries(got)) {
        const handlers = moduleOf(events({ 'a.*': (data: unknown) => taken.push(data) }));
        await startApp(handlers, { topic: topic.name, subscription, redis: cluster });
      }
      const client = startClient({ topic: topic.name, redis: cluster });
      await lastValueFrom(client.emit('a.plain', 1), { defaultValue: 0 });
      await topic.publish(event('a.delayed', '2'), { delay: 10 });
      for (const payload of ['3', '4']) await topic.publish(event('a.key', payload), { orderingKey: 'k' });
      const deduplication = { key: 'once' };
      for (const payload of ['5', '5']) await topic.publish(event('a.once', payload), { deduplication });
      await until(() => Object.values(got).every(({ length }) => length === 5));
      for (const taken of Object.values(got)) expect([...taken].sort()).toEqual([1, 2, 3, 4, 5]);
      const { subscriptions } = await topic.state();
      expect(subscriptions.map(({ name, workers }) => [name, workers])).toEqual([
        ['billing', 1],
        ['mail', 1],
      ]);
      expect(await topic.unsubscribe('mail')).toBe(true);
    }
    expect(await deadLettersOf('{orders}/billing')).toEqual([]);
  });
});
