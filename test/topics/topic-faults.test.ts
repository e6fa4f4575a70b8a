import { EnqueueError, EventQueue, type ServiceEvent, type Topic } from 'elkmq';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ALL_CHANNELS } from '../support/rights.js';
import { ownRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { closing, redis, until, url } from '../support/queue.js';
import { event, newTopic, queueOf, waitingFor } from '../support/topics.js';

/** Matches the calls that publish. */
const PUBLISHING = /evalsha.*\(producer\)/is;

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index));
}

/** Changes the table again and again, until the test is over: another subscription comes and goes. */
function changeTable(topic: Topic): { stop(): Promise<void>; changes: number } {
  const changing = { changes: 0, stop: () => Promise.resolve() };
  const over = new AbortController();
  const loop = (async () => {
    while (!over.signal.aborted) {
      await topic.subscribe('other', { patterns: ['never'] });
      await topic.unsubscribe('other');
      changing.changes += 2;
    }
  })();
  changing.stop = async () => {
    over.abort();
    await loop;
  };
  onTestFinished(() => changing.stop());
  return changing;
}

async function publishAll(
  topic: Topic,
  payloads: readonly string[],
  orderingKey?: string,
): Promise<number[]> {
  const answers: Promise<number>[] = [];
  for (const payload of payloads) {
    answers.push(topic.publish(event('a', payload), { orderingKey }));
    if (answers.length % 7 === 0) await new Promise(setImmediate);
    if (answers.length % 100 === 0) await answers.at(-1);
  }
  return Promise.all(answers);
}

describe('each subscription gets each event once, in the order of the publisher', () => {
  it.each(['answers', 'requests'] as const)('when %s are lost and the table changes', async (what) => {
    const proxy = closing(await Proxy.before(url));
    const topic = newTopic({ enqueueTimeout: 120_000 }, proxy.url);
    const admin = newTopic({}, url, topic.name);
    const names = ['billing', 'mail', 'stock'];
    for (const name of names) await admin.subscribe(name, { patterns: ['a'] });
    const changing = changeTable(admin);
    if (what === 'answers') proxy.loseAnswers(PUBLISHING, 15, 3);
    else proxy.loseRequests(PUBLISHING, 15, 3);
    const payloads: string[] = [];
    while (proxy.lost < 8 || changing.changes < 20) {
      const round = Array.from({ length: 300 }, (_, n) => String(payloads.length + n));
      payloads.push(...round);
      expect(new Set(await publishAll(topic, round))).toEqual(new Set([3]));
    }
    await changing.stop();
    for (const name of names) expect(await waitingFor(topic, name)).toEqual(payloads);
  });

  it('with an ordering key, when answers are lost and the table changes', async () => {
    const proxy = closing(await Proxy.before(url));
    const topic = newTopic({ enqueueTimeout: 120_000 }, proxy.url);
    const admin = newTopic({}, url, topic.name);
    for (const name of ['billing', 'mail']) await admin.subscribe(name, { patterns: ['a'] });
    const changing = changeTable(admin);
    proxy.loseAnswers(PUBLISHING, 10, 3);
    const payloads = numbers(600);
    await publishAll(topic, payloads, 'key');
    await changing.stop();
    for (const name of ['billing', 'mail']) {
      const queue = closing(new EventQueue(queueOf(topic, name), url));
      const taken: (string | null)[] = [];
      for (let n = 0; n < payloads.length; n++) taken.push((await queue.dequeue())[1].payload);
      expect(taken).toEqual(payloads);
    }
  });

  it('and a subscription that comes in between has all from then on, without a gap', async () => {
    const topic = newTopic();
    const admin = newTopic({}, url, topic.name);
    await admin.subscribe('first', { patterns: ['a'] });
    let subscribed = Infinity;
    const payloads = numbers(2_000);
    const answers: Promise<number>[] = [];
    for (const [index, payload] of payloads.entries()) {
      answers.push(topic.publish(event('a', payload)));
      if (index === 500)
        void admin.subscribe('late', { patterns: ['a'] }).then(() => (subscribed = answers.length));
      if (index % 20 === 0) await new Promise(setImmediate);
    }
    await Promise.all(answers);
    await until(() => subscribed < Infinity);
    const late = (await waitingFor(topic, 'late')) as string[];
    expect(late).toEqual(payloads.slice(payloads.length - late.length));
    expect(late.length).toBeGreaterThanOrEqual(payloads.length - subscribed);
    expect(await waitingFor(topic, 'first')).toEqual(payloads);
  });

  it('when the scripts of Redis are flushed and connections are cut', async () => {
    const proxy = closing(await Proxy.before(url));
    const topic = newTopic({ enqueueTimeout: 120_000 }, proxy.url);
    await newTopic({}, url, topic.name).subscribe('billing', { patterns: ['a'] });
    const payloads = numbers(2_000);
    const published = publishAll(topic, payloads);
    for (let n = 0; n < 5; n++) {
      proxy.cut();
      await redis.script('FLUSH');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await published;
    expect(await waitingFor(topic, 'billing')).toEqual(payloads);
  });
});

describe('retention', () => {
  /** A queue of a subscription of which one message is pending. */
  async function withPending(
    topic: Topic,
    retention: { max?: number; maxAge?: number },
    publish: () => Promise<unknown>,
  ): Promise<{ queue: string; pending: () => Promise<string[]> }> {
    await topic.subscribe('away', { patterns: ['a'], retention });
    const queue = queueOf(topic, 'away');
    await publish();
    await redis.xreadgroup('GROUP', 'elkmq', 'reader', 'COUNT', 5, 'STREAMS', `${queue}(event_stream)`, '>');
    const pending = async (): Promise<string[]> => {
      const rows = await redis.xpending(`${queue}(event_stream)`, 'elkmq', '-', '+', 100);
      return (rows as [string][]).map(([id]) => id);
    };
    return { queue, pending };
  }

  it('deletes what has waited longest and never what is pending; it is counted and told', async () => {
    const warnings: string[] = [];
    const topic = newTopic({ onWarning: (message) => warnings.push(message) });
    const { queue, pending } = await withPending(topic, { max: 100 }, () => publishAll(topic, numbers(300)));
    await until(() => warnings.length > 0);
    const left = (await waitingFor(topic, 'away')) as string[];
    expect(left).toEqual([...numbers(5), ...numbers(300).slice(205)]);
    const ids = (await redis.xrange(`${queue}(event_stream)`, '-', '+', 'COUNT', 5)).map(([id]) => id);
    expect(await pending()).toEqual(ids);
    expect((await topic.state()).subscriptions[0]?.trimmed).toBe(200);
    expect(warnings[0]).toMatch(/'away' has lost the 200 message\(s\) that had waited longest/);
  });

  it('under load deletes nothing that somebody has in hand: each event is taken, waits, or is counted', async () => {
    const topic = newTopic();
    const { queue, pending } = await withPending(topic, { max: 100 }, () => publishAll(topic, numbers(5)));
    const held = await pending();
    const taker = closing(new EventQueue(queue, url));
    const taken: number[] = [];
    let published = held.length;
    const trimmed = async (): Promise<number> => (await topic.state()).subscriptions[0]?.trimmed ?? 0;
    while ((await trimmed()) === 0) {
      await publishAll(
        topic,
        numbers(200).map((payload) => String(published + Number(payload))),
      );
      published += 200;
      for (let n = 0; n < 20; n++) taken.push(Number((await taker.dequeue())[1].payload));
    }
    // The last look is over: nothing more is deleted.
    await until(async () => (await redis.xlen(`${queue}(event_stream)`)) <= 100);
    expect(await pending()).toEqual(held);
    expect(taken).toEqual([...new Set(taken)].sort((one, other) => one - other));
    const left = await redis.xlen(`${queue}(event_stream)`);
    expect(taken.length + left + (await trimmed())).toBe(published);
  });

  it('does not count the entries that announce delayed messages, and deletes those of the past', async () => {
    const topic = newTopic();
    await topic.subscribe('away', { patterns: ['a'], retention: { max: 5 } });
    const stream = `${queueOf(topic, 'away')}(event_stream)`;
    // Workers of a version before leave the past ones.
    const announce = (due: number): Promise<unknown> => redis.xadd(stream, '*', 'due', String(due));
    for (const payload of numbers(6)) {
      await announce(1);
      await topic.publish(event('a', payload));
    }
    await announce(Date.now() + 3_600_000);
    await until(async () => ((await topic.state()).subscriptions[0]?.trimmed ?? 0) > 0);
    expect((await topic.state()).subscriptions[0]?.trimmed).toBe(1);
    const left = (await redis.xrange(stream, '-', '+')).map(([, [name]]) => name);
    expect(left).toEqual([...Array<string>(5).fill('event'), 'due']);
  });

  it('deletes what is too old', async () => {
    const topic = newTopic();
    await withPending(topic, { maxAge: 60_000 }, () => publishAll(topic, numbers(10)));
    const stream = `${queueOf(topic, 'away')}(event_stream)`;
    const old = await redis.xrange(stream, '-', '+');
    // A stream of the same entries, as if they had been there since 1970.
    await redis.del(stream);
    for (const [index, [, fields]] of old.entries())
      await redis.xadd(stream, `1-${String(index + 1)}`, ...fields);
    await redis.xgroup('CREATE', stream, 'elkmq', '1-5');
    await topic.publish(event('a', 'new'));
    await until(async () => (await redis.xlen(stream)) === 6);
    expect((await topic.state()).subscriptions[0]?.trimmed).toBe(5);
  });

  it('counts the age of an event that is tried again from when it came back', async () => {
    const topic = newTopic();
    await topic.subscribe('away', { patterns: ['a'], retention: { maxAge: 3_600_000 } });
    await topic.publish(event('a', 'new'));
    const stream = `${queueOf(topic, 'away')}(event_stream)`;
    const [[, fields]] = (await redis.xrange(stream, '-', '+')) as [[string, string[]]];
    await redis.del(stream);
    await redis.xadd(stream, '1-1', ...fields);
    const retried = await redis.xadd(stream, '*', ...fields, 'origin', '1-2', 'attempt', '2', 'due', '2');
    await redis.xgroup('CREATE', stream, 'elkmq', '0');
    // One look deletes the first entry, and comes to the second one.
    await until(async () => ((await topic.state()).subscriptions[0]?.trimmed ?? 0) > 0);
    expect((await redis.xrange(stream, '-', '+')).map(([id]) => id)).toEqual([retried]);
  });

  it('is kept also when no publisher lives for long', async () => {
    const warnings: string[] = [];
    const admin = newTopic();
    await admin.subscribe('away', { patterns: ['a'], retention: { max: 5 } });
    const stream = `${queueOf(admin, 'away')}(event_stream)`;
    const publishBriefly = async (): Promise<number> => {
      const topic = newTopic({ onWarning: (message) => warnings.push(message) }, url, admin.name);
      await publishAll(topic, numbers(50));
      await topic.close();
      return redis.xlen(stream);
    };
    // A publisher that closes gives its last look half a second. Another one follows five seconds later.
    await until(async () => {
      await redis.del(`{${admin.name}}(retention_turn)`);
      return (await publishBriefly()) === 5;
    });
    expect(warnings[0]).toMatch(/'away' has lost the \d+ message\(s\)/);
    // Somebody else has the turn.
    await redis.set(`{${admin.name}}(retention_turn)`, 'other', 'PX', 600_000);
    expect(await publishBriefly()).toBe(55);
  });

  it('does not keep a publisher from closing when the connection breaks then', async () => {
    const proxy = closing(await Proxy.before(url));
    const topic = newTopic({}, proxy.url);
    await topic.subscribe('away', { patterns: ['a'], retention: { max: 5 } });
    proxy.loseAnswers(/evalsha.*\(trimmed\)/is);
    await publishAll(topic, numbers(50));
    await topic.close();
    expect(proxy.lost).toBe(1);
  });

  it('lets the next message of an ordering key go on', async () => {
    const topic = newTopic();
    await topic.subscribe('away', { patterns: ['a'], retention: { max: 3 } });
    await publishAll(topic, numbers(10), 'key');
    const stateOf = async () => (await topic.state()).subscriptions[0];
    await until(async () => (await stateOf())?.trimmed === 7);
    expect(await stateOf()).toMatchObject({ waiting: 3, behindKeys: 2 });
    const queue = closing(new EventQueue(queueOf(topic, 'away'), url));
    const taken: (string | null)[] = [];
    for (let n = 0; n < 3; n++) taken.push((await queue.dequeue())[1].payload);
    expect(taken).toEqual(['7', '8', '9']);
  });
});

describe('a user who may not use UNLINK', () => {
  it('publishes, and is told when a subscription is to be removed, which changes nothing', async () => {
    const server = await ownRedis();
    const admin = new Redis(server.adminUrl);
    onTestFinished(() => {
      admin.disconnect();
    });
    await admin.call('ACL', 'SETUSER', 'service', 'on', '>pw', '~*', ...ALL_CHANNELS, '+@all', '-unlink');
    const topic = newTopic({}, `redis://service:pw@127.0.0.1:${server.port}`);
    await topic.subscribe('billing', { patterns: ['a'] });
    const refusal = await topic.unsubscribe('billing').catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(EnqueueError);
    expect(String(refusal)).toContain('needs UNLINK');
    expect(await topic.publish(event('a'))).toBe(1);
  });
});

describe('when Redis is out of memory', () => {
  it('an event is stored for nobody, and the next one is whole', async () => {
    const server = await ownRedis();
    const admin = new Redis(server.adminUrl);
    onTestFinished(() => {
      admin.disconnect();
    });
    const topic = newTopic({}, server.url);
    for (const name of ['a', 'b']) await topic.subscribe(name, { patterns: ['x'] });
    const publish = (sent: ServiceEvent): Promise<unknown> =>
      topic.publish(sent).catch((error: unknown) => error);
    await admin.config('SET', 'maxmemory', '1');
    expect(String(await publish(event('x', 'lost')))).toContain('OOM');
    await admin.config('SET', 'maxmemory', '0');
    expect(await publish(event('x', 'kept'))).toBe(2);
    for (const name of ['a', 'b']) {
      expect(await admin.xlen(`${queueOf(topic, name)}(event_stream)`)).toBe(1);
    }
  });
});
