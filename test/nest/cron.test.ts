import { Controller, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  ElkMqContext,
  ElkMqCron,
  ElkMqServer,
  Schedules,
  Topic,
  UnsubscribedError,
  type ElkMqCronOptions,
} from 'nestjs-elkmq';
import { ElkMqTestQueue } from 'nestjs-elkmq/testing';
import { describe, expect, it } from 'vitest';
import { PaymentError } from '../support/failing.js';
import { deadLettersOf, moduleOf, startApp } from '../support/nest.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';

const YEARLY = '0 0 1 1 *';

interface Call {
  readonly data: unknown;
  readonly context: ElkMqContext;
}

/** A controller with one method that has a schedule. */
function scheduled(options: ElkMqCronOptions, calls: Call[] = [], cron = YEARLY, fails = false): Type {
  @Controller()
  class ScheduledController {
    @ElkMqCron(cron, options)
    run(@Payload() data: unknown, @Ctx() context: ElkMqContext): void {
      calls.push({ data, context });
      if (fails) throw new PaymentError(503);
    }
  }
  return ScheduledController;
}

async function makeDue(queue: string, name: string): Promise<void> {
  const [seconds] = await redis.time();
  await redis.zadd(`${queue}(schedules_due)`, Number(seconds) * 1_000, name);
}

describe('@ElkMqCron', () => {
  it('has a method called when its time has come, with the data and the time', async () => {
    const queue = newQueueName();
    const calls: Call[] = [];
    await startApp(moduleOf(scheduled({ name: 'tick', data: { of: 'a clock' } }, calls, '* * * * * *')), {
      queue,
    });
    await until(() => calls.length > 0);
    const { data, context } = calls[0] as Call;
    expect(data).toEqual({ of: 'a clock' });
    expect(context.getPattern()).toBe('tick');
    expect(context.getHeaders()['elkmq-scheduled-at']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/);
  });

  it('has one of several servers handle each event, with the options of its handler', async () => {
    const queue = newQueueName();
    const calls: Call[] = [];
    const options = { name: 'report', timezone: 'Europe/Berlin', retry: { attempts: 2, backoff: 1 } };
    for (let n = 0; n < 3; n++) await startApp(moduleOf(scheduled(options, calls, YEARLY, true)), { queue });
    await makeDue(queue, 'report');
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(calls.map(({ context }) => context.getAttempt())).toEqual([1, 2]);
    const [state] = await closing(new Schedules(queue, url)).list();
    expect(state).toMatchObject({
      name: 'report',
      action: 'report',
      timezone: 'Europe/Berlin',
      data: undefined,
    });
  });

  it('ends with its server, and the schedule stays', async () => {
    const queue = newQueueName();
    const calls: Call[] = [];
    const app = await startApp(moduleOf(scheduled({ name: 'report' }, calls)), { queue });
    await app.close();
    await makeDue(queue, 'report');
    const next = await startApp(moduleOf(scheduled({ name: 'report' }, calls)), { queue });
    await until(() => calls.length === 1);
    await next.close();
    expect((await closing(new Schedules(queue, url)).list()).map(({ name }) => name)).toEqual(['report']);
  });

  it('works for a subscription of a topic, and goes with it', async () => {
    const topic = closing(new Topic(newQueueName(), url));
    const calls: Call[] = [];
    const server = new ElkMqServer({ topic: topic.name, subscription: 'billing', url });
    await startApp(moduleOf(scheduled({ name: 'report' }, calls)), server);
    await makeDue(`{${topic.name}}/billing`, 'report');
    await until(() => calls.length === 1);
    const errors: Error[] = [];
    server.on('error', (error) => errors.push(error));
    await topic.unsubscribe('billing');
    await until(() => errors.some((error) => error instanceof UnsubscribedError));
    await server.close();
    expect(await redis.keys(`{${topic.name}}/billing*`)).toEqual([]);
  });

  it('works for a queue with partitions', async () => {
    const queue = newQueueName();
    const calls: Call[] = [];
    const partitioned = { partitions: 2, partitionsForTests: true } as const;
    await startApp(moduleOf(scheduled({ name: 'report' }, calls)), { queue, ...partitioned });
    await makeDue(queue, 'report');
    await until(() => calls.length === 1);
    const [state] = await closing(new Schedules(queue, url)).list();
    expect(state?.name).toBe('report');
  });

  it.each([
    ['every minute', 'UTC', 'got "every minute" in "UTC"'],
    [YEARLY, 'Mars/Olympus', 'got "0 0 1 1 *" in "Mars/Olympus"'],
  ])('fails listen with the expression %j in %s', async (cron, timezone, message) => {
    const queue = newQueueName();
    const started = startApp(moduleOf(scheduled({ name: 'a', timezone }, [], cron)), { queue });
    const error = await rejection(started);
    expect(error).toMatchObject({ code: 'INVALID_OPTION' });
    expect(String(error)).toContain(`the schedule "a": cron must be a cron expression`);
    expect(String(error)).toContain(message);
  });

  it('refuses two schedules with one name', async () => {
    const started = startApp(moduleOf(scheduled({ name: 'a' }), scheduled({ name: 'a' })), {
      queue: newQueueName(),
    });
    expect(await rejection(started)).toMatchObject({
      code: 'INVALID_OPTION',
      message: "each schedule must have a name of its own, got 'a' twice",
    });
  });

  it('refuses wrong options when the class is defined', () => {
    expect(() => scheduled({} as ElkMqCronOptions)).toThrow('the name of a schedule must be a string');
    expect(() => scheduled({ name: 'a', tz: 'UTC' } as ElkMqCronOptions)).toThrow(
      'elkMqExtras has no option "tz"',
    );
    expect(() => scheduled({ name: 'a', missed: 'two' as 'one' })).toThrow(
      `missed must be 'one', 'all' or 'none'`,
    );
  });

  it('is an event handler in a test queue, which runs no schedule', async () => {
    const calls: Call[] = [];
    const queue = new ElkMqTestQueue();
    await startApp(moduleOf(scheduled({ name: 'report' }, calls)), queue.server);
    await queue.advance(24 * 3_600_000);
    expect(calls).toEqual([]);
    queue.client.emit('report', 1);
    await queue.idle();
    expect(calls.map(({ data }) => data)).toEqual([1]);
  });
});
