import { expect, it } from 'vitest';
import { QueueAdmin, queues, ServiceEvent } from 'nestjs-elkmq';
import { Cluster } from 'ioredis';
import { startServers } from '../support/cluster.js';
import { elkmq, elkmqJson, start } from '../support/command-line.js';
import { closing, until } from '../support/queue.js';

it('on a cluster all queues are found, and each can be looked at, changed and checked', async () => {
  const servers = await startServers(2);
  const url = String(servers[0]?.adminUrl);
  const names = ['a', 'b', 'c', 'd'];
  const redis = () => new Cluster([url], { lazyConnect: true });
  for (const name of names) {
    const admin = closing(new QueueAdmin(name, redis));
    await admin.enqueue(new ServiceEvent(3_600, 'order.placed', '1'));
    expect((await admin.messages('waiting')).messages).toHaveLength(1);
  }
  expect(await queues(redis)).toEqual({ queues: names, isComplete: true });
  const listed = await elkmqJson(['queues', '--cluster'], { url });
  expect(listed).toMatchObject({ code: 0, json: { queues: names.map((queue) => ({ queue, waiting: 1 })) } });
  for (const name of names) {
    const { json } = await elkmqJson(['find', name, '--pattern', 'order.*', '--cluster'], { url });
    expect(json).toMatchObject({ messages: [{ payload: 1 }], searched: 1 });
  }
  const tail = start(['tail', 'b', '--cluster', '--limit', '1'], { url });
  await until(() => tail.written().stderr.includes('from now on'));
  expect((await elkmq(['emit', 'b', 'x', '2', '--cluster'], { url })).code).toBe(0);
  expect(await tail.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('x') as unknown });
  const { json } = await elkmqJson(['doctor', '--cluster'], { url });
  const { findings } = json as { findings: { check: string; queue?: string }[] };
  expect(findings.filter(({ check }) => check === 'no-worker').map(({ queue }) => queue)).toEqual(names);
  const purged = await elkmqJson(['purge', 'd', '--state', 'waiting', '--yes', '--cluster'], { url });
  expect(purged).toMatchObject({ code: 0, json: { count: 1, done: true } });
});
