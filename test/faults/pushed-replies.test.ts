import { Redis } from 'ioredis';
import { range } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { ChannelSubscriber } from '../../libs/elkmq/src/redis/channel-subscriber.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../../libs/elkmq/src/redis/connection.js';
import { RedisSource } from '../../libs/elkmq/src/redis/redis-source.js';
import { logs, startClient, valuesOf } from '../support/nest.js';
import { clientOf, ownRedis, type PrivateRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { closing, newQueueName, redisMajor, until } from '../support/queue.js';
import { hasReceived, startReplicated } from '../support/replicas.js';
import { InboxOfTest } from '../support/reply-inbox.js';
import { ALL_CHANNELS } from '../support/rights.js';
import { startWorker } from '../support/workers.js';

const LOOK_MS = 1_000;

async function subscribers(admin: Redis, queue: string): Promise<number> {
  return ((await admin.pubsub('CHANNELS', `${queue}(inbox):*`)) as string[]).length;
}

/** A server with the users `worker` and `client`, who may do everything, and what they have as addresses. */
async function serverWithUsers() {
  const server = await ownRedis();
  const admin = clientOf(server);
  const setUser = (user: string, ...rules: string[]) => admin.call('ACL', 'SETUSER', user, ...rules);
  const urlOf = async (user: string) => {
    await setUser(user, 'on', '>pw', '~*', ...ALL_CHANNELS, '+@all');
    return server.adminUrl.replace('//', `//${user}:pw@`);
  };
  return { admin, setUser, workerUrl: await urlOf('worker'), clientUrl: await urlOf('client') };
}

describe('replies that are pushed are all there', () => {
  it('while Redis cuts the subscription again and again', async () => {
    const { admin, workerUrl, clientUrl } = await serverWithUsers();
    const queue = newQueueName();
    await startWorker({ queue, url: workerUrl }, { echo: (data) => Promise.resolve(data) });
    const client = startClient({ queue, url: clientUrl });
    let cuts = 0;
    for (let sent = 0; cuts < 20; sent += 20) {
      const asked = Array.from({ length: 20 }, (_, n) => sent + n);
      const answers = Promise.all(asked.map((n) => valuesOf(client.send('echo', n))));
      cuts += Number(await admin.client('KILL', 'TYPE', 'pubsub'));
      expect((await answers).flat()).toEqual(asked);
    }
    // It has not gone over to blocking reads, which would be for a minute.
    await until(async () => (await subscribers(admin, queue)) === 1, 30_000);
  });

  it('and a subscription that Redis has cut has caught up with nothing before it stands again', async () => {
    const server = await ownRedis();
    const source = new RedisSource(server.adminUrl);
    let subscribed = 0;
    const ignore = (): void => undefined;
    const subscription = {
      subscribed: () => subscribed++,
      received: ignore,
      refused: ignore,
      disconnected: ignore,
    };
    const beside = new Connection(source, COMMAND_TIMEOUT_MS);
    closing({ close: () => beside.closeConnection() });
    const subscriber = new ChannelSubscriber(source, 'channel', subscription, beside);
    closing({ close: () => subscriber.closeSubscriber() });
    for (let cuts = 0; cuts < 20; cuts++) {
      await until(() => subscribed === cuts + 1);
      await clientOf(server).client('KILL', 'TYPE', 'pubsub');
      while (subscribed === cuts + 1) {
        const hasCaughtUp = await subscriber.catchUp();
        if (subscribed === cuts + 1) expect(hasCaughtUp).toBe(false);
        await new Promise(setImmediate);
      }
    }
  });

  it('when a burst is more than the output buffer of the client takes', async () => {
    const server = await ownRedis();
    const admin = clientOf(server);
    await admin.config('SET', 'client-output-buffer-limit', 'pubsub 1048576 1048576 60');
    const inbox = new InboxOfTest({ admin, source: server.adminUrl });
    await inbox.open();
    await until(() => inbox.isSubscribed());
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 1);
    const disconnected = async () =>
      Number(/client_output_buffer_limit_disconnections:(\d+)/.exec(await admin.info('stats'))?.[1] ?? 1);
    // One transaction: Redis sends nothing before its end.
    const answers = admin.multi();
    for (let n = 1; n <= 400; n++) {
      const replies = `[["7",1,${String(n)},0,${String(n)}${' '.repeat(10_000)}]]`;
      answers.xadd(inbox.key, `99999999${String(100_000 + n)}-0`, 'replies', replies);
      answers.publish(inbox.key, `99999999${String(100_000 + n)}-0  ${replies}`);
    }
    await answers.exec();
    await until(() => inbox.numbers.length === 401);
    expect(inbox.numbers).toEqual(Array.from({ length: 401 }, (_, n) => n));
    expect(await disconnected()).toBeGreaterThan(0);
    await until(() => inbox.isSubscribed());
  });

  it('when nothing comes through to the subscription any more, and it gets another connection', async () => {
    const server = await ownRedis();
    const proxy = closing(await Proxy.before(server.adminUrl));
    const inbox = new InboxOfTest({ admin: clientOf(server), source: proxy.url });
    await inbox.open();
    await until(() => inbox.isSubscribed());
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 1);
    proxy.silence(/subscribe/i);
    // The read that begins with a subscription may find replies that were not pushed. A later look has to find one.
    await until(async () => {
      await inbox.answer(true);
      await inbox.timers.advance(LOOK_MS);
      return proxy.latest(/subscribe/i) === 1;
    });
    await inbox.answer(true);
    await until(() => inbox.numbers.length === inbox.answered.length);
    expect(inbox.numbers).toEqual(inbox.answered);
  });

  it('when the worker may not push any more', async () => {
    const { admin, setUser, workerUrl, clientUrl } = await serverWithUsers();
    const queue = newQueueName();
    const handlers = {
      echo: (data: unknown) => Promise.resolve(data),
      count: () => Promise.resolve(range(500)),
    };
    await startWorker({ queue, url: workerUrl }, handlers);
    const client = startClient({ queue, url: clientUrl });
    expect(await valuesOf(client.send('echo', 1))).toEqual([1]);
    await until(async () => (await subscribers(admin, queue)) === 1);
    const counted = valuesOf(client.send('count', {}));
    await setUser('worker', '-publish');
    expect(await counted).toEqual(Array.from({ length: 500 }, (_, n) => n));
    await until(async () => {
      expect(await valuesOf(client.send('echo', 2))).toEqual([2]);
      return (await subscribers(admin, queue)) === 0;
    });
    expect(await valuesOf(client.send('count', {}))).toHaveLength(500);
  });

  it.skipIf(redisMajor < 7)(
    'when the client may not subscribe any more, and the log says so once',
    async () => {
      const { admin, setUser, workerUrl, clientUrl } = await serverWithUsers();
      const queue = newQueueName();
      await startWorker({ queue, url: workerUrl }, { echo: (data) => Promise.resolve(data) });
      const client = startClient({ queue, url: clientUrl });
      expect(await valuesOf(client.send('echo', 1))).toEqual([1]);
      await until(async () => (await subscribers(admin, queue)) === 1);
      // Redis cuts the connections that subscribe to what they may not.
      await setUser('client', 'resetchannels');
      for (let n = 0; n < 100; n++) expect(await valuesOf(client.send('echo', n))).toEqual([n]);
      const told = () =>
        logs.filter((line) => line.includes(queue) && line.includes('Redis refuses SUBSCRIBE'));
      await until(() => told().length === 1);
      expect(told()[0]).toContain(`Allow it with ACL SETUSER client +publish +subscribe &${queue}(*`);
      for (let n = 0; n < 100; n++) expect(await valuesOf(client.send('echo', n))).toEqual([n]);
      expect(told()).toHaveLength(1);
      expect(await subscribers(admin, queue)).toBe(0);
    },
  );
});

it('pushes go to clients only: replicas get none', async () => {
  const { master, replicas } = await startReplicated(1);
  const [replica] = replicas as [PrivateRedis];
  const queue = newQueueName();
  const url = master.adminUrl;
  await startWorker({ queue, url }, { echo: (data) => Promise.resolve(data) });
  const client = startClient({ queue, url });
  const published = async (server: PrivateRedis) => {
    await hasReceived(master, replica);
    const stats = await clientOf(server).info('commandstats');
    return Number(/cmdstat_publish:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };
  expect(await valuesOf(client.send('echo', 0))).toEqual([0]);
  const before = [await published(master), await published(replica)] as const;
  for (let n = 0; n < 10; n++) expect(await valuesOf(client.send('echo', n))).toEqual([n]);
  expect(await published(master)).toBe(before[0] + 10);
  // The trials of the rights are ordinary commands, which replicas get.
  expect(await published(replica)).toBe(before[1]);
});
