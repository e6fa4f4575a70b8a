import { expect, it } from 'vitest';
import { clusterOf, startServers } from '../support/cluster.js';
import { elkmq, elkmqJson, start } from '../support/command-line.js';
import { deadLetter } from '../support/dead-letters.js';
import { PartitionedQueue } from '../support/partitions.js';
import { until } from '../support/queue.js';

it('the command line shows a queue with partitions as one queue, and changes it', async () => {
  const servers = await startServers(3);
  const url = String(servers[0]?.adminUrl);
  const queue = await PartitionedQueue.register(clusterOf(servers), 4);
  const { name } = queue;
  const run = (...args: string[]) => elkmqJson([...args, '--cluster'], { url });
  const hourAgo = Date.now() - 3_600_000;
  const ids: string[] = [];
  for (const [place, partition] of [2, 0, 3, 1].entries())
    ids.push(await queue.addWaiting(partition, hourAgo + place, place));
  const letters = [await queue.addLetter(3, deadLetter(1)), await queue.addLetter(1, deadLetter(2))];

  const state = { waiting: 4, deadLetters: 2, workers: 0, partitions: 4 };
  expect(await run('queues')).toMatchObject({ code: 0, json: { queues: [{ queue: name, ...state }] } });
  expect(await run('state', name)).toMatchObject({ code: 0, json: state });
  expect(await run('workers', name)).toMatchObject({ code: 0, json: { workers: [] } });
  expect(await run('peek', name)).toMatchObject({
    json: { messages: ids.map((id) => ({ id })), next: null },
  });
  expect(await run('show', name, String(ids[2]))).toMatchObject({ code: 0, json: { payload: 2 } });
  const { json } = await run('dead', 'ls', name);
  const listed = (json as { messages: { origin: string }[] }).messages.map(({ origin }) => origin);
  expect(listed.sort()).toEqual(letters.sort());
  const retried = await run('dead', 'retry', name, String(letters[0]), '--yes');
  expect(retried).toMatchObject({ code: 0, json: { count: 1 } });
  const { findings } = (await run('doctor')).json as { findings: { check: string; queue?: string }[] };
  const waiting = findings.filter(({ check }) => check === 'no-worker').map((finding) => finding.queue);
  expect(waiting).toEqual(queue.keys.map((keys) => keys.queue));

  const tail = start(['tail', name, '--cluster', '--limit', '2', '--json'], { url });
  await until(async () => {
    // It shows what is stored after its start, in whatever partition.
    await elkmq(['emit', name, 'order.placed', '1', '--cluster'], { url });
    await elkmq(['emit', name, 'order.placed', '1', '--cluster'], { url });
    return tail.written().stdout.split('\n').length > 2;
  });
  expect(await tail.ended).toMatchObject({ code: 0 });
  const shown = tail
    .written()
    .stdout.trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: string });
  for (const { id } of shown) expect(id).toMatch(/^\d:\d+-\d+$/);
});
