import { Schedules, type Schedule } from 'nestjs-elkmq';
import type { ActionRecord, ConsoleAction } from 'elkmq-console';
import { describe, expect, it } from 'vitest';
import { ask, change, startClosableConsole, startConsole } from '../support/console.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { closing, newQueueName, redis, url } from '../support/queue.js';

const YEARLY = '0 0 1 1 *';

/** Declares schedules of a queue. Their next time is far away. */
async function declare(queue: string, ...schedules: Partial<Schedule>[]): Promise<Schedules> {
  const opened = closing(new Schedules(queue, url));
  for (const schedule of schedules) await opened.declare({ name: 'yearly', cron: YEARLY, ...schedule });
  return opened;
}

async function actionsOf(address: string): Promise<unknown> {
  return (await ask(`${address}api/actions`)).json['actions'];
}

describe('the schedules in the console', () => {
  it('are listed by name, with all but their payload', async () => {
    const queue = newQueueName();
    const data = { password: 'hunter2' };
    const schedules = await declare(
      queue,
      { name: 'report', cron: '0 3 * * *', timezone: 'Europe/Berlin', action: 'report.make', data },
      { name: 'clean-up', cron: '@hourly', missed: 'all' },
    );
    const address = await startConsole({ queues: [queue] });
    const { status, json, text } = await ask(`${address}api/schedules?queue=${queue}`);
    const [cleanUp, report] = await schedules.list();
    expect(status).toBe(200);
    expect(json['schedules']).toEqual([
      {
        ...{ name: 'clean-up', cron: '@hourly', timezone: 'UTC', action: 'clean-up', missed: 'all' },
        ...{ next: cleanUp?.next, declaredAt: cleanUp?.declaredAt },
      },
      {
        ...{ name: 'report', cron: '0 3 * * *', timezone: 'Europe/Berlin', action: 'report.make' },
        ...{ missed: 'one', next: report?.next, declaredAt: report?.declaredAt },
      },
    ]);
    expect(report?.next).toBeGreaterThan(Date.now());
    expect(text).not.toContain('hunter2');
  });

  it('are an empty list where a queue has none', async () => {
    const address = await startConsole();
    const { status, json } = await ask(`${address}api/schedules?queue=${newQueueName()}`);
    expect([status, json]).toEqual([200, { schedules: [] }]);
  });

  it('of a queue with partitions are those of partition 0', async () => {
    const queue = newQueueName();
    await declare(queue, {});
    await redis.set(`${queue}(partitions)`, '2');
    const address = await startConsole();
    expect((await ask(`${address}api/schedules?queue=${queue}`)).json).toMatchObject({
      schedules: [{ name: 'yearly' }],
    });
    expect((await change(`${address}api/removeSchedule`, { queue, name: 'yearly' })).json).toEqual({
      count: 1,
    });
  });

  it('are removed, once, in the name of the user', async () => {
    const queue = newQueueName();
    const schedules = await declare(queue, {}, { name: 'other' });
    const asked: ConsoleAction[] = [];
    const audited: ActionRecord[] = [];
    const address = await startConsole({
      queues: [queue],
      identify: () => 'ada',
      audit: (action) => audited.push(action),
      authorize: (_request, action) => asked.push(action) > 0,
    });
    const remove = () => change(`${address}api/removeSchedule`, { queue, name: 'yearly' });
    expect(await remove()).toMatchObject({ status: 200, json: { count: 1 } });
    expect(await schedules.list()).toMatchObject([{ name: 'other' }]);
    const error = 'The queue has no schedule "yearly".';
    expect(await remove()).toMatchObject({ status: 404, json: { error } });
    expect(asked).toEqual(Array(2).fill({ kind: 'removeSchedule', queue }));
    const record = { who: 'ada', kind: 'removeSchedule', queue, target: ['yearly'] };
    expect(await actionsOf(address)).toMatchObject([
      { ...record, count: 0, error },
      { ...record, count: 1 },
    ]);
    expect(audited).toMatchObject([
      { ...record, count: 1, error: undefined },
      { ...record, count: 0, error },
    ]);
  });

  it('stay where the user may remove messages only', async () => {
    const queue = newQueueName();
    const schedules = await declare(queue, {});
    const address = await startConsole({ authorize: (_request, { kind }) => kind !== 'removeSchedule' });
    const { status, json } = await change(`${address}api/removeSchedule`, { queue, name: 'yearly' });
    expect([status, json['error']]).toEqual([403, expect.stringContaining('(removeSchedule)')]);
    expect(await schedules.list()).toHaveLength(1);
  });

  it.each([
    [undefined, 'got undefined'],
    ['', 'got ""'],
    [7, 'got 7'],
    ['é'.repeat(65), 'got "ééé'],
  ])('have a name that is checked: %j', async (name, got) => {
    const queue = newQueueName();
    const address = await startConsole({ queues: [queue] });
    const { status, json } = await change(`${address}api/removeSchedule`, { queue, name });
    expect(status).toBe(400);
    expect(json['error']).toMatch(/^the name of a schedule must be a string of 1 to 128 bytes/);
    expect(json['error']).toContain(got);
    expect(await actionsOf(address)).toEqual([]);
  });

  it('say why Redis does not tell them, and the queue is told all the same', async () => {
    const queue = newQueueName();
    await redis.set(`${queue}(schedules)`, 'no hash');
    const address = await startConsole({ queues: [queue] });
    const list = await ask(`${address}api/schedules?queue=${queue}`);
    const removal = await change(`${address}api/removeSchedule`, { queue, name: 'yearly' });
    for (const { status, json } of [list, removal])
      expect([status, json['error']]).toEqual([
        502,
        expect.stringMatching(/call of the schedules.*WRONGTYPE/),
      ]);
    expect((await ask(`${address}api/queue?queue=${queue}`)).json).toMatchObject({ name: queue, waiting: 0 });
  });

  it('are read and removed over the one connection of the console', async () => {
    const server = await ownRedis();
    const schedules = closing(new Schedules('orders', server.url));
    await schedules.declare({ name: 'yearly', cron: YEARLY });
    const { address, console } = await startClosableConsole({ redis: server.url });
    await ask(`${address}api/queue?queue=orders`);
    const client = clientOf(server);
    const connected = async () => /total_connections_received:(\d+)/.exec(await client.info('stats'))?.[1];
    const before = await connected();
    for (let n = 0; n < 5; n++)
      expect((await ask(`${address}api/schedules?queue=orders`)).json['schedules']).toHaveLength(1);
    expect((await change(`${address}api/removeSchedule`, { queue: 'orders', name: 'yearly' })).status).toBe(
      200,
    );
    expect(await connected()).toBe(before);
    await console.close();
    expect((await ask(`${address}api/schedules?queue=orders`)).status).toBe(503);
    expect((await change(`${address}api/removeSchedule`, { queue: 'orders', name: 'yearly' })).status).toBe(
      503,
    );
  });
});
