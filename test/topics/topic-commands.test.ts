import { describe, expect, inject, it } from 'vitest';
import { elkmq, elkmqJson } from '../support/command-line.js';
import { event, newTopic, waitingFor } from '../support/topics.js';

describe('the command line for topics', () => {
  it('lists topics, and the subscriptions of one with their states', async () => {
    const topic = newTopic({}, inject('adminUrl'));
    await topic.subscribe('billing', { patterns: ['order.placed'] });
    await topic.publish(event('order.placed'));
    await topic.publish(event('order.lost'));
    const { json: found } = await elkmqJson(['topics']);
    expect((found as { topics: string[] }).topics).toContain(topic.name);
    const { code, stdout, stderr } = await elkmq(['topics', topic.name]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^billing +1 .*order\.placed$/m);
    expect(stderr).toContain('1 events had no subscription, the last one order.lost');
    const { json } = await elkmqJson(['topics', topic.name]);
    expect(json).toMatchObject({
      topic: topic.name,
      unrouted: 1,
      subscriptions: [{ name: 'billing', waiting: 1 }],
    });
    expect(await elkmq(['topics', 'nobody-has-this'])).toMatchObject({ code: 1 });
  });

  it('lists a topic to which events were published before anybody has subscribed', async () => {
    const topic = newTopic({}, inject('adminUrl'));
    await topic.publish(event('order.placed'));
    const { json: found } = await elkmqJson(['topics']);
    expect(found).toMatchObject({ topics: expect.arrayContaining([topic.name]) as string[] });
  });

  it('adds a subscription and patterns, and removes them when that is confirmed', async () => {
    const topic = newTopic({}, inject('adminUrl'));
    const { name } = topic;
    expect(await elkmq(['subscribe', name, 'billing', '--pattern', 'a', 'b'])).toMatchObject({ code: 0 });
    await topic.publish(event('a', 'kept'));
    const removal = ['unsubscribe', name, 'billing', '--pattern', 'b'];
    expect(await elkmq(removal)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('1 patterns') as string,
    });
    expect(await elkmq([...removal, '--yes'])).toMatchObject({ code: 0 });
    expect((await topic.subscriptions())[0]?.patterns).toEqual(['a']);
    expect(await waitingFor(topic, 'billing')).toEqual(['kept']);
    expect(await elkmqJson(['unsubscribe', name, 'billing', '--dry-run'])).toMatchObject({
      json: { count: 1 },
    });
    expect(await elkmq(['unsubscribe', name, 'billing', '--yes'])).toMatchObject({ code: 0 });
    expect(await topic.subscriptions()).toEqual([]);
    expect(await elkmq(['unsubscribe', name, 'billing', '--yes'])).toMatchObject({ code: 1 });
  });
});
