import { QueueAdmin } from 'nestjs-elkmq';
import { expect, inject, it } from 'vitest';
import { elkmq, elkmqJson } from '../support/command-line.js';
import { closing, newQueueName, redis, until } from '../support/queue.js';
import { startWorker } from '../support/workers.js';

function adminOf(queue: string): QueueAdmin {
  return closing(new QueueAdmin(queue, inject('adminUrl')));
}

it('elkmq pause and resume pause a queue and let it go on, as often as they are told', async () => {
  const queue = newQueueName();
  const admin = adminOf(queue);
  await startWorker({ queue });
  const { code, json, stderr } = await elkmqJson(['pause', queue, '--by', 'anna']);
  const { paused } = await admin.state();
  expect(paused).toMatchObject({ by: 'anna' });
  expect({ code, json, stderr }).toEqual({ code: 0, json: { queue, paused, unaware: [] }, stderr: '' });
  await until(async () => (await admin.workers())[0]?.paused === true);
  const sentence = `The queue is paused since ${new Date(paused?.since ?? 0).toISOString()} by anna.\n`;
  expect(await elkmq(['pause', queue])).toEqual({ code: 0, stdout: '', stderr: sentence });
  expect(await elkmq(['state', queue])).toMatchObject({ code: 0, stderr: sentence });
  expect((await elkmqJson(['state', queue])).json).toMatchObject({ paused });
  expect((await elkmq(['doctor', queue])).stdout).toMatch(/is paused since .* by anna/);
  expect(await elkmqJson(['resume', queue])).toMatchObject({ code: 0, json: { queue, wasPaused: true } });
  expect(await elkmqJson(['resume', queue])).toMatchObject({ code: 0, json: { queue, wasPaused: false } });
  expect((await admin.state()).paused).toBeUndefined();
});

it('elkmq pause names the workers that know no pauses', async () => {
  const queue = newQueueName();
  const described = { host: 'old-host', pid: 7, version: '0.0.1', queue, handlers: [] };
  const rest = { concurrency: 1, running: 0, since: 0, lease: 1_000, paused: false };
  const seen = { seen: Date.now(), ttl: 60_000 };
  await redis.hset(`${queue}(workers)`, 'old', JSON.stringify({ ...seen, ...described, ...rest }));
  const { code, stderr } = await elkmq(['pause', queue]);
  expect(code).toBe(0);
  expect(stderr).toContain(
    'The worker on old-host, pid 7, has version 0.0.1: it knows no pauses, and goes on.',
  );
  expect((await elkmqJson(['pause', queue])).json).toMatchObject({ unaware: ['old'] });
  await redis.del(`${queue}(workers)`, `${queue}(control)`);
});

it('elkmq pause ends with 2 when --by is too long, and with 3 when Redis is away', async () => {
  expect((await elkmq(['pause', newQueueName(), '--by', 'x'.repeat(257)])).code).toBe(2);
  const away = { url: 'redis://127.0.0.1:1' };
  expect((await elkmq(['pause', 'q', '--patience', '50ms'], away)).code).toBe(3);
  expect((await elkmq(['resume', 'q', '--patience', '50ms'], away)).code).toBe(3);
});
