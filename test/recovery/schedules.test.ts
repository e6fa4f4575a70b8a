import { QueueAdmin, Schedules } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { TestProcess } from '../support/processes.js';
import { closing, newQueueName, redis, until, url } from '../support/queue.js';

const EACH_SECOND = { name: 'tick', cron: '* * * * * *', missed: 'all' } as const;

async function timesIn(queue: string): Promise<number[]> {
  const { messages } = await closing(new QueueAdmin(queue, url)).messages('waiting', { limit: 1_000 });
  return messages.map(({ headers }) => Date.parse(headers['elkmq-scheduled-at'] ?? ''));
}

it('a schedule has one event for each second, while the processes that keep it are killed and stopped', async () => {
  const queue = newQueueName();
  const start = () => TestProcess.start('schedule-keeper', url, queue, JSON.stringify(EACH_SECOND));
  let keepers: TestProcess[] = await Promise.all([start(), start(), start()]);
  const more = async (): Promise<void> => {
    const { length } = await timesIn(queue);
    await until(async () => (await timesIn(queue)).length > length);
  };
  for (const signal of ['SIGKILL', 'SIGSTOP', 'SIGKILL'] as const) {
    await more();
    const [first, ...others] = keepers as [TestProcess, ...TestProcess[]];
    first.kill(signal);
    keepers = [...others, await start()];
    // The one that stands still goes on, with what it had read before.
    if (signal === 'SIGSTOP') {
      await more();
      first.kill('SIGCONT');
    }
  }
  await more();
  const times = await timesIn(queue);
  const first = times[0] ?? 0;
  expect(times).toEqual(times.map((_time, index) => first + 1_000 * index));
});

it('a schedule whose processes are all dead goes on where it was', async () => {
  const queue = newQueueName();
  const keeper = await TestProcess.start('schedule-keeper', url, queue, JSON.stringify(EACH_SECOND));
  await until(async () => (await timesIn(queue)).length > 0);
  keeper.kill('SIGKILL');
  await until(() => keeper.ended !== undefined);
  const due = Number(await redis.zscore(`${queue}(schedules_due)`, 'tick'));
  const next = closing(new Schedules(queue, url));
  await next.declare(EACH_SECOND);
  await until(async () => (await timesIn(queue)).includes(due + 1_000));
  const times = await timesIn(queue);
  expect(times).toEqual([...new Set(times)]);
  expect(times).toContain(due);
});
