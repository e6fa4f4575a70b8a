import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Cluster, Redis } from 'ioredis';
import { ElkMqServer, ServiceEvent, type RedisSourceInput } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startRedis } from '../../scripts/redis.js';
import { ALL_CHANNELS } from '../support/rights.js';
import { newQueue } from '../support/event-queue.js';
import { listening, logs, startClient } from '../support/nest.js';
import { freePort } from '../support/free-port.js';
import { clientOf, type PrivateRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { closing, failureWith, newQueueName, rejection, until } from '../support/queue.js';

const event = new ServiceEvent(10, 'a', 'payload');
const file = (name: string): string => fileURLToPath(new URL(`../data/tls/${name}`, import.meta.url));

/** A server of the test's own where everybody may do everything. */
async function unrestricted(...args: string[]): Promise<PrivateRedis> {
  const server = await startRedis({ args });
  onTestFinished(() => server.stop());
  return server;
}

function linesOf(queue: string): string[] {
  return logs.filter((line) => line.includes(`'${queue}'`) && !line.includes('on disk'));
}

describe('a database that Redis refuses', () => {
  it('is a ConnectionError with its number, and nothing gets into another one', async () => {
    const server = await unrestricted('--databases', '1');
    const queue = newQueue('orders', `${server.url}/1`, { enqueueTimeout: 500 });
    const reason = /Redis refuses the database 1: ERR DB index is out of range$/;
    expect(await failureWith(reason, () => queue.enqueue(event))).toMatchObject({
      code: 'CONNECTION_FAILED',
    });
    expect(await clientOf(server).dbsize()).toBe(0);
  });

  it('keeps a server from listening, and a user without the right to SELECT does so too', async () => {
    const server = await unrestricted();
    await clientOf(server).call(
      'ACL',
      'SETUSER',
      'app',
      'on',
      '>p',
      '~*',
      ...ALL_CHANNELS,
      '+@all',
      '-select',
    );
    const url = server.url.replace('//', '//app:p@');
    const queue = newQueueName();
    const worker = new ElkMqServer({ queue, url: `${url}/1`, connectTimeout: 3_000 });
    expect(await rejection(listening(worker))).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: expect.stringMatching(/Redis refuses the database 1: NOPERM/) as string,
    });
    expect(linesOf(queue)).toEqual([expect.stringMatching(/^error .*Redis refuses the database 1: NOPERM/)]);
  });

  it('is used as soon as Redis has it', async () => {
    const server = await unrestricted('--databases', '1');
    const larger = await unrestricted();
    const proxy = closing(await Proxy.before(server.url));
    const queue = newQueue('orders', `${proxy.url}/1`, { enqueueTimeout: 500 });
    await failureWith(/refuses the database 1/, () => queue.enqueue(event));
    proxy.leadTo(larger.url);
    const isStored = () => queue.enqueue(event).then(Boolean, () => false);
    await until(isStored);
    expect(await clientOf({ adminUrl: `${larger.url}/1` }).keys('*')).toContain('orders(event_stream)');
  });
});

describe('why there is no connection is told, and not what came of it:', () => {
  const expectFailure = async (source: RedisSourceInput, reason: RegExp): Promise<void> => {
    const queue = newQueue('orders', source, { enqueueTimeout: 1_000 });
    await failureWith(reason, () => queue.enqueue(event));
  };

  it.each(['', '/1'])('too many clients, with the path %j', async (path) => {
    const server = await unrestricted();
    await clientOf(server).config('SET', 'maxclients', '1');
    await expectFailure(server.url + path, /: .*ERR max number of clients reached$/);
  });

  const tlsServer = async () => {
    const certificates = ['--tls-cert-file', file('server.crt'), '--tls-key-file', file('server.key')];
    const port = await freePort();
    await unrestricted('--tls-port', String(port), ...certificates, '--tls-ca-cert-file', file('ca.crt'));
    return port;
  };

  it('a client that does not speak TLS is told how to', async () => {
    const port = await tlsServer();
    await expectFailure(
      `redis://localhost:${String(port)}`,
      /(?:ECONNRESET|EPIPE|closed).* \(if the server wants TLS, the URL begins with rediss:\/\/\)$/,
    );
  });

  it('the certificate of a client is missing', async () => {
    const tls = { ca: readFileSync(file('ca.crt'), 'utf8') };
    const redis = new Redis({ host: 'localhost', port: await tlsServer(), tls, lazyConnect: true });
    await expectFailure(redis, /: TLS: .*certificate required$/);
  });

  it('none of the servers of a cluster can be reached', async () => {
    const nodes = [{ host: '127.0.0.1', port: 1 }];
    await expectFailure(
      new Cluster(nodes, { lazyConnect: true }),
      /: none of the servers of the cluster can be reached$/,
    );
  });
});

it('a connection that Redis closes because it is idle is worth no line in the log', async () => {
  const server = await unrestricted('--timeout', '1');
  const queue = newQueueName();
  const client = startClient({ queue, url: server.url });
  const statuses: string[] = [];
  client.status.subscribe((status) => statuses.push(status));
  await client.connect();
  await until(() => statuses.filter((status) => status === 'connected').length >= 3);
  expect(linesOf(queue)).toEqual([]);
});

describe('a retryStrategy that gives up', () => {
  const strategies = { retryStrategy: () => null };

  it('of a server is an error in the log, and the status and the health say that it is over', async () => {
    const server = await unrestricted();
    const queue = newQueueName();
    const worker = await listening(new ElkMqServer({ queue, redis: { port: server.port, ...strategies } }));
    const statuses: string[] = [];
    worker.status.subscribe((status) => statuses.push(status));
    const admin = clientOf(server);
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await until(() => statuses.at(-1) === 'disconnected');
    expect(linesOf(queue).at(-1)).toMatch(
      /^error .*the connection to Redis has ended for good: .*retryStrategy has answered no number/,
    );
    expect(await rejection(worker.state())).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: expect.stringMatching(/the connection to Redis is closed: .*for good/) as string,
    });
  });

  it('on the connection for reads alone is one too', async () => {
    const server = await unrestricted();
    const queue = newQueueName();
    const worker = await listening(new ElkMqServer({ queue, redis: { port: server.port, ...strategies } }));
    const statuses: string[] = [];
    worker.status.subscribe((status) => statuses.push(status));
    const admin = clientOf(server);
    const blocked = async () =>
      /id=(\d+).*cmd=xreadgroup/.exec(String(await admin.client('LIST')))?.[1] ?? '';
    await until(async () => (await blocked()) !== '');
    await admin.call('CLIENT', 'KILL', 'ID', await blocked());
    await until(() => statuses.at(-1) === 'disconnected');
    expect(linesOf(queue).at(-1)).toMatch(/^error .*ended for good: the one for reads beside it has/);
  });

  it('ends the calls that wait', async () => {
    const server = await unrestricted();
    const queue = newQueue('orders', { port: server.port, ...strategies });
    const waiting = rejection(queue.dequeueBlocking(0));
    const admin = clientOf(server);
    await until(async () => String(await admin.client('LIST')).includes('cmd=xreadgroup'));
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    expect(await waiting).toMatchObject({ code: 'CONNECTION_FAILED' });
  });
});

describe('an instance that the function redis makes', () => {
  it('is closed', async () => {
    const server = await unrestricted();
    const admin = clientOf(server);
    const made: Redis[] = [];
    const redis = () => made[made.push(new Redis(server.url)) - 1] as Redis;
    const client = startClient({ queue: 'orders', redis });
    await lastValueFrom(client.emit('a', 1), { defaultValue: undefined });
    await until(() => made.every(({ status }) => status === 'end'));
    await client.close();
    await until(
      async () =>
        String(await admin.client('LIST'))
          .trim()
          .split('\n').length === 1,
    );
  });

  it("stays open when it is the same each time: it is the application's own", async () => {
    const server = await unrestricted();
    const own = clientOf(server);
    await own.ping();
    const client = startClient({ queue: 'orders', redis: () => own });
    await lastValueFrom(client.emit('a', 1), { defaultValue: undefined });
    await client.close();
    expect(await own.ping()).toBe('PONG');
  });
});
