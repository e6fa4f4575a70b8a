import { Schedules } from 'nestjs-elkmq';
import { expect, inject, it } from 'vitest';
import { elkmq, elkmqJson } from '../support/command-line.js';
import { closing, newQueueName, redis } from '../support/queue.js';

it('elkmq schedules lists the schedules of a queue, and removes one', async () => {
  const queue = newQueueName();
  const schedules = closing(new Schedules(queue, inject('adminUrl')));
  await schedules.declare({ name: 'report', cron: '0 0 1 1 *', timezone: 'Europe/Berlin', data: { a: 1 } });
  await schedules.declare({ name: 'alarm', cron: '0 6 * * MON', action: 'wake', missed: 'none' });
  const [alarm, report] = await schedules.list();
  expect(await elkmqJson(['schedules', queue])).toMatchObject({
    code: 0,
    json: { queue, schedules: JSON.parse(JSON.stringify([alarm, report])) as unknown },
  });
  const { code, stdout } = await elkmq(['schedules', queue]);
  expect(code).toBe(0);
  const times = new RegExp(String.raw`^alarm +0 6 \* \* MON +UTC +wake +none +\S+Z +\S+Z$`, 'm');
  expect(stdout).toMatch(/^SCHEDULE +CRON +TIME ZONE +PATTERN +MISSED +NEXT +DECLARED$/m);
  expect(stdout).toMatch(times);
  const removal = ['schedules', queue, '--remove', 'alarm'];
  expect(await elkmqJson(removal)).toMatchObject({ code: 0, json: { queue, removed: ['alarm'] } });
  expect(await elkmq(removal)).toMatchObject({ code: 1, stderr: 'The queue has no such schedule.\n' });
  expect((await schedules.list()).map(({ name }) => name)).toEqual(['report']);
});

it('elkmq schedules shows a next time that is no date as it is', async () => {
  const queue = newQueueName();
  const schedules = closing(new Schedules(queue, inject('adminUrl')));
  await schedules.declare({ name: 'report', cron: '0 0 1 1 *' });
  await redis.zadd(`${queue}(schedules_due)`, 1e16, 'report');
  const { code, stdout } = await elkmq(['schedules', queue]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^report .+ 10000000000000000 /m);
});
