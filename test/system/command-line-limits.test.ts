import { QueueAdmin } from 'nestjs-elkmq';
import { expect, inject, it } from 'vitest';
import { elkmq, elkmqJson } from '../support/command-line.js';
import { closing, newQueueName, redis } from '../support/queue.js';
import { startClient, told } from '../support/nest.js';

function adminOf(queue: string): QueueAdmin {
  return closing(new QueueAdmin(queue, inject('adminUrl')));
}

it('elkmq limits sets the limits of a queue, shows them, and takes them away', async () => {
  const queue = newQueueName();
  const admin = adminOf(queue);
  const limits = { concurrency: 10, rate: { limit: 100, per: 2_000 } };
  const set = ['limits', queue, '--concurrency', '10', '--rate', '100', '--per', '2s'];
  expect(await elkmqJson(set)).toEqual({ code: 0, json: { queue, limits, unaware: [] }, stderr: '' });
  expect((await admin.state()).limits).toEqual(limits);
  const sentence = 'The queue has limits: at most 10 messages run at once, at most 100 start in 2000 ms.\n';
  expect(await elkmq(['limits', queue])).toEqual({ code: 0, stdout: '', stderr: sentence });
  expect(await elkmq(['state', queue])).toMatchObject({ code: 0, stderr: sentence });
  expect((await elkmqJson(['state', queue])).json).toMatchObject({ limits });
  // What is not given is no limit any more. Without --per it is a second.
  expect(await elkmqJson(['limits', queue, '--rate', '7'])).toMatchObject({
    json: { limits: { rate: { limit: 7, per: 1_000 } } },
  });
  expect((await admin.state()).limits).toEqual({ rate: { limit: 7, per: 1_000 } });
  expect(await elkmq(['limits', queue, '--clear'])).toEqual({
    code: 0,
    stdout: '',
    stderr: 'The queue has no limits.\n',
  });
  expect(await admin.state()).not.toHaveProperty('limits');
});

it('elkmq limits names the workers that keep none', async () => {
  const queue = newQueueName();
  const described = { host: 'old-host', pid: 7, version: '0.0.1', queue, handlers: [] };
  const rest = { concurrency: 1, running: 0, since: 0, lease: 1_000, paused: false, features: ['pause'] };
  const seen = { seen: Date.now(), ttl: 60_000 };
  await redis.hset(`${queue}(workers)`, 'old', JSON.stringify({ ...seen, ...described, ...rest }));
  const { code, stderr } = await elkmq(['limits', queue, '--concurrency', '1']);
  expect(code).toBe(0);
  expect(stderr).toContain('The worker on old-host, pid 7, has version 0.0.1: it keeps no limits.');
  expect((await elkmqJson(['limits', queue])).json).toMatchObject({ unaware: ['old'] });
  await redis.del(`${queue}(workers)`, `${queue}(control)`);
});

it('elkmq doctor names the limits of a queue whose messages wait for long', async () => {
  const queue = newQueueName();
  await adminOf(queue).setLimits({ concurrency: 1 });
  const described = { host: 'host', pid: 7, version: '9.0.0', queue, handlers: [], features: ['limits'] };
  const rest = { concurrency: 1, running: 0, since: 0, lease: 1_000, paused: false };
  const seen = { seen: Date.now(), ttl: 60_000 };
  await redis.hset(`${queue}(workers)`, 'one', JSON.stringify({ ...seen, ...described, ...rest }));
  await told(startClient({ queue }).emit('work', 1));
  const { stdout } = await elkmq(['doctor', queue, '--max-oldest', '0ms']);
  expect(stdout).toContain('The queue has limits (at most 1 messages run at once)');
  await redis.del(`${queue}(workers)`, `${queue}(control)`, `${queue}(event_stream)`);
});

it('elkmq limits ends with 2 when an option is wrong, and with 3 when Redis is away', async () => {
  const queue = newQueueName();
  for (const options of [
    ['--concurrency', '0'],
    ['--concurrency', 'many'],
    ['--rate', '5', '--per', '99ms'],
    ['--per', '1s'],
    ['--clear', '--concurrency', '1'],
  ])
    expect(await elkmq(['limits', queue, ...options])).toMatchObject({ code: 2, stdout: '' });
  expect((await elkmq(['limits', queue, '--patience', '50ms'], { url: 'redis://127.0.0.1:1' })).code).toBe(3);
});
