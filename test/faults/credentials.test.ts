import { Redis } from 'ioredis';
import {
  ElkMqClient,
  ElkMqModule,
  ElkMqServer,
  EventQueue,
  InvalidOptionError,
  ServiceEvent,
  type ElkMqCredentials,
  type RedisSourceInput,
} from 'nestjs-elkmq';
import { Test } from '@nestjs/testing';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Credentials } from '../../libs/elkmq/src/redis/credentials.js';
import { startRedis } from '../../scripts/redis.js';
import { ALL_CHANNELS } from '../support/rights.js';
import { newQueue } from '../support/event-queue.js';
import { listening, logger, logs, startClient } from '../support/nest.js';
import { clientOf } from '../support/own-redis.js';
import { closing, failureWith, newQueueName, until } from '../support/queue.js';

/** A server that lets in its admin, and users who are given a password. */
async function serverWithUsers() {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  const admin = clientOf(server);
  const allow = (user: string, password: string) =>
    admin.call('ACL', 'SETUSER', user, 'on', 'resetpass', `>${password}`, '~*', ...ALL_CHANNELS, '+@all');
  /** The connections of users, as `id user`. */
  const connections = async (): Promise<string[]> => {
    const lines = String(await admin.client('LIST'))
      .trim()
      .split('\n');
    const all = lines.map(
      (line) => /^id=(\d+) .* user=(\S+)/.exec(line) as unknown as [string, string, string],
    );
    return all.filter(([, , user]) => user !== 'default').map(([, id, user]) => `${id} ${user}`);
  };
  return { url: server.url, port: server.port, admin, allow, connections };
}

/** A function that answers what `current` is, and counts how often it is asked. */
function provider(current: ElkMqCredentials) {
  const given = { current, asked: 0, credentials: () => (given.asked++, Promise.resolve(given.current)) };
  return given;
}

async function answered(queue: EventQueue): Promise<void> {
  const response = queue.awaitResponse(new ServiceEvent(20, 'ask'));
  const [, request] = await queue.dequeueBlocking(20);
  await queue.enqueueResponse(ServiceEvent.responseTo(request, 'answer'));
  await response;
}

describe('credentials', () => {
  it('are asked for once for all connections, and not when one is made anew', async () => {
    const { url, admin, allow, connections } = await serverWithUsers();
    await allow('app', 'p1');
    const given = provider({ username: 'app', password: 'p1' });
    const queue = newQueue('orders', url, { credentials: given.credentials });
    await answered(queue);
    const before = await connections();
    expect(before.length).toBe(3);
    await admin.call('CLIENT', 'KILL', 'USER', 'app');
    await answered(queue);
    expect((await connections()).filter((connection) => before.includes(connection))).toEqual([]);
    expect(given.asked).toBe(1);
  });

  it('that expire are replaced before, on connections that stand', async () => {
    const { url, admin, allow, connections } = await serverWithUsers();
    await allow('app-1', 'p1');
    await allow('app-2', 'p2');
    const given = provider({ username: 'app-1', password: 'p1', expiresAt: new Date(Date.now() + 3_000) });
    const queue = newQueue('orders', url, { credentials: given.credentials });
    await answered(queue);
    const before = await connections();
    given.current = { username: 'app-2', password: 'p2' };
    const stand = before.map((connection) => connection.replace('app-1', 'app-2'));
    const ofNewUser = async () => (await connections()).filter((connection) => connection.endsWith(' app-2'));
    await until(async () => (await ofNewUser()).length === before.length);
    const after = await connections();
    // The connection that subscribes takes no AUTH, so it is made anew.
    expect(after.filter((connection) => stand.includes(connection))).toHaveLength(before.length - 1);
    // The server cuts the connections of a user who is deleted.
    await admin.call('ACL', 'DELUSER', 'app-1');
    await answered(queue);
    expect(await connections()).toEqual(after);
    expect(given.asked).toBe(2);
  });

  it('that are refused are asked for again, and callers do not notice', async () => {
    const { url, admin, allow } = await serverWithUsers();
    await allow('app', 'p1');
    const given = provider({ username: 'app', password: 'p1' });
    const queue = newQueueName();
    const server = new ElkMqServer({ queue, url, credentials: given.credentials });
    server.addHandler('echo', (data: unknown) => Promise.resolve(data));
    await listening(server);
    const client = startClient({ queue, url, credentials: given.credentials });
    expect(await lastValueFrom(client.send('echo', 1))).toBe(1);
    await allow('app', 'p2');
    given.current = { username: 'app', password: 'p2' };
    await admin.call('CLIENT', 'KILL', 'USER', 'app');
    expect(await lastValueFrom(client.send('echo', 2))).toBe(2);
    expect(logs.filter((line) => line.includes(queue) && !line.includes('on disk'))).toEqual([]);
  });

  it('need not name the user when the URL does', async () => {
    const { port, allow, connections } = await serverWithUsers();
    await allow('app', 'p1');
    const queue = closing(
      new EventQueue('orders', `redis://app@127.0.0.1:${port}`, {
        credentials: provider({ password: 'p1' }).credentials,
      }),
    );
    await queue.enqueue(new ServiceEvent(10, 'a'));
    expect((await connections()).map((connection) => connection.split(' ')[1])).toEqual(['app']);
  });

  it('are an option of the clients of ElkMqModule', async () => {
    const { url, admin } = await serverWithUsers();
    await admin.config('SET', 'requirepass', 'p1');
    const given = provider({ password: 'p1' });
    const imports = [
      ElkMqModule.register([{ name: 'ORDERS', queue: 'orders', url, credentials: given.credentials }]),
    ];
    const module = closing(await Test.createTestingModule({ imports }).setLogger(logger).compile());
    await lastValueFrom(module.get<ElkMqClient>('ORDERS').emit('a', 1), { defaultValue: undefined });
    expect(await admin.xlen('orders(event_stream)')).toBe(1);
  });
});

describe('a function for credentials', () => {
  it('that fails is asked again, and the log says so once', async () => {
    const { url, allow } = await serverWithUsers();
    await allow('app', 'p1');
    let asked = 0;
    const credentials = (): Promise<ElkMqCredentials> =>
      ++asked < 4
        ? Promise.reject(new Error('the vault is sealed'))
        : Promise.resolve({ username: 'app', password: 'p1' });
    const queue = newQueueName();
    const client = startClient({ queue, url, credentials });
    await lastValueFrom(client.emit('a', 1), { defaultValue: undefined });
    expect(asked).toBe(4);
    expect(logs.filter((line) => line.includes(`'${queue}'`))).toEqual([
      expect.stringMatching(/^error .*the function credentials failed: the vault is sealed$/),
    ]);
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      'throws',
      () => {
        throw new Error('no vault');
      },
      /the function credentials failed: no vault$/,
    ],
    [
      'answers nothing',
      () => undefined,
      /failed: it must resolve to { username\?, password, expiresAt\? }, got undefined$/,
    ],
    [
      'answers an empty password',
      () => ({ password: '' }),
      /with a password that is a string, got an empty one$/,
    ],
    [
      'answers a user that is none',
      () => ({ username: 7, password: 's3cret' }),
      /with a username that is a string, got 7$/,
    ],
    [
      'answers a time that is none',
      () => ({ password: 's3cret', expiresAt: 'soon' }),
      /with an expiresAt that is a valid Date, got "soon"$/,
    ],
    [
      'answers no time that exists',
      () => ({ password: 's3cret', expiresAt: new Date('soon') }),
      /with an expiresAt that is a valid Date/,
    ],
    ['never answers', () => new Promise(() => undefined), /the function credentials has not answered yet$/],
  ])('that %s is a ConnectionError of calls, in time', async (_what, credentials, message) => {
    const { url } = await serverWithUsers();
    const options = { credentials: credentials as () => Promise<ElkMqCredentials>, enqueueTimeout: 200 };
    const queue = newQueue('orders', url, options);
    const error = await failureWith(message, () => queue.enqueue(new ServiceEvent(10, 'a')));
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(String(error)).not.toContain('s3cret');
  });

  it('that does not answer within its time is asked again', async () => {
    let asked = 0;
    const silent = () => (asked++, new Promise(() => undefined));
    const credentials = Credentials.fromFunction(silent, undefined, 10);
    const failures: string[] = [];
    const user = {
      logIn: () => undefined,
      credentialsFailed: ({ message }: Error) => void failures.push(message),
    };
    credentials.add(user);
    onTestFinished(() => {
      credentials.remove(user);
    });
    await until(() => asked === 2);
    expect(failures).toEqual(['the function credentials failed: it has not answered within 10 ms']);
  });

  it('that answers what Redis refuses is asked again, and calls say why', async () => {
    const { url, allow } = await serverWithUsers();
    await allow('app', 'p1');
    const given = provider({ username: 'app', password: 'wr0ng' });
    const queue = newQueue('orders', url, { credentials: given.credentials, enqueueTimeout: 500 });
    const error = await failureWith(/WRONGPASS/, () => queue.enqueue(new ServiceEvent(10, 'a')));
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(JSON.stringify((error as Error).cause)).not.toContain('wr0ng');
    await until(() => given.asked >= 3);
    given.current = { username: 'app', password: 'p1' };
    await until(() =>
      queue.enqueue(new ServiceEvent(10, 'a')).then(
        () => true,
        () => false,
      ),
    );
  });

  it.each([null, 'secret', { password: 'secret' }])('must be one: %j', (given) => {
    const credentials = given as never;
    for (const make of [
      () => new EventQueue('orders', undefined, { credentials }),
      () => new ElkMqClient({ queue: 'orders', credentials }),
      () => new ElkMqServer({ queue: 'orders', credentials }),
    ]) {
      expect(make).toThrow(InvalidOptionError);
      expect(make).toThrow(/credentials must be a function, got/);
    }
  });
});

describe('a password that has changed is found where it came from:', () => {
  let password = '';
  it.each<[string, (port: number) => { source: RedisSourceInput; change: (password: string) => void }]>([
    [
      'a function',
      (port) => ({
        source: () => new Redis({ port, username: 'app', password }),
        change: (next) => void (password = next),
      }),
    ],
    [
      'a getter',
      (port) => ({
        source: {
          port,
          username: 'app',
          get password() {
            return password;
          },
        },
        change: (next) => void (password = next),
      }),
    ],
    [
      'an instance',
      (port) => {
        const source = new Redis({ port, username: 'app', password, lazyConnect: true });
        return { source, change: (next) => void (source.options.password = next) };
      },
    ],
  ])('%s', async (_what, make) => {
    password = 'p1';
    const { port, admin, allow } = await serverWithUsers();
    await allow('app', 'p1');
    const { source, change } = make(port);
    const queue = newQueue('orders', source);
    await answered(queue);
    await allow('app', 'p2');
    change('p2');
    await admin.call('CLIENT', 'KILL', 'USER', 'app');
    await answered(queue);
  });
});
