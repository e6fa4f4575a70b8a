import { QueueAdmin, Schedules, ServiceEvent, type Schedule, type SchedulesOptions } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import { millisecondsOf } from '../support/entries.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { closing, keysOf, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { ALL_CHANNELS } from '../support/rights.js';

const HOUR = 3_600_000;
const YEARLY = '0 0 1 1 *';

function schedulesOf(queue: string, options: SchedulesOptions = {}, redisUrl = url): Schedules {
  return closing(new Schedules(queue, redisUrl, options));
}

interface ScheduledEvent {
  readonly id: string;
  readonly uuid: bigint | undefined;
  readonly action: string | undefined;
  readonly payload: unknown;
  /** ms since 1970 */
  readonly at: number;
}

async function eventsIn(queue: string): Promise<ScheduledEvent[]> {
  const { messages } = await closing(new QueueAdmin(queue, url)).messages('waiting', { limit: 1_000 });
  return messages.map(({ id, event, payload, headers }) => ({
    id,
    uuid: event?.uuid,
    action: event?.action,
    payload,
    at: Date.parse(headers['elkmq-scheduled-at'] ?? ''),
  }));
}

/** The time on the clock of Redis, ms. */
async function timeOfRedis(): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
}

/** Has a schedule be due at a time of the past, as after an outage. */
async function makeDue(queue: string, name: string, time: number): Promise<void> {
  await redis.zadd(`${queue}(schedules_due)`, time, name);
}

async function dueOf(queue: string, name: string): Promise<number> {
  return Number(await redis.zscore(`${queue}(schedules_due)`, name));
}

/** Waits until the open schedules of the queue have looked at them all once more. It stores no event. */
async function untilLookedAt(queue: string): Promise<void> {
  const others = new Schedules(queue, url);
  await others.declare({ name: 'marker', cron: YEARLY, missed: 'none' });
  await others.close();
  await makeDue(queue, 'marker', 1);
  await until(async () => (await dueOf(queue, 'marker')) !== 1);
}

/** Notes the warnings of schedules, but for those that `untilLookedAt` brings about. */
function notingWarnings(): { warnings: string[]; onWarning: (message: string) => void } {
  const warnings: string[] = [];
  const onWarning = (message: string): void => {
    if (!message.includes("'marker'")) warnings.push(message);
  };
  return { warnings, onWarning };
}

describe('a schedule', () => {
  it('becomes one event at each of its times, however many processes look at it, and never early', async () => {
    const queue = newQueueName();
    const schedule: Schedule = {
      name: 'tick',
      cron: '* * * * * *',
      action: 'clock.tick',
      data: { n: 1 },
      missed: 'all',
    };
    for (let n = 0; n < 5; n++) await schedulesOf(queue).declare(schedule);
    await until(async () => (await eventsIn(queue)).length >= 3);
    const found = await eventsIn(queue);
    const first = found[0]?.at ?? 0;
    expect(found.map(({ at }) => at)).toEqual(found.map((_event, index) => first + 1_000 * index));
    for (const { id, action, payload, at } of found) {
      expect({ action, payload }).toEqual({ action: 'clock.tick', payload: { n: 1 } });
      expect(millisecondsOf(id)).toBeGreaterThanOrEqual(at);
    }
    expect(new Set(found.map(({ uuid }) => uuid)).size).toBe(found.length);
  });

  it('is not due before its time on the clock of Redis, whatever the clock of a process says', async () => {
    const queue = newQueueName();
    const schedules = schedulesOf(queue);
    await schedules.declare({ name: 'yearly', cron: YEARLY });
    const [, definition = ''] =
      /^\d+ (.*)$/.exec((await redis.hget(`${queue}(schedules)`, 'yearly')) ?? '') ?? [];
    const due = await dueOf(queue, 'yearly');
    const events = [{ event: '{}', headers: '{}' }];
    const call = scripts.runSchedule(new QueueKeys(queue, false), {
      name: 'yearly',
      definition,
      due,
      nextDue: due + 1,
      events,
    });
    const before = await timeOfRedis();
    const wait = -((await runScript(redis, call)) as number);
    expect(wait).toBeLessThanOrEqual(due - before);
    expect(wait).toBeGreaterThanOrEqual(due - (await timeOfRedis()));
    expect(await eventsIn(queue)).toEqual([]);
    expect(await dueOf(queue, 'yearly')).toBe(due);
  });

  it('has events whose uuid depends on the schedule and the time alone', async () => {
    const queue = newQueueName();
    const time = Date.parse('2026-01-01T00:00:00Z');
    await schedulesOf(queue).declare({ name: 'yearly', cron: YEARLY });
    for (const count of [1, 2]) {
      await makeDue(queue, 'yearly', time);
      await until(async () => (await eventsIn(queue)).length === count);
    }
    const [one, other] = await eventsIn(queue);
    expect(one?.at).toBeGreaterThanOrEqual(time);
    expect(other?.uuid).toBe(one?.uuid);
  });

  it('is stored once when the answer of Redis is lost', async () => {
    const queue = newQueueName();
    const proxy = closing(await Proxy.before(url));
    const schedules = schedulesOf(queue, {}, proxy.url);
    await schedules.declare({ name: 'yearly', cron: YEARLY });
    // Redis knows the scripts from then on.
    const time = (await timeOfRedis()) - 5;
    await makeDue(queue, 'yearly', time);
    await until(async () => (await eventsIn(queue)).length === 1);
    proxy.loseAnswers(new RegExp(scripts.SCRIPTS.runSchedule.sha1));
    await makeDue(queue, 'yearly', time);
    await until(async () => (await eventsIn(queue)).length === 2);
    await schedules.list();
    await untilLookedAt(queue);
    expect((await eventsIn(queue)).filter(({ action }) => action === 'yearly')).toHaveLength(2);
  });

  it.each([
    ['one', 1],
    ['all', 6],
    ['none', 0],
  ] as const)('that has missed 6 times, with missed %j, becomes %d events', async (missed, count) => {
    const queue = newQueueName();
    const warnings: string[] = [];
    const now = await timeOfRedis();
    // The latest time was half an hour ago.
    const minute = (new Date(now).getUTCMinutes() + 30) % 60;
    const latest = Math.floor((now - HOUR / 2) / 60_000) * 60_000;
    const cron = `${String(minute)} * * * *`;
    const schedules = schedulesOf(queue, { onWarning: (message) => warnings.push(message) });
    await schedules.declare({ name: 'hourly', cron, missed });
    await makeDue(queue, 'hourly', latest - 5 * HOUR);
    await until(async () => (await dueOf(queue, 'hourly')) === latest + HOUR);
    const sent = (await eventsIn(queue)).map(({ at }) => at);
    expect(sent).toEqual([5, 4, 3, 2, 1, 0].slice(6 - count).map((hours) => latest - hours * HOUR));
    if (missed === 'all') expect(warnings).toEqual([]);
    else
      expect(warnings).toEqual([expect.stringMatching(/the schedule 'hourly' has missed its times from /)]);
  });

  it('stays as it is when it is declared again, and changes with another definition', async () => {
    const queue = newQueueName();
    const schedules = schedulesOf(queue);
    await schedules.declare({ name: 'report', cron: YEARLY });
    const due = (await timeOfRedis()) + HOUR;
    await makeDue(queue, 'report', due);
    await schedules.declare({ name: 'report', cron: YEARLY });
    expect(await dueOf(queue, 'report')).toBe(due);
    await schedules.declare({ name: 'report', cron: YEARLY, data: 'other' });
    const [state] = await schedules.list();
    expect(state).toMatchObject({
      name: 'report',
      action: 'report',
      data: 'other',
      missed: 'one',
      timezone: 'UTC',
    });
    expect(new Date(state?.next ?? 0).toISOString()).toMatch(/-01-01T00:00:00.000Z$/);
    expect(state?.declaredAt).toBeLessThanOrEqual(await timeOfRedis());
  });

  it('is run by its definition in Redis, also by a process that has declared another one', async () => {
    const queue = newQueueName();
    const older = schedulesOf(queue);
    await older.declare({ name: 'report', cron: YEARLY, action: 'old' });
    const newer = new Schedules(queue, url);
    await newer.declare({ name: 'report', cron: YEARLY, action: 'new' });
    await newer.close();
    await makeDue(queue, 'report', await timeOfRedis());
    await until(async () => (await eventsIn(queue)).length === 1);
    expect((await eventsIn(queue))[0]?.action).toBe('new');
  });

  it('that was removed stays away until it is declared, and leaves its events', async () => {
    const queue = newQueueName();
    const schedules = schedulesOf(queue);
    await schedules.declare({ name: 'yearly', cron: YEARLY });
    await makeDue(queue, 'yearly', await timeOfRedis());
    await until(async () => (await eventsIn(queue)).length === 1);
    expect(await schedules.remove('yearly')).toBe(true);
    expect(await schedules.remove('yearly')).toBe(false);
    expect(await schedules.remove('never there')).toBe(false);
    await untilLookedAt(queue);
    expect((await schedules.list()).map(({ name }) => name)).toEqual(['marker']);
    expect((await eventsIn(queue)).map(({ action }) => action)).toEqual(['yearly']);
    await schedules.declare({ name: 'yearly', cron: YEARLY });
    expect((await schedules.list()).map(({ name }) => name)).toEqual(['marker', 'yearly']);
  });

  it('that somebody deletes by hand is declared again, with a warning, when the queue is there', async () => {
    const queue = newQueueName();
    const { warnings, onWarning } = notingWarnings();
    const schedules = schedulesOf(queue, { onWarning });
    await schedules.declare({ name: 'yearly', cron: YEARLY });
    await redis.del(`${queue}(schedules)`, `${queue}(schedules_due)`);
    await untilLookedAt(queue);
    // The queue may be one of a subscription that was removed, with all its keys.
    expect(warnings).toEqual([]);
    await closing(new QueueAdmin(queue, url)).enqueue(new ServiceEvent(60, 'other'));
    await until(() => warnings.length === 1);
    expect(warnings[0]).toContain(`queue '${queue}' had lost the schedule 'yearly'`);
    expect((await schedules.list()).map(({ name }) => name)).toContain('yearly');
  });

  it('that cannot be read is left alone, and the others go on', async () => {
    const queue = newQueueName();
    const { warnings, onWarning } = notingWarnings();
    const schedules = schedulesOf(queue, { onWarning });
    await redis.hset(
      `${queue}(schedules)`,
      'broken',
      '1 {',
      'later',
      '1 {"cron":"x","timezone":"UTC","action":"a","payload":null,"missed":"one"}',
    );
    for (const name of ['broken', 'later']) await makeDue(queue, name, 1);
    await schedules.declare({ name: 'yearly', cron: YEARLY });
    await untilLookedAt(queue);
    expect(await eventsIn(queue)).toEqual([]);
    expect(warnings.sort()).toEqual([
      expect.stringContaining(
        `the schedule 'broken' cannot be read, and does not run: this version does not know "{"`,
      ),
      expect.stringContaining(
        `the schedule 'later' cannot be read, and does not run: cron must be a cron expression`,
      ),
    ]);
  });

  it('is in no other queue, and its keys are all that it leaves', async () => {
    const queue = newQueueName();
    const schedules = schedulesOf(queue);
    await schedules.declare({ name: 'yearly', cron: YEARLY });
    await schedules.close();
    expect(await keysOf(queue)).toEqual({ '(schedules)': 'hash', '(schedules_due)': 'zset' });
    expect(await schedulesOf(newQueueName()).list()).toEqual([]);
  });
});

describe('schedules', () => {
  it.each([
    [undefined, 'schedule must be { action, cron, data, missed, name, timezone }, got undefined'],
    [{ name: 'a', cron: '* * * * *', tz: 'UTC' }, 'schedule has no option "tz"'],
    [
      { cron: '* * * * *' },
      'the name of a schedule must be a string of 1 to 128 bytes of well-formed Unicode, got undefined',
    ],
    [
      { name: 'é'.repeat(65), cron: '* * * * *' },
      'the name of a schedule must be a string of 1 to 128 bytes',
    ],
    [{ name: 'a' }, 'the schedule "a": cron must be a cron expression, got undefined'],
    [
      { name: 'a', cron: '0 0 31 2 *' },
      'the schedule "a": cron must be a cron expression of five or six fields',
    ],
    [
      { name: 'a', cron: '* * * * *', timezone: 1 },
      'the schedule "a": timezone must be a name such as Europe/Berlin, got 1',
    ],
    [
      { name: 'a', cron: '* * * * *', missed: 'two' },
      `the schedule "a": missed must be 'one', 'all' or 'none', got "two"`,
    ],
    [
      { name: 'a', cron: '* * * * *', action: 5 },
      'the schedule "a": action must be a string of well-formed Unicode, got 5',
    ],
    [
      { name: 'a', cron: '* * * * *', data: 1n },
      'the schedule "a": data must be text or a value of JSON, got 1',
    ],
  ])('refuse what is wrong (%#), and say why', async (schedule, message) => {
    const queue = newQueueName();
    const error = await rejection(schedulesOf(queue).declare(schedule as Schedule));
    expect(error).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(message) as string,
    });
    expect(await keysOf(queue)).toEqual({});
  });

  it('refuse options that there are not, and calls when they are closed', async () => {
    expect(() => new Schedules('a', url, { timout: 1 } as object)).toThrow(
      'Schedules has no option "timout"',
    );
    const schedules = new Schedules(newQueueName(), url);
    await schedules.close();
    await schedules.close();
    for (const call of [
      schedules.list(),
      schedules.remove('a'),
      schedules.declare({ name: 'a', cron: YEARLY }),
    ])
      expect(await rejection(call)).toMatchObject({
        code: 'CONNECTION_FAILED',
        message: expect.stringContaining('are closed') as string,
      });
  });

  it('say which right is missing', async () => {
    const server = await ownRedis();
    await clientOf(server).call(
      'ACL',
      'SETUSER',
      'few',
      'on',
      '>few',
      '~*',
      ...ALL_CHANNELS,
      '+@all',
      '-zadd',
    );
    const few = server.url.replace('redis://', 'redis://few:few@');
    const schedules = schedulesOf(newQueueName(), {}, few);
    expect(await rejection(schedules.declare({ name: 'a', cron: YEARLY }))).toMatchObject({
      code: 'DEQUEUE_FAILED',
      message: expect.stringContaining('no schedule can be declared and run') as string,
    });
  });
});
