import { setTimeout as sleep } from 'node:timers/promises';
import keySlot from 'cluster-key-slot';
import type { Cluster } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { beginMove, endMove, moveSlot } from '../../scripts/redis-cluster.js';
import {
  clusterBehind,
  clusterOf,
  proxiesBefore,
  shardOf,
  startServers,
  whenReplicated,
} from '../support/cluster.js';
import { logs, startClient, valuesOf } from '../support/nest.js';
import { clientOf, type PrivateRedis } from '../support/own-redis.js';
import { newQueueName, redisMajor, until } from '../support/queue.js';
import { hasReceived } from '../support/replicas.js';
import { InboxOfTest } from '../support/reply-inbox.js';
import { ON_CLUSTER, PUBLISHED_USERS } from '../support/rights.js';
import { mayRun } from '../support/test-redis.js';
import { startWorker } from '../support/workers.js';

const LOOK_MS = 1_000;
/** Redis gives up a failover by command after 5 s. */
const FAILOVER_MS = 6_000;
/** Between two requests of one asker, ms. */
const PAUSE_MS = 2;

const canPush = redisMajor >= 7 && mayRun('ssubscribe');

/** The inboxes of a queue that somebody has subscribed to at a server. */
async function subscribedAt(server: PrivateRedis, queue: string): Promise<number> {
  const pattern = `{${queue}}(inbox):*`;
  return ((await clientOf(server).call('PUBSUB', 'SHARDCHANNELS', pattern)) as string[]).length;
}

/** Whether somebody waits for replies at a server in a blocking read. */
async function isReadBlocking(server: PrivateRedis): Promise<boolean> {
  return / flags=b .* cmd=xread /.test(String(await clientOf(server).client('LIST')));
}

/**
 * A replica takes the place of its master, and both know it. A master votes again only some seconds after it has voted, so
 * this tries again.
 */
async function failOver(replica: PrivateRedis, master: PrivateRedis): Promise<void> {
  const [next, before] = [clientOf(replica), clientOf(master)];
  const isDone = async () =>
    /role:master/.test(await next.info('replication')) && /role:slave/.test(await before.info('replication'));
  while (!(await isDone())) {
    // A server that is a master refuses it.
    await next.call('CLUSTER', 'FAILOVER').catch(() => undefined);
    await until(isDone, FAILOVER_MS).catch(() => undefined);
  }
}

/** A worker that echoes, and a client that asks it until it is told to stop. */
class Asking {
  readonly queue = newQueueName();
  #asked = 0;
  #isOver = false;
  readonly #answers: Promise<unknown[]>[] = [];
  readonly #askers: Promise<void>[] = [];

  static async start(redis: Cluster): Promise<Asking> {
    const asking = new Asking();
    const { queue } = asking;
    await startWorker({ queue, redis }, { echo: (data) => Promise.resolve(data) });
    const client = startClient({ queue, redis, timeout: 120_000 });
    const run = async (): Promise<void> => {
      while (!asking.#isOver) {
        const answer = valuesOf(client.send('echo', asking.#asked++));
        asking.#answers.push(answer);
        // `end` tells of a failure.
        await answer.catch(() => undefined);
        await sleep(PAUSE_MS);
      }
    };
    for (let n = 0; n < 4; n++) asking.#askers.push(run());
    return asking;
  }

  get key(): string {
    return `{${this.queue}}(event_stream)`;
  }

  /** Waits until so many more requests were answered. */
  async answers(count: number): Promise<void> {
    const before = this.#asked;
    await until(() => this.#asked >= before + count);
  }

  /** Asks no more. Every request must have got its answer, once. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#askers);
    const expected = Array.from({ length: this.#asked }, (_, n) => n);
    expect((await Promise.all(this.#answers)).flat()).toEqual(expected);
  }
}

describe.runIf(canPush)(
  'Cluster: replies that are pushed are all there, and the client is subscribed again,',
  () => {
    it('when the master and its replica change their roles under load, there and back', async () => {
      const servers = (await startServers(1, 1)) as [PrivateRedis, PrivateRedis];
      const asking = await Asking.start(clusterOf(servers));
      await until(async () => (await subscribedAt(servers[0], asking.queue)) === 1);
      for (const next of [servers[1], servers[0], servers[1]]) {
        await asking.answers(50);
        await whenReplicated(servers);
        await failOver(next, next === servers[0] ? servers[1] : servers[0]);
        await until(async () => (await subscribedAt(next, asking.queue)) === 1);
        for (const server of servers)
          if (server !== next) expect(await subscribedAt(server, asking.queue)).toBe(0);
      }
      await asking.answers(50);
      await asking.end();
      expect(await isReadBlocking(servers[1])).toBe(false);
    });

    it('when the slot of the queue is moved under load, there and back', async () => {
      const servers = await startServers(2);
      const asking = await Asking.start(clusterOf(servers));
      const slot = keySlot(asking.key);
      for (let n = 0; n < 2; n++) {
        const { master: from } = await shardOf(servers, asking.key);
        const to = servers.find((server) => server !== from) as PrivateRedis;
        await until(async () => (await subscribedAt(from, asking.queue)) === 1);
        await asking.answers(50);
        await moveSlot(slot, from, to, []);
        await until(async () => (await subscribedAt(to, asking.queue)) === 1);
        expect(await subscribedAt(from, asking.queue)).toBe(0);
        await asking.answers(50);
        expect(await isReadBlocking(to)).toBe(false);
      }
      await asking.end();
    });

    it('when the slot is moved while nobody waits for a reply', async () => {
      const servers = await startServers(2);
      const inbox = new InboxOfTest({
        admin: clusterOf(servers),
        source: clusterOf(servers),
        isCluster: true,
      });
      const { master: from } = await shardOf(servers, inbox.key);
      const to = servers.find((server) => server !== from) as PrivateRedis;
      inbox.isWaiting = false;
      await inbox.open();
      await until(() => inbox.isSubscribed(clientOf(from)));
      await moveSlot(keySlot(inbox.key), from, to, []);
      await until(() => inbox.isSubscribed(clientOf(to)));
      await inbox.answer(true);
      await until(() => inbox.numbers.length === 1);
    });

    it('when a reply came by way of the server that was to have the slot, before it had it', async () => {
      const servers = await startServers(2);
      const inbox = new InboxOfTest({
        admin: clusterOf(servers),
        source: clusterOf(servers),
        isCluster: true,
      });
      const slot = keySlot(inbox.key);
      const { master: from } = await shardOf(servers, inbox.key);
      const to = servers.find((server) => server !== from) as PrivateRedis;
      await inbox.open();
      await until(() => inbox.isSubscribed(clientOf(from)));
      await inbox.answer(true);
      await until(() => inbox.numbers.length === 1);
      await beginMove(slot, from, to);
      await clientOf(from).call('MIGRATE', '127.0.0.1', to.port, inbox.key, 0, 5_000);
      await inbox.answer(true);
      await until(async () => {
        await inbox.timers.advance(LOOK_MS);
        return inbox.numbers.length === 2;
      });
      await until(() => inbox.isSubscribed(clientOf(from)));
      await endMove(slot, from, to, []);
      await until(() => inbox.isSubscribed(clientOf(to)));
      for (let n = 0; n < 10; n++) await inbox.answer(true);
      // The clock of the client stands still, so these were pushed.
      await until(() => inbox.numbers.length === 12);
      expect(inbox.numbers).toEqual(inbox.answered);
      expect(await isReadBlocking(to)).toBe(false);
      expect(inbox.errors).toEqual([]);
    });

    it('when its master is killed, and a replica takes over', async () => {
      const servers = await startServers(3, 1);
      await whenReplicated(servers);
      const inbox = new InboxOfTest({
        admin: clusterOf(servers),
        source: clusterOf(servers),
        isCluster: true,
      });
      await inbox.open();
      const { master } = await shardOf(servers, inbox.key);
      const replica = servers[servers.indexOf(master) + 3] as PrivateRedis;
      await until(() => inbox.isSubscribed(clientOf(master)));
      for (let n = 0; n < 10; n++) await inbox.answer(true);
      await hasReceived(master, replica);
      await master.kill();
      await until(() => inbox.isSubscribed(clientOf(replica)));
      for (let n = 0; n < 10; n++) await inbox.answer(true);
      await until(() => inbox.numbers.length === 20);
      expect(inbox.numbers).toEqual(inbox.answered);
      expect(await isReadBlocking(replica)).toBe(false);
      // It comes back as a replica, where nobody subscribes.
      await master.restart();
      await until(async () => /master_link_status:up/.test(await clientOf(master).info('replication')));
      await inbox.answer(true);
      await until(() => inbox.numbers.length === 21);
      expect(await inbox.isSubscribed(clientOf(replica))).toBe(true);
      expect(await inbox.isSubscribed(clientOf(master))).toBe(false);
    });

    it('when it hears nothing more from a master that is one no longer', async () => {
      const servers = (await startServers(1, 1)) as [PrivateRedis, PrivateRedis];
      await whenReplicated(servers);
      const proxies = await proxiesBefore(servers);
      const source = clusterBehind(proxies, servers);
      const inbox = new InboxOfTest({ admin: clusterOf(servers), source, isCluster: true });
      await inbox.open();
      await until(() => inbox.isSubscribed(clientOf(servers[0])));
      for (const proxy of proxies) proxy.silence(/ssubscribe/i);
      await failOver(servers[1], servers[0]);
      // Its clock stands still, so it does not look. It learns of the new master when it sends something.
      await inbox.client?.exists(inbox.key);
      await until(() => inbox.isSubscribed(clientOf(servers[1])));
      await inbox.answer(true);
      await until(() => inbox.numbers.length === 1);
    });
  },
);

describe('Cluster: replies come by blocking reads', () => {
  const told = (queue: string) =>
    logs.filter((line) => line.includes(queue) && line.includes('Redis refuses'));

  it('where Redis has no such channels, as before version 7, and nobody is told', async () => {
    const renamed = ['SPUBLISH', 'SSUBSCRIBE'].flatMap((command) => ['--rename-command', command, '']);
    const servers = await startServers(1, 0, ...(redisMajor < 7 ? [] : renamed));
    const redis = clusterOf(servers);
    const queue = newQueueName();
    await startWorker({ queue, redis }, { echo: (data) => Promise.resolve(data) });
    const client = startClient({ queue, redis });
    for (let n = 0; n < 20; n++) expect(await valuesOf(client.send('echo', n))).toEqual([n]);
    await until(() => isReadBlocking(servers[0] as PrivateRedis));
    if (mayRun('client')) expect(told(queue)).toEqual([]);
  });

  it.runIf(canPush)('until its user may subscribe, and the log says once what would help', async () => {
    const servers = (await startServers(1)) as [PrivateRedis];
    const [{ adminUrl }] = servers;
    const admin = clientOf(servers[0]);
    const queue = newQueueName();
    await admin.call('ACL', 'SETUSER', 'client', 'on', '>pw', '~*', 'resetchannels', '+@all');
    await startWorker({ queue, redis: clusterOf(servers) }, { echo: (data) => Promise.resolve(data) });
    const withUser = [{ url: adminUrl.replace('//', '//client:pw@') }] as PrivateRedis[];
    const client = startClient({ queue, redis: clusterOf(withUser) });
    for (let n = 0; n < 20; n++) expect(await valuesOf(client.send('echo', n))).toEqual([n]);
    await until(() => told(queue).length > 0);
    for (const line of told(queue))
      expect(line).toContain(`Allow it with ACL SETUSER client +spublish +ssubscribe &{${queue}}(*`);
    expect(await subscribedAt(servers[0], queue)).toBe(0);
  });
});

const [LEAST] = PUBLISHED_USERS;

it.runIf(canPush)('Cluster: a user with the rights that the guide gives has its replies pushed', async () => {
  const servers = (await startServers(1)) as [PrivateRedis];
  const queue = newQueueName();
  const rules = LEAST?.rules.split(' ') ?? [];
  const more = ON_CLUSTER.map((command) => `+${command}`);
  const own = [`~{${queue}}(*`, `&{${queue}}(*`, ...rules, ...more];
  await clientOf(servers[0]).call('ACL', 'SETUSER', 'least', 'reset', 'on', '>pw', ...own);
  const withUser = [{ url: servers[0].adminUrl.replace('//', '//least:pw@') }] as PrivateRedis[];
  const redis = clusterOf(withUser);
  await startWorker({ queue, redis }, { echo: (data) => Promise.resolve(data) });
  const client = startClient({ queue, redis });
  for (let n = 0; n < 20; n++) expect(await valuesOf(client.send('echo', n))).toEqual([n]);
  expect(await subscribedAt(servers[0], queue)).toBe(1);
  expect(await isReadBlocking(servers[0])).toBe(false);
  expect(logs.filter((line) => line.includes(queue) && line.includes('Redis refuses'))).toEqual([]);
});
