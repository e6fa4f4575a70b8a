import { InvalidOptionError } from 'nestjs-elkmq';
import { ElkMqTestQueue, ElkMqTestTopic } from 'nestjs-elkmq/testing';
import { describe, expect, it } from 'vitest';
import { listening } from '../support/nest.js';
import { rejection } from '../support/queue.js';

describe('as those of a queue in Redis, the client and the server', () => {
  it('tell whether they are connected, by status and by events', async () => {
    const { client, server } = new ElkMqTestQueue();
    const told: string[] = [];
    for (const [name, each] of [
      ['client', client],
      ['server', server],
    ] as const) {
      each.status.subscribe((status) => told.push(`${name} ${status}`));
      each.on('connected', () => told.push(`on ${name} connected`));
      each.on('disconnected', () => told.push(`on ${name} disconnected`));
    }
    await listening(server);
    await client.connect();
    expect(told.splice(0)).toEqual([
      'server connected',
      'on server connected',
      'client connected',
      'on client connected',
    ]);
    await client.close();
    await server.close();
    expect(told).toEqual([
      'client disconnected',
      'on client disconnected',
      'server disconnected',
      'on server disconnected',
    ]);
  });

  it('have no ioredis client, and say so', async () => {
    const { client, server } = new ElkMqTestQueue();
    expect(() => client.unwrap()).toThrow('Not connected. Call "connect"');
    expect(() => server.unwrap()).toThrow('Not listening. Call "listen"');
    await listening(server);
    await client.connect();
    for (const each of [client, server])
      expect(() => each.unwrap()).toThrow('A test queue is in memory: it has no Redis');
  });

  it('give their state while they are there, and refuse a timeout that is none', async () => {
    const { client, server } = new ElkMqTestQueue();
    expect(await rejection(server.state())).toMatchObject({
      message: expect.stringContaining('Not listening. Call "listen"') as unknown,
    });
    await listening(server);
    const topic = new ElkMqTestTopic({ subscriptions: { billing: {} } });
    for (const each of [client, server, topic.client]) {
      expect(await each.state(1_000)).toMatchObject({ waiting: 0 });
      const error = await rejection(each.state('soon' as never));
      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error).toMatchObject({
        message: expect.stringContaining('timeout must be a number of milliseconds') as unknown,
      });
    }
    await server.close();
    expect(await rejection(server.state())).toBeInstanceOf(Error);
  });
});

describe('a test queue refuses with an InvalidOptionError', () => {
  it.each<[unknown, string]>([
    [null, 'ElkMqTestQueue takes an object of options (client, now, server), got null'],
    [{ servers: {} }, 'ElkMqTestQueue has no option "servers"; it has client, now, server'],
    [{ server: null }, 'server must be an object of options, got null'],
    [{ server: [] }, 'server must be an object of options, got an array of 0'],
    [{ server: { concurency: 1 } }, 'ElkMqServer has no option "concurency"'],
    [{ client: 'test' }, 'client must be an object of options, got "test"'],
    [{ now: Number.NaN }, 'now must be a number of milliseconds from 0 to 100000000000000, got NaN'],
    [{ now: -1 }, 'got -1'],
    [{ now: new Date(0) }, 'got a Date, whose getTime() is 0'],
  ])('the options %j', (options, message) => {
    const create = () => new ElkMqTestQueue(options as never);
    expect(create).toThrow(InvalidOptionError);
    expect(create).toThrow(message);
  });

  it.each([-1, Number.NaN, Infinity, '5', undefined])('to move its clock by %j', async (milliseconds) => {
    const queue = new ElkMqTestQueue({ now: 0 });
    const error = await rejection(queue.advance(milliseconds as never));
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toMatchObject({
      message: expect.stringContaining('the clock must be moved by a number of milliseconds') as unknown,
    });
    expect(queue.now).toBe(0);
  });
});
