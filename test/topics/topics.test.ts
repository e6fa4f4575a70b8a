import { EventQueue, InvalidOptionError, TooManySubscriptionsError, UnroutedError } from 'elkmq';
import { describe, expect, it } from 'vitest';
import { eventsOf } from '../support/entries.js';
import { closing, redis, rejection, until, url } from '../support/queue.js';
import { event, keysOfTopic, newTopic, queueOf, waitingFor } from '../support/topics.js';

describe('an event of a topic', () => {
  it('goes to every subscription that has its pattern, and to no other', async () => {
    const topic = newTopic();
    await topic.subscribe('billing', { patterns: ['order.placed', 'order.paid'] });
    await topic.subscribe('mail', { patterns: ['order.placed'] });
    await topic.subscribe('stock', { patterns: ['item.sold'] });
    expect(await topic.publish(event('order.placed', 'one'))).toBe(2);
    expect(await topic.publish(event('order.paid', 'two'))).toBe(1);
    expect(await waitingFor(topic, 'billing')).toEqual(['one', 'two']);
    expect(await waitingFor(topic, 'mail')).toEqual(['one']);
    expect(await waitingFor(topic, 'stock')).toEqual([]);
  });

  it('goes to subscriptions whose pattern has wildcards', async () => {
    const topic = newTopic();
    await topic.subscribe('one', { patterns: ['order.*'] });
    await topic.subscribe('any', { patterns: ['order.#'] });
    await topic.subscribe('both', { patterns: ['order.*', 'order.placed'] });
    expect(await topic.publish(event('order.placed', 'a'))).toBe(3);
    expect(await topic.publish(event('order.item.added', 'b'))).toBe(1);
    expect(await waitingFor(topic, 'both')).toEqual(['a']);
    expect(await waitingFor(topic, 'any')).toEqual(['a', 'b']);
  });

  it('is a first message in each queue, with the same request uuid and headers', async () => {
    const topic = newTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    await topic.subscribe('mail', { patterns: ['a'] });
    const sent = event('a');
    await topic.publish(sent, { headers: { tenant: 'x' } });
    for (const name of ['billing', 'mail']) {
      const [entry] = await eventsOf(queueOf(topic, name));
      expect(entry?.fields.slice(2)).toEqual(['reply_to', '', 'headers', '{"tenant":"x"}']);
      expect(entry?.fields[1]).toContain(`"request_uuid":${sent.requestId},`);
    }
  });

  it('without a subscription is counted, told, and dropped', async () => {
    const warnings: string[] = [];
    const topic = newTopic({ onWarning: (message) => warnings.push(message) });
    await topic.subscribe('billing', { patterns: ['order.placed'] });
    expect(await topic.publish(event('order.lost'))).toBe(0);
    const { unrouted, lastUnrouted } = await topic.state();
    expect(unrouted).toBe(1);
    expect(lastUnrouted).toMatchObject({ action: 'order.lost' });
    await until(() => warnings.length > 0);
    expect(warnings[0]).toMatch(/^1 event\(s\) had no subscription and were dropped.*'order\.lost'$/);
  });

  it('without a subscription is an error with `requireSubscription`', async () => {
    const topic = newTopic({ requireSubscription: true });
    const error = await rejection(topic.publish(event('order.lost')));
    expect(error).toBeInstanceOf(UnroutedError);
    expect(String(error)).toContain("'order.lost'");
  });

  it('is not divided among the workers of a subscription: one of them gets it', async () => {
    const topic = newTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    const workers = [1, 2].map(() => closing(new EventQueue(queueOf(topic, 'billing'), url)));
    await topic.publish(event('a', '1'));
    const taken = await Promise.allSettled(workers.map((worker) => worker.dequeue()));
    expect(taken.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('with a delay is put off in each queue', async () => {
    const topic = newTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    await topic.subscribe('mail', { patterns: ['a'] });
    await topic.publish(event('a'), { delay: 100_000 });
    const { subscriptions } = await topic.state();
    expect(subscriptions.map(({ delayed, waiting }) => [delayed, waiting])).toEqual([
      [1, 0],
      [1, 0],
    ]);
  });

  it('with an ordering key waits behind the one before in each queue', async () => {
    const topic = newTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    await topic.subscribe('mail', { patterns: ['a'] });
    await Promise.all([1, 2, 3].map((n) => topic.publish(event('a', String(n)), { orderingKey: 'k' })));
    expect(await waitingFor(topic, 'billing')).toEqual(['1']);
    expect(await waitingFor(topic, 'mail')).toEqual(['1']);
    const queue = closing(new EventQueue(queueOf(topic, 'mail'), url));
    for (const payload of ['1', '2', '3']) expect((await queue.dequeue())[1].payload).toBe(payload);
    const { subscriptions } = await topic.state();
    expect(subscriptions.map(({ behindKeys }) => behindKeys)).toEqual([2, 0]);
  });

  it('with a deduplication key is published once, and the duplicate is answered as the first', async () => {
    const topic = newTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    await topic.subscribe('mail', { patterns: ['a'] });
    const deduplication = { key: 'order-1' };
    expect(await topic.publish(event('a', 'first'), { deduplication })).toBe(2);
    expect(await topic.publish(event('a', 'second'), { deduplication })).toBe(2);
    expect(await waitingFor(topic, 'billing')).toEqual(['first']);
    expect(await waitingFor(topic, 'mail')).toEqual(['first']);
  });

  it('without a subscription leaves its deduplication key free', async () => {
    const topic = newTopic();
    const deduplication = { key: 'order-1' };
    expect(await topic.publish(event('a', 'first'), { deduplication })).toBe(0);
    await topic.subscribe('billing', { patterns: ['a'] });
    expect(await topic.publish(event('a', 'second'), { deduplication })).toBe(1);
  });

  it('is stored for all subscriptions or for none, when a key is of another type', async () => {
    const topic = newTopic();
    for (const name of ['a', 'b', 'c']) await topic.subscribe(name, { patterns: ['x'] });
    await redis.del(`${queueOf(topic, 'c')}(event_stream)`);
    await redis.set(`${queueOf(topic, 'c')}(event_stream)`, 'no stream');
    expect(String(await rejection(topic.publish(event('x'))))).toContain('WRONGTYPE');
    expect(String(await rejection(topic.publish(event('x'), { orderingKey: 'k' })))).toContain('WRONGTYPE');
    expect(await waitingFor(topic, 'a')).toEqual([]);
    expect(await waitingFor(topic, 'b')).toEqual([]);
  });

  it('is delayed for all subscriptions or for none', async () => {
    const topic = newTopic();
    for (const name of ['a', 'b']) await topic.subscribe(name, { patterns: ['x'] });
    const delayedFor = (name: string) => redis.zcard(`${queueOf(topic, name)}(delayed)`);
    const copies = Array.from({ length: 5 }, () => topic.publish(event('x'), { delay: 60_000 }));
    expect(await Promise.all(copies)).toEqual([2, 2, 2, 2, 2]);
    expect([await delayedFor('a'), await delayedFor('b')]).toEqual([5, 5]);
    const ids = `{${topic.name}}(lane_ids)`;
    await redis.del(ids);
    await redis.hset(ids, 'no', 'text');
    expect(String(await rejection(topic.publish(event('x'), { delay: 1_000 })))).toContain('WRONGTYPE');
    expect([await delayedFor('a'), await delayedFor('b')]).toEqual([5, 5]);
    expect(await waitingFor(topic, 'a')).toEqual([]);
  });

  it('goes to each of 200 subscriptions, and many at once go in several calls', async () => {
    const topic = newTopic();
    for (let n = 0; n < 200; n++) await topic.subscribe(`s${String(n)}`, { patterns: ['a'] });
    const error = await rejection(topic.subscribe('one-too-many', { patterns: ['a'] }));
    expect(error).toBeInstanceOf(TooManySubscriptionsError);
    await topic.subscribe('s7', { patterns: ['b'] });
    const copies = await Promise.all(
      Array.from({ length: 20 }, (_, n) => topic.publish(event('a', String(n)))),
    );
    expect(new Set(copies)).toEqual(new Set([200]));
    expect(await waitingFor(topic, 's199')).toEqual(Array.from({ length: 20 }, (_, n) => String(n)));
  });
});

describe('the subscriptions of a topic', () => {
  it('are listed by name, with their patterns and retention', async () => {
    const topic = newTopic();
    await topic.subscribe('mail', { patterns: ['b', 'a'], retention: { max: 10 } });
    await topic.subscribe('billing', { patterns: ['a'] });
    await topic.subscribe('mail', { patterns: ['c'] });
    expect(await topic.subscriptions()).toEqual([
      {
        name: 'billing',
        patterns: ['a'],
        retention: { max: 1_000_000, maxAge: 604_800_000 },
        since: expect.any(Number) as number,
      },
      {
        name: 'mail',
        patterns: ['a', 'b', 'c'],
        retention: { max: 10, maxAge: 604_800_000 },
        since: expect.any(Number) as number,
      },
    ]);
  });

  it('keep the part of their retention that is not given', async () => {
    const topic = newTopic();
    const retention = async () => (await topic.subscriptions())[0]?.retention;
    await topic.subscribe('mail', { patterns: ['a'], retention: { max: 10, maxAge: 60_000 } });
    await topic.subscribe('mail', { patterns: ['a'], retention: { max: 20 } });
    expect(await retention()).toEqual({ max: 20, maxAge: 60_000 });
    await topic.subscribe('mail', {
      patterns: ['a'],
      retention: { max: undefined, maxAge: 30_000 } as never,
    });
    expect(await retention()).toEqual({ max: 20, maxAge: 30_000 });
  });

  it('lose patterns only when somebody removes them', async () => {
    const topic = newTopic();
    await topic.subscribe('mail', { patterns: ['a', 'b'] });
    await topic.publish(event('a', 'before'));
    await topic.removePatterns('mail', ['a']);
    expect(await topic.publish(event('a', 'after'))).toBe(0);
    expect(await topic.publish(event('b', 'other'))).toBe(1);
    expect(await waitingFor(topic, 'mail')).toEqual(['before', 'other']);
    expect(String(await rejection(topic.removePatterns('nobody', ['a'])))).toContain('"nobody"');
  });

  it('keep all patterns that are added at once', async () => {
    const topic = newTopic();
    const patterns = Array.from({ length: 20 }, (_, n) => `p${String(n)}`);
    await Promise.all(patterns.map((pattern) => topic.subscribe('mail', { patterns: [pattern] })));
    const [mail] = await topic.subscriptions();
    expect([...(mail?.patterns ?? [])].sort()).toEqual([...patterns].sort());
  });

  it('get what is published after `subscribe` has returned', async () => {
    const topic = newTopic();
    const other = newTopic({}, url, topic.name);
    await topic.publish(event('a', 'before'));
    await other.subscribe('late', { patterns: ['a'] });
    await topic.publish(event('a', 'after'));
    expect(await waitingFor(topic, 'late')).toEqual(['after']);
  });

  it('that are removed leave no key of their queue, and get nothing more', async () => {
    const topic = newTopic();
    await topic.subscribe('mail', { patterns: ['a'] });
    await topic.subscribe('billing', { patterns: ['a'] });
    const queue = closing(new EventQueue(queueOf(topic, 'mail'), url));
    await topic.publish(event('a'), { delay: 100_000 });
    for (let n = 0; n < 3; n++) await topic.publish(event('a', 'x'), { orderingKey: 'k' });
    await queue.dequeue();
    expect(await topic.unsubscribe('mail')).toBe(true);
    expect((await keysOfTopic(topic)).filter((key) => key.startsWith('/mail'))).toEqual([]);
    expect(await topic.publish(event('a'))).toBe(1);
    expect(await topic.unsubscribe('mail')).toBe(false);
  });

  it('that are removed come back empty when somebody subscribes them', async () => {
    const topic = newTopic();
    await topic.subscribe('mail', { patterns: ['a'] });
    await topic.publish(event('a', 'old'));
    await topic.unsubscribe('mail');
    await topic.subscribe('mail', { patterns: ['a'] });
    await topic.publish(event('a', 'new'));
    expect(await waitingFor(topic, 'mail')).toEqual(['new']);
  });
});

describe('a mistake with a topic is named', () => {
  it.each(['', 'a/b', '{a}', 'a}', 7])('the name %j', (name) => {
    expect(() => newTopic({}, url, name as string)).toThrow(InvalidOptionError);
  });

  it.each(['', '-a', 'a/b', 'a b', 'x'.repeat(129), undefined])('the subscription %j', async (name) => {
    const error = await rejection(newTopic().subscribe(name as string, { patterns: [] }));
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(String(error)).toContain('subscription must be');
  });

  it.each([
    [{ pattern: ['a'] }, 'subscribe has no option "pattern"; it has patterns, retention'],
    [{ patterns: 'a' }, 'patterns must be an array of strings, got "a"'],
    [{ patterns: ['a', ''] }, 'got ""'],
    [{ patterns: [undefined] }, 'got undefined'],
    [{ patterns: [], retention: { max: 0 } }, 'retention.max must be a whole number from 1'],
    [{ patterns: [], retention: [] }, 'retention must be { max, maxAge }, got an array of 0'],
    [{ patterns: [], retention: { maximum: 1 } }, 'retention has no option "maximum"; it has max, maxAge'],
  ])('the options %j', async (options, message) => {
    expect(String(await rejection(newTopic().subscribe('mail', options as never)))).toContain(message);
  });

  it.each([
    [{ orderingKey: '' }, 'orderingKey must be'],
    [{ delay: -1 }, 'delay must be'],
    [{ deduplication: { key: '' } }, 'key must be'],
    [{ headers: { a: 1 } }, 'header "a" must be a string, got 1'],
    [
      { orderingkey: 'a' },
      'publish has no option "orderingkey"; it has deduplication, delay, headers, orderingKey',
    ],
  ])('the options of an event %j', async (options, message) => {
    expect(String(await rejection(newTopic().publish(event('a'), options as never)))).toContain(message);
  });

  it('the limit of a queue', () => {
    expect(() => newTopic({ maxQueueLength: 1 } as never)).toThrow('Topic has no option "maxQueueLength"');
  });
});
