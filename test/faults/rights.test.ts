import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { findServer } from '../../scripts/install-redis.js';
import { onFreePort } from '../../scripts/redis.js';
import { end, launch, releaseFolder } from '../../scripts/redis-process.js';
import { events, logs, moduleOf, startApp, startClient, valuesOf } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { commandsUsed, userWith } from '../support/rights.js';
import { newQueueName, rejection, until } from '../support/queue.js';
import { startWorker } from '../support/workers.js';

/** Nothing but warnings of settings comes of them. */
const NOT_TOLD = ['info', 'config'];
/** Needed with an option, for topics, or to move messages only, which have tests of their own. */
const WITH_OPTION = ['lpush', 'persist', 'unlink', 'wait'];
const commands = [...new Set(commandsUsed().map((command) => command.split('|')[0] as string))]
  .filter((command) => !WITH_OPTION.includes(command))
  .sort();

/** Returns what `listen`, `connect` or the log tell of a queue, and whether requests and events are handled then. */
async function toldOf(url: string): Promise<{ told: string; works: boolean }> {
  const queue = newQueueName();
  const lines = () => logs.filter((line) => line.includes(queue)).join('\n');
  const noted: unknown[] = [];
  const handlers = { echo: (data: unknown) => Promise.resolve(data), 'note.event': noteIt };
  function noteIt(data: unknown): Promise<void> {
    noted.push(data);
    return Promise.resolve();
  }
  const failed = async (attempt: Promise<unknown>): Promise<string> =>
    String(
      await attempt.then(
        () => '',
        (error: unknown) => error,
      ),
    );
  const client = startClient({ queue, url, timeout: 5_000 });
  const refusals = (await failed(startWorker({ queue, url }, handlers))) + (await failed(client.connect()));
  if (refusals !== '') return { told: refusals, works: false };
  // No reply can be read: the log says so.
  if (!lines().includes('XREAD:')) expect(await valuesOf(client.send('echo', 'hello'))).toEqual(['hello']);
  await valuesOf(client.emit('note.event', 1));
  await until(() => noted.length === 1);
  return { told: lines(), works: true };
}

describe('a user who may not run a command is told which, and all that needs it not works', () => {
  it.each(commands)('%s', async (command) => {
    const server = await ownRedis();
    const { told, works } = await toldOf(await userWith(server, `-${command}`));
    if (NOT_TOLD.includes(command)) expect(works).toBe(true);
    else expect(told).toContain(`Redis refuses ${command.toUpperCase()}`);
    if (!NOT_TOLD.includes(command)) expect(told).toMatch(/: .+\. Allow it with ACL SETUSER service \+/);
  });
});

describe('a Redis in which a command has another name', () => {
  it.each(commands.filter((command) => command !== 'info'))('%s', async (command) => {
    const server = await ownRedis('--rename-command', command.toUpperCase(), `no-${command}`);
    const { told, works } = await toldOf(server.adminUrl);
    if (NOT_TOLD.includes(command)) expect(works).toBe(true);
    else expect(told).toContain(`Redis refuses ${command.toUpperCase()}`);
  });

  it('info', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'elkmq-renamed-'));
    const command = (port: number) =>
      `${String(findServer())} --port ${String(port)} --bind 127.0.0.1 --save  --dir ${dir} --rename-command INFO no-info`;
    const running = await onFreePort((port) =>
      launch(command(port).split(' '), port, dir, true, (at) => answersPing(at)),
    );
    onTestFinished(async () => {
      await end(running.child, 'SIGTERM');
      releaseFolder(running);
    });
    expect((await toldOf(`redis://127.0.0.1:${String(running.port)}`)).works).toBe(true);
  });
});

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.on('data', (text) => {
      resolve(String(text).startsWith('+PONG'));
      socket.destroy();
    });
    socket.on('error', () => {
      resolve(false);
    });
  });
}

describe('where a blocked read cannot be unblocked', () => {
  it.each(['-client', '-client +client|id'])('%s: a worker stops, and loses nothing', async (rules) => {
    const server = await ownRedis();
    const url = await userWith(server, ...rules.split(' '));
    const queue = newQueueName();
    const handled: unknown[] = [];
    const client = startClient({ queue, url });
    const note = events({ note: (data: unknown) => void handled.push(data) });
    const first = await startApp(moduleOf(note), { queue, url });
    await valuesOf(client.emit('note', 1));
    await until(() => handled.length === 1);
    const closed = first.close();
    await valuesOf(client.emit('note', 2));
    await closed;
    await startApp(moduleOf(note), { queue, url });
    await until(() => handled.length === 2);
    expect(handled).toEqual([1, 2]);
  });
});

it('with legacyConsumers, where LPUSH is refused: the log says so', async () => {
  const server = await ownRedis();
  const url = await userWith(server, '-lpush');
  const queue = newQueueName();
  await startClient({ queue, url, legacyConsumers: true }).connect();
  const told = `Queue '${queue}': Redis refuses LPUSH: legacy clients are not served`;
  expect(logs.filter((line) => line.includes(told))).toHaveLength(1);
});

describe('minReplicas', () => {
  it('where WAIT is refused: connect says so, and nothing is sent', async () => {
    const server = await ownRedis();
    const url = await userWith(server, '-wait');
    const client = startClient({ queue: 'orders', url, minReplicas: 1 });
    const message = expect.stringContaining('Redis refuses WAIT: minReplicas cannot be kept') as string;
    expect(await rejection(client.connect())).toMatchObject({ code: 'CONNECTION_FAILED', message });
    expect(await rejection(valuesOf(client.emit('note', 1)))).toMatchObject({ message });
    expect(await clientOf(server).exists('orders(event_stream)')).toBe(0);
  });
});
