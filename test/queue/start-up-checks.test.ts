import type { Type } from '@nestjs/common';
import { ElkMqServer, type ElkMqServerOptions } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { ALL_CHANNELS } from '../support/rights.js';
import { fakeRedis } from '../support/fake-redis.js';
import { clientOf, durableRedis, ownRedis } from '../support/own-redis.js';
import {
  events,
  listening,
  logs,
  moduleOf,
  requests,
  startApp,
  startClient,
  valuesOf,
} from '../support/nest.js';
import { newQueueName, redisMajor, rejection } from '../support/queue.js';

/** Returns the warnings about a queue in the log when a server of it has started. */
async function warningsOf(options: Omit<ElkMqServerOptions, 'queue'>): Promise<string[]> {
  const queue = newQueueName();
  await listening(new ElkMqServer({ queue, ...options }));
  return logs.filter((line) => line.startsWith('warn') && line.includes(queue));
}

const VOLATILE = /maxmemory-policy of Redis is volatile-lru.* inboxes .*noeviction/;
const ALLKEYS = /maxmemory-policy of Redis is allkeys-lru.* whole queues.*noeviction/;
const UNSAVED = /Redis keeps nothing on disk.*appendonly/;

describe('a server warns at its start', () => {
  it('of a Redis that removes what it needs when memory is full', async () => {
    const server = await ownRedis('--appendonly', 'yes', '--maxmemory-policy', 'volatile-lru');
    expect(await warningsOf({ url: server.adminUrl })).toEqual([]);
    const admin = clientOf(server);
    await admin.config('SET', 'maxmemory', '100mb');
    expect(await warningsOf({ url: server.adminUrl })).toEqual([expect.stringMatching(VOLATILE)]);
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await warningsOf({ url: server.adminUrl })).toEqual([expect.stringMatching(ALLKEYS)]);
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    expect(await warningsOf({ url: server.adminUrl })).toEqual([]);
  });

  it('of a Redis that keeps nothing on disk, if Redis tells', async () => {
    const server = await ownRedis();
    const admin = clientOf(server);
    expect(await warningsOf({ url: server.adminUrl })).toEqual([expect.stringMatching(UNSAVED)]);
    await admin.call('ACL', 'SETUSER', 'service', 'on', '>pw', '~*', ...ALL_CHANNELS, '+@all', '-config');
    expect(await warningsOf({ url: `redis://service:pw@127.0.0.1:${server.port}` })).toEqual([]);
    await admin.config('SET', 'save', '3600 1');
    expect(await warningsOf({ url: server.adminUrl })).toEqual([]);
    expect(await warningsOf({ url: (await durableRedis()).adminUrl })).toEqual([]);
  });

  it.skipIf(redisMajor >= 7)(
    'of min-replicas-to-write, which Redis 6 does not apply to scripts',
    async () => {
      const server = await ownRedis('--appendonly', 'yes', '--min-replicas-to-write', '1');
      const told = expect.stringMatching(/does not apply min-replicas-to-write.*minReplicas/) as string;
      expect(await warningsOf({ url: server.adminUrl })).toEqual([told]);
    },
  );

  it('of two request handlers of one pattern', async () => {
    const queue = newQueueName();
    const of = (pattern: string) => logs.filter((line) => line.includes(queue) && line.includes(pattern));
    const handlers = { twice: () => 1, once: () => 1 };
    await startApp(moduleOf(requests(handlers), requests({ twice: () => 2 })), { queue });
    expect(of('twice')).toEqual([expect.stringMatching(/^warn .* more than one handler for 'twice'/)]);
    expect(of('once')).toEqual([]);
    expect(await valuesOf(startClient({ queue }).send('twice', {}))).toEqual([2]);
  });

  it.each<[string, Type[]]>([
    ['a request handler', [requests({ twice: () => 1 }), events({ twice: () => 2 })]],
    ['an event handler', [events({ twice: () => 2 }), requests({ twice: () => 1 })]],
  ])('of handlers of both kinds for one pattern, the first of which is %s', async (_which, controllers) => {
    const queue = newQueueName();
    await startApp(moduleOf(...controllers), { queue });
    expect(logs.filter((line) => line.includes(queue))).toContainEqual(
      expect.stringMatching(/^warn .* more than one handler for 'twice', and .* is a request handler: only/),
    );
    expect(await valuesOf(startClient({ queue }).send('twice', {}))).toEqual([1]);
  });

  it('of nothing that Redis keeps to itself', async () => {
    const server = await ownRedis();
    const rules = ['~*', ...ALL_CHANNELS, '+@all', '-info', '-config'];
    await clientOf(server).call('ACL', 'SETUSER', 'service', 'on', '>pw', ...rules);
    const redis = { port: server.port, username: 'service', password: 'pw', enableReadyCheck: false };
    expect(await warningsOf({ redis })).toEqual([]);
  });
});

describe('a Redis that is too old', () => {
  const tooOld = { code: 'CONNECTION_FAILED', message: 'Redis 5.0.14 is too old: 6.0 or later is needed' };

  it('fails listen, and every send and emit, with an error that says so', async () => {
    const { url } = await fakeRedis('# Server\r\nredis_version:5.0.14\r\nloading:0\r\n');
    const queue = newQueueName();
    const server = new ElkMqServer({ queue, url });
    expect(await rejection(listening(server))).toMatchObject(tooOld);
    const client = startClient({ queue, url });
    expect(await rejection(client.connect())).toMatchObject(tooOld);
    expect(await rejection(valuesOf(client.send('echo', 1)))).toMatchObject(tooOld);
    expect(await rejection(valuesOf(client.emit('note', 1)))).toMatchObject(tooOld);
  });
});
