import type { Cluster } from 'ioredis';
import { QueueAdmin, Topic } from 'elkmq';
import { ElkMqRecordBuilder, type ElkMqClient, type ElkMqContext } from 'nestjs-elkmq';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { partitionOf } from '../../libs/elkmq/src/model/partitions.js';
import { asAdmin } from '../../scripts/redis-cluster.js';
import type { PrivateRedis } from '../../scripts/redis.js';
import { clusterOf, launchServers } from '../support/cluster.js';
import { events, logs, moduleOf, requests, startApp, startClient, valuesOf } from '../support/nest.js';
import { emitted } from '../support/partition-load.js';
import { closing, newQueueName, redisMajor, until } from '../support/queue.js';
import { ON_CLUSTER, PUBLISHED_KEYS, PUBLISHED_USERS } from '../support/rights.js';
import { event, PARTITIONS } from '../support/topics.js';

const QUEUE = 'a queue on Cluster with partitions';
const TOPIC = 'a topic with partitions';
const [LEAST, REDUCED] = PUBLISHED_USERS.map(({ rules }) => rules.split(' ')) as [string[], string[]];
const canPush = redisMajor >= 7;
const PUSHING = ['spublish', 'ssubscribe'];
/** A Cluster client of ioredis names one of its connections. It does not mind when that is refused. */
const OF_IOREDIS = /^command client\|set(?:name|info)$|^command client$/;
/** The commands that hosts refuse. */
const DISPENSABLE = /^command (?:client|config|info|spublish|ssubscribe|wait)\b/;
/** An ordering key, or a deduplication key, for each partition. */
const KEYS = Array.from({ length: PARTITIONS }, (_, partition) => {
  for (let n = 0; ; n++) if (partitionOf(`key-${n}`, PARTITIONS) === partition) return `key-${n}`;
});

/** Three masters. */
let servers: PrivateRedis[];
beforeAll(async () => {
  servers = await launchServers(3, 0);
  return async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
});

function onEach<T>(...call: [command: string, ...args: (string | number)[]]): Promise<T[]> {
  return Promise.all(servers.map((server) => asAdmin(server, (admin) => admin.call(...call) as Promise<T>)));
}

/**
 * Makes a user on each server, as the guide tells.
 * @param user a name that no other test uses
 * @returns a client of the Cluster, with that user
 */
async function clusterAs(user: string, rules: readonly string[]): Promise<Cluster> {
  await onEach('ACL', 'SETUSER', user, 'reset', 'on', '>pw', ...rules);
  return clusterOf(servers.map(({ adminUrl }) => ({ url: adminUrl.replace('//', `//${user}:pw@`) })));
}

/** The rules of a user of the guide, with the keys and channels for a queue or a topic, and with what Cluster needs. */
function rulesFor(purpose: string, name: string, rules: readonly string[]): string[] {
  const isPushing = canPush && rules === LEAST;
  const own = String(PUBLISHED_KEYS[purpose]).replaceAll('orders', name).split(' ');
  const more = ON_CLUSTER.filter((command) => isPushing || !PUSHING.includes(command));
  return [
    ...own.filter((rule) => isPushing || !rule.startsWith('&')),
    ...rules,
    ...more.map((command) => `+${command}`),
  ];
}

/** The commands, keys and channels that a server has refused to a user. */
async function refusedTo(user: string): Promise<string[]> {
  const answers = await onEach<string[][]>('ACL', 'LOG', 1_000);
  const entries = answers.flat().map((fields) => ({
    get: (name: string) => String(fields[fields.indexOf(name) + 1]),
  }));
  return entries
    .filter((entry) => entry.get('username') === user)
    .map((entry) => `${entry.get('reason')} ${entry.get('object')}`);
}

/** The inboxes of a queue that somebody has subscribed to. */
async function subscribed(queue: string): Promise<number> {
  const tags = await Promise.all(
    [`{${queue}}`, `{${queue}#*}`].map((tag) =>
      onEach<string[]>('PUBSUB', 'SHARDCHANNELS', `${tag}(inbox):*`),
    ),
  );
  return tags.flat(2).length;
}

/** Whether somebody waits for replies in a blocking read. */
async function isReadBlocking(): Promise<boolean> {
  return / flags=b .* cmd=xread /.test((await onEach('CLIENT', 'LIST')).join('\n'));
}

/** The lines of the log that tell of what Redis refuses in a queue or topic. */
function told(name: string): string[] {
  return logs.filter((line) => line.includes(name) && line.includes('Redis refuses'));
}

/** What Redis refuses in a queue, and who tells so: `ElkMqClient: SPUBLISH`. */
function refusalsTold(queue: string): string[] {
  return told(queue)
    .map((line) => String(/\[(\w+)\].* Redis refuses (\w+)/.exec(line)?.slice(1).join(': ')))
    .sort();
}

/** A client that sends before its rights were tried may subscribe in vain first, and is told so too. */
const TOLD_AFTER_ALL = 'ElkMqClient: SSUBSCRIBE';

function record(data: unknown) {
  return new ElkMqRecordBuilder(data);
}

/** Asks in each partition. */
async function ask(client: ElkMqClient): Promise<void> {
  for (const key of KEYS)
    expect(await valuesOf(client.send('double', record(21).setOrderingKey(key).build()))).toEqual([42]);
}

/** What handlers of events see, with the number of the attempt. */
class SeenEvents {
  readonly all: string[] = [];

  readonly handlers = {
    note: (data: string, context: ElkMqContext) => this.#see(data, context),
    flaky: (data: string, context: ElkMqContext) => {
      this.#see(data, context);
      if (context.getAttempt() === 1) throw new Error('not yet');
    },
  };

  #see(data: string, context: ElkMqContext): void {
    this.all.push(`${data} ${context.getAttempt()}`);
  }
}

/**
 * Emits events to each partition: with ordering keys, with a delay, with a deduplication key, and such as fail once.
 * @returns what handlers see of them, with the number of the attempt
 */
async function emitAll(client: ElkMqClient): Promise<string[]> {
  const expected: string[] = [];
  for (const key of KEYS) {
    for (let n = 0; n < 5; n++) {
      await emitted(client, 'note', record(`${key} ${n}`).setOrderingKey(key).build());
      expected.push(`${key} ${n} 1`);
    }
    for (let n = 0; n < 2; n++)
      await emitted(
        client,
        'note',
        record(`late ${key}`).setDelay(50).setDeduplicationKey(key, 60_000).build(),
      );
    await emitted(client, 'flaky', record(`again ${key}`).setOrderingKey(key).build());
    // Events without a key take turns.
    await emitted(client, 'flaky', `plain ${key}`);
    expected.push(`late ${key} 1`, ...[1, 2].flatMap((n) => [`again ${key} ${n}`, `plain ${key} ${n}`]));
  }
  return expected.sort();
}

/** Starts the worker and the client of a queue with partitions. */
async function startQueue(queue: string, redis: Cluster) {
  const seen = new SeenEvents();
  let requestsSeen = 0;
  const double = (value: number): number => {
    requestsSeen++;
    return value * 2;
  };
  const address = { queue, partitions: PARTITIONS, redis };
  const module = moduleOf(requests({ double }), events(seen.handlers));
  const app = await startApp(module, { ...address, retry: { attempts: 2, backoff: 10 } });
  const client = startClient(address);
  await client.connect();
  const close = async (): Promise<void> => {
    await client.close();
    await app.close();
  };
  return { seen, client, countRequests: () => requestsSeen, close };
}

describe.each([
  ['the least rights', LEAST],
  ['the rights that every host gives', REDUCED],
])('a user on Cluster with %s', (_what, rules) => {
  const isLeast = rules === LEAST;

  /** Nothing was refused to the user but what the guide names. */
  async function expectOnlyDispensable(name: string): Promise<void> {
    const dispensable = isLeast ? OF_IOREDIS : DISPENSABLE;
    expect((await refusedTo(name)).filter((what) => !dispensable.test(what))).toEqual([]);
  }

  it('sends, answers, keeps order, delays, tries again and deduplicates in a queue with partitions', async () => {
    const queue = newQueueName();
    const redis = await clusterAs(queue, rulesFor(QUEUE, queue, rules));
    const { seen, client, countRequests, close } = await startQueue(queue, redis);

    await ask(client);
    if (isLeast && canPush) await until(async () => (await subscribed(queue)) === PARTITIONS);
    await ask(client);
    expect(await isReadBlocking()).toBe(!(isLeast && canPush));
    for (const key of KEYS) {
      const request = () => client.send('double', record(4).setDeduplicationKey(key, 60_000).build());
      expect(await valuesOf(request())).toEqual([8]);
      expect(await valuesOf(request())).toEqual([8]);
    }
    expect(countRequests()).toBe(3 * PARTITIONS);

    const expected = await emitAll(client);
    await until(() => seen.all.length === expected.length);
    expect(seen.all.toSorted()).toEqual(expected);
    for (const key of KEYS) {
      const numbers = seen.all.filter((each) => each.startsWith(`${key} `));
      expect(numbers).toEqual(numbers.toSorted());
    }

    for (const key of KEYS) await emitted(client, 'unknown', record(key).setOrderingKey(key).build());
    const state = { deadLetters: PARTITIONS, waiting: 0, running: 0, delayed: 0, workers: 1 };
    const isState = async () => {
      const { deadLetters, waiting, running } = await client.state();
      return deadLetters === PARTITIONS && waiting + running === 0;
    };
    await until(isState);
    expect(await client.state()).toMatchObject({ ...state, partitions: PARTITIONS });
    const admin = closing(new QueueAdmin(queue, redis));
    expect((await admin.messages('dead')).messages.map(({ payload }) => payload).toSorted()).toEqual(
      KEYS.toSorted(),
    );
    expect(await admin.retry({ reason: 'unhandled' })).toBe(PARTITIONS);
    await until(isState);

    await close();
    await expectOnlyDispensable(queue);
    const expectedLines = isLeast || !canPush ? [] : ['ElkMqClient: SPUBLISH', 'ElkMqServer: SPUBLISH'];
    const lines = refusalsTold(queue);
    if (!isLeast && lines.includes(TOLD_AFTER_ALL)) lines.splice(lines.indexOf(TOLD_AFTER_ALL), 1);
    expect(lines).toEqual(expectedLines);
  });

  it('publishes, and has each event in each subscription of a topic with partitions', async () => {
    const topic = newQueueName();
    const redis = await clusterAs(topic, rulesFor(TOPIC, topic, rules));
    const address = { topic, partitions: PARTITIONS, redis };
    const services = [new SeenEvents(), new SeenEvents()] as const;
    const apps = [];
    for (const [index, subscription] of ['billing', 'mail'].entries()) {
      const { handlers } = services[index] as SeenEvents;
      // The first service fails for good.
      const retry = { attempts: index + 1, backoff: 10 };
      apps.push(await startApp(moduleOf(events(handlers)), { ...address, subscription, retry }));
    }
    const client = startClient(address);
    const expected = await emitAll(client);
    const once = expected.filter((each) => each.endsWith(' 1'));
    await until(() => services[0].all.length === once.length && services[1].all.length === expected.length);
    expect(services[0].all.toSorted()).toEqual(once);
    expect(services[1].all.toSorted()).toEqual(expected);

    const failed = 2 * PARTITIONS;
    await until(async () => {
      const { deadLetters, waiting, running } = await client.state();
      return deadLetters === failed && waiting + running === 0;
    });
    expect(await client.state()).toMatchObject({ partitions: PARTITIONS, workers: 2, delayed: 0 });
    const admin = closing(new QueueAdmin(`{${topic}}/billing`, redis));
    expect((await admin.messages('dead')).messages).toHaveLength(failed);

    const own = closing(new Topic(topic, redis, { partitions: PARTITIONS }));
    await own.subscribe('idle', { patterns: ['note', 'idle'] });
    for (let n = 0; n < PARTITIONS; n++) expect(await own.publish(event('idle'))).toBe(1);
    expect((await own.state()).subscriptions.map(({ name, waiting }) => [name, waiting])).toEqual([
      ['billing', 0],
      ['idle', PARTITIONS],
      ['mail', 0],
    ]);
    expect(await own.unsubscribe('idle')).toBe(true);

    await own.close();
    await client.close();
    for (const app of apps) await app.close();
    await expectOnlyDispensable(topic);
    expect(told(topic)).toEqual([]);
  });
});

it.runIf(canPush)(
  'a user who may not push is told once which rules would help, and they do help',
  async () => {
    const queue = newQueueName();
    const redis = await clusterAs('advised', rulesFor(QUEUE, queue, REDUCED));
    const before = await startQueue(queue, redis);
    await ask(before.client);
    await before.close();
    const lines = refusalsTold(queue).filter((line) => line !== TOLD_AFTER_ALL);
    expect(lines).toEqual(['ElkMqClient: SPUBLISH', 'ElkMqServer: SPUBLISH']);

    const advice = told(queue).map((line) => / Allow it with (ACL SETUSER .+?) \(Redis says/.exec(line)?.[1]);
    const channels = `&{${queue}}(* &{${queue}#*}(*`;
    for (const each of advice) expect(each).toBe(`ACL SETUSER advised +spublish +ssubscribe ${channels}`);
    const count = told(queue).length;
    await onEach(...(advice[0]?.split(' ') as [string, ...string[]]));
    const after = await startQueue(queue, redis);
    await ask(after.client);
    await until(async () => (await subscribed(queue)) === PARTITIONS);
    await ask(after.client);
    expect(await isReadBlocking()).toBe(false);
    expect(told(queue)).toHaveLength(count);
  },
);

it('a user who may not run ASKING is told once what slots that move need', async () => {
  const queue = newQueueName();
  const redis = await clusterAs('stuck', [...rulesFor(QUEUE, queue, LEAST), '-asking']);
  const { client, close } = await startQueue(queue, redis);
  await ask(client);
  await close();
  expect(refusalsTold(queue)).toEqual(['ElkMqClient: ASKING', 'ElkMqServer: ASKING']);
  for (const line of told(queue)) expect(line).toContain('Allow it with ACL SETUSER stuck +asking');
});

it('a user who may not run INFO gets no line of ioredis for each connection to a server', async () => {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  const topic = newQueueName();
  const redis = await clusterAs(topic, rulesFor(TOPIC, topic, REDUCED));
  // It is a template only.
  redis.disconnect();
  const own = closing(new Topic(topic, redis, { partitions: PARTITIONS }));
  await own.subscribe('mail', { patterns: ['note'] });
  const lines = warned.mock.calls.length;
  warned.mockRestore();
  // ioredis makes one connection by itself, to hear of changes.
  expect(lines).toBeLessThan(2);
});
