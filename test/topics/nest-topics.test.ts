import { InvalidEventError, InvalidOptionError, UnroutedError, UnsubscribedError } from 'elkmq';
import { ElkMqServer, type ElkMqClientOptions, type ElkMqServerOptions } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { QueueContext } from '../../libs/elkmq/src/context/queue-context.js';
import type { Connection } from '../../libs/elkmq/src/redis/connection.js';
import { SubscriptionKeeper } from '../../libs/elkmq/src/topics/subscription-keeper.js';
import {
  deadLettersOf,
  events,
  listening,
  logs,
  moduleOf,
  requests,
  startApp,
  startClient,
} from '../support/nest.js';
import { closing, redis, rejection, until, url } from '../support/queue.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { event, keysOfTopic, newTopic, queueOf } from '../support/topics.js';

interface Service {
  readonly got: unknown[];
}

/** A service that has a handler for each pattern, until the test is over. */
async function startService(
  topic: string,
  subscription: string,
  patterns: readonly string[],
  options: Partial<ElkMqServerOptions> = {},
): Promise<Service> {
  const got: unknown[] = [];
  const handlers = Object.fromEntries(
    patterns.map((pattern) => [pattern, (data: unknown) => got.push(data)]),
  );
  await startApp(moduleOf(events(handlers)), { topic, subscription, ...options });
  return { got };
}

/** A server with event handlers that do nothing. */
function serverOf(topic: string, subscription: string, patterns: readonly string[] = ['a']): ElkMqServer {
  const server = new ElkMqServer({ url, topic, subscription });
  for (const pattern of patterns) server.addHandler(pattern, () => Promise.resolve(), true);
  return server;
}

describe('an event that a client of a topic emits', () => {
  it('is handled once by each service that has a handler for it', async () => {
    const topic = newTopic();
    const billing = await startService(topic.name, 'billing', ['order.placed', 'order.paid']);
    const mail = await startService(topic.name, 'mail', ['order.*']);
    const stock = await startService(topic.name, 'stock', ['item.sold']);
    const second = await startService(topic.name, 'mail', ['order.*']);
    const client = startClient({ topic: topic.name });
    await Promise.all(
      [1, 2, 3, 4].map((n) => lastValueFrom(client.emit('order.placed', n), { defaultValue: 0 })),
    );
    await until(() => billing.got.length === 4 && mail.got.length + second.got.length === 4);
    expect([...mail.got, ...second.got].sort()).toEqual([1, 2, 3, 4]);
    expect(stock.got).toEqual([]);
  });

  it('is tried again, and a dead letter, for the service that fails alone', async () => {
    const topic = newTopic();
    const good = await startService(topic.name, 'good', ['a']);
    let attempts = 0;
    const fail = (): never => {
      attempts++;
      throw new Error('always');
    };
    const bad = { topic: topic.name, subscription: 'bad', retry: { attempts: 3, backoff: 1 } };
    await startApp(moduleOf(events({ a: fail })), bad);
    startClient({ topic: topic.name }).emit('a', 1);
    const queue = queueOf(topic, 'bad');
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(attempts).toBe(3);
    expect(good.got).toEqual([1]);
    expect(await deadLettersOf(queueOf(topic, 'good'))).toEqual([]);
  });

  it('fails with an UnroutedError with `requireSubscription`', async () => {
    const client = startClient({ topic: newTopic().name, requireSubscription: true });
    expect(await rejection(lastValueFrom(client.emit('a', 1)))).toBeInstanceOf(UnroutedError);
  });

  it('counts in the state of the client, which is the sum of the subscriptions', async () => {
    const topic = newTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    await topic.subscribe('mail', { patterns: ['a'] });
    const client = startClient({ topic: topic.name });
    await lastValueFrom(client.emit('a', 1), { defaultValue: 0 });
    expect(await client.state()).toMatchObject({ waiting: 2, running: 0, workers: 0 });
  });
});

describe('a topic takes no requests', () => {
  it('`send` fails at once, and says why', async () => {
    const client = startClient({ topic: newTopic().name });
    const error = await rejection(lastValueFrom(client.send('a', 1)));
    expect(error).toBeInstanceOf(InvalidEventError);
    expect(String(error)).toContain("takes no requests, got 'a'");
  });

  it('`listen` refuses request handlers, and names them', async () => {
    const topic = newTopic();
    const app = startApp(moduleOf(requests({ 'order.total': () => 1 }), events({ a: () => 1 })), {
      topic: topic.name,
      subscription: 'billing',
    });
    const error = await rejection(app);
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(String(error)).toContain("these handlers are for requests: 'order.total'");
    expect(await topic.subscriptions()).toEqual([]);
  });
});

describe('the patterns of a subscription', () => {
  it('grow in a rolling deploy, and are not taken away by an old server that restarts', async () => {
    const topic = newTopic();
    const old = await startService(topic.name, 'billing', ['a']);
    const renewed = await startService(topic.name, 'billing', ['a', 'b']);
    const restarted = await startService(topic.name, 'billing', ['a']);
    const [billing] = await topic.subscriptions();
    expect(billing?.patterns).toEqual(['a', 'b']);
    const numbers = Array.from({ length: 30 }, (_, n) => n);
    const client = startClient({ topic: topic.name });
    const emit = (pattern: string) => (n: number) =>
      lastValueFrom(client.emit(pattern, `${pattern}${String(n)}`), { defaultValue: 0 });
    await Promise.all([...numbers.map(emit('a')), ...numbers.map(emit('b'))]);
    // Old servers have no handler for 'b': what they take of it is a dead letter.
    const got = () => [...old.got, ...renewed.got, ...restarted.got];
    const letters = () => deadLettersOf(queueOf(topic, 'billing'));
    await until(async () => got().length + (await letters()).length === 60);
    expect(new Set((await letters()).map(({ reason }) => reason)).size).toBeLessThanOrEqual(1);
    expect(new Set(got()).size).toBe(got().length);
    expect((await topic.state()).unrouted).toBe(0);
  });

  it('of a new version are served by old servers too: what these cannot handle is a dead letter, not lost', async () => {
    const topic = newTopic();
    await topic.subscribe('billing', { patterns: ['b'] });
    await startService(topic.name, 'billing', ['a']);
    await lastValueFrom(startClient({ topic: topic.name }).emit('b', 1), { defaultValue: 0 });
    const queue = queueOf(topic, 'billing');
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect((await deadLettersOf(queue))[0]?.reason).toBe('unhandled');
  });

  it('that somebody has removed come back only with a new start', async () => {
    const topic = newTopic();
    const server = await listening(serverOf(topic.name, 'billing', ['a', 'b']));
    await topic.removePatterns('billing', ['b']);
    await server.close();
    expect((await topic.subscriptions())[0]?.patterns).toEqual(['a']);
    await listening(serverOf(topic.name, 'billing', ['a', 'b']));
    expect((await topic.subscriptions())[0]?.patterns).toEqual(['a', 'b']);
  });

  it('stay away when somebody has removed the last one, and come back when the table is lost', async () => {
    const topic = newTopic();
    const connection = { client: redis } as unknown as Connection;
    const served = { topic: topic.name, name: 'billing', patterns: ['a'] };
    const keeper = new SubscriptionKeeper({ connection } as QueueContext, served, {});
    await keeper.join(connection);
    await topic.removePatterns('billing', ['a']);
    // A worker looks at the table in this way from time to time.
    await keeper.join(connection);
    expect((await topic.subscriptions())[0]?.patterns).toEqual([]);
    await redis.del(`{${topic.name}}(subscriptions)`);
    await keeper.join(connection);
    expect((await topic.subscriptions())[0]?.patterns).toEqual(['a']);
  });

  it('come with the retention of the server', async () => {
    const topic = newTopic();
    await startService(topic.name, 'billing', ['a'], { retention: { max: 5 } });
    expect((await topic.subscriptions())[0]?.retention.max).toBe(5);
    await startService(topic.name, 'billing', ['a'], { retention: { maxAge: 60_000 } });
    expect((await topic.subscriptions())[0]?.retention).toEqual({ max: 5, maxAge: 60_000 });
  });
});

describe('a subscription that is removed', () => {
  it('under load stops its servers with an error that says why, and no key is left', async () => {
    const topic = newTopic();
    const server = new ElkMqServer({ url, topic: topic.name, subscription: 'billing' });
    let handled = 0;
    const handle = async (): Promise<void> => {
      handled++;
      await new Promise((resolve) => setTimeout(resolve, 1));
    };
    server.addHandler('a', handle, true);
    const errors: Error[] = [];
    server.on('error', (error) => errors.push(error));
    await listening(server);
    const client = startClient({ topic: topic.name });
    const over = new AbortController();
    const load = (async () => {
      while (!over.signal.aborted) {
        for (let n = 0; n < 20; n++) client.emit('a', n).subscribe({ error: () => undefined });
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    await until(() => handled > 100);
    await topic.unsubscribe('billing');
    const isRemoval = (error: Error) => error instanceof UnsubscribedError;
    // The loss of the messages that handlers were working on is an error as well, and may come first.
    await until(() => errors.some(isRemoval));
    over.abort();
    await load;
    await server.close();
    const removals = errors.filter(isRemoval);
    expect(removals).toHaveLength(1);
    expect(String(removals[0])).toMatch(/'billing' was removed from the topic .* at \d{4}-/);
    expect(await rejection(server.state())).toBe(removals[0]);
    expect((await keysOfTopic(topic)).filter((key) => key.startsWith('/'))).toEqual([]);
    expect(await topic.subscriptions()).toEqual([]);
  });

  it('does not come back with a server that starts', async () => {
    const topic = newTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    await topic.unsubscribe('billing');
    expect(await rejection(listening(serverOf(topic.name, 'billing')))).toBeInstanceOf(UnsubscribedError);
    expect((await keysOfTopic(topic)).filter((key) => key.startsWith('/'))).toEqual([]);
    await topic.subscribe('billing', { patterns: ['a'] });
    await listening(serverOf(topic.name, 'billing'));
  });
});

describe('a table that somebody deletes', () => {
  it('is made anew by the servers, and they say so', async () => {
    const topic = newTopic();
    const service = await startService(topic.name, 'billing', ['a']);
    await redis.del(`{${topic.name}}(subscriptions)`);
    await until(async () => (await topic.subscriptions()).length === 1);
    await until(() => logs.some((line) => line.includes(`the table of the topic '${topic.name}' had lost`)));
    await lastValueFrom(startClient({ topic: topic.name }).emit('a', 1), { defaultValue: 0 });
    await until(() => service.got.length === 1);
  });

  it('with everything else, by FLUSHALL, is made anew as well', async () => {
    const server = await ownRedis();
    const topic = newTopic({}, server.url);
    const service = await startService(topic.name, 'billing', ['a'], { url: server.url });
    await clientOf(server).flushall();
    await until(async () => (await topic.subscriptions()).length === 1);
    await topic.publish(event('a', '1'));
    await until(() => service.got.length === 1);
  });

  it('with the stream of a subscription is made anew as well', async () => {
    const topic = newTopic();
    const service = await startService(topic.name, 'billing', ['a']);
    await redis.del(`{${topic.name}}(subscriptions)`, `${queueOf(topic, 'billing')}(event_stream)`);
    await until(async () => (await topic.subscriptions()).length === 1);
    await lastValueFrom(startClient({ topic: topic.name }).emit('a', 1), { defaultValue: 0 });
    await until(() => service.got.length === 1);
  });
});

describe('a table that others have written to', () => {
  it('and of which a part cannot be read still routes the rest, and a server writes its part anew', async () => {
    const topic = newTopic();
    await topic.subscribe('billing', { patterns: ['a'] });
    const table = `{${topic.name}}(subscriptions)`;
    await redis.hset(table, {
      mail: 'no JSON',
      odd: '{"patterns":7}',
      none: '{"patterns":["a"],"retention":{"max":-1}}',
    });
    await redis.hset(table, '', 'by hand');
    expect(await topic.publish(event('a'))).toBe(1);
    await listening(serverOf(topic.name, 'mail'));
    expect((await topic.subscriptions()).map(({ name }) => name)).toEqual(['billing', 'mail']);
    expect(await topic.publish(event('a'))).toBe(2);
  });

  it('and that is of another type is an error of publishers and servers', async () => {
    const topic = newTopic();
    await redis.set(`{${topic.name}}(subscriptions)`, 'no table');
    expect(String(await rejection(topic.publish(event('a'))))).toContain('WRONGTYPE');
    expect(String(await rejection(listening(serverOf(topic.name, 'mail'))))).toContain('WRONGTYPE');
  });
});

describe('wrong options of a topic are named', () => {
  it.each([
    [{ topic: 'a', queue: 'b' }, 'queue and topic must not both be given'],
    [{ topic: 'a/b' }, 'topic must be a string'],
    [{ topic: 'a', maxQueueLength: 1 }, 'maxQueueLength must not be given for a topic'],
    [{ queue: 'a', requireSubscription: true }, 'requireSubscription must not be given without a topic'],
  ])('of a client: %j', (options, message) => {
    expect(() => startClient(options as ElkMqClientOptions)).toThrow(message);
  });

  it.each([
    [{ topic: 'a' }, 'subscription must be a string'],
    [{ queue: 'a', subscription: 'b' }, 'subscription must not be given without a topic'],
    [
      { topic: 'a', subscription: 'b', legacyConsumers: true },
      'legacyConsumers must not be given with a topic',
    ],
    [{ topic: 'a', subscription: 'b', retention: { max: 0 } }, 'retention.max must be a whole number'],
  ])('of a server: %j', (options, message) => {
    expect(() => closing(new ElkMqServer(options as unknown as ElkMqServerOptions))).toThrow(message);
  });
});
