import { QueueAdmin } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { startCluster } from '../support/cluster.js';
import { ask, change, startConsole } from '../support/console.js';
import { deadLetter } from '../support/dead-letters.js';
import { PartitionedQueue } from '../support/partitions.js';
import { closing } from '../support/queue.js';

const HOUR_MS = 3_600_000;
const START = Date.now() - HOUR_MS;

it('the console shows a queue with partitions as one queue, and changes messages of each partition', async () => {
  const queue = await PartitionedQueue.register(await startCluster(3), 4);
  const admin = closing(new QueueAdmin(queue.name, queue.cluster));
  const waiting: string[] = [];
  for (const partition of [2, 0, 3, 1])
    waiting.push(await queue.addWaiting(partition, START + waiting.length, { partition }));
  const delayed = await queue.addDelayed(1, Date.now() + HOUR_MS, 'later');
  const retried = await queue.addLetter(3, deadLetter(1));
  const removed = await queue.addLetter(0, deadLetter(2));
  const address = await startConsole({ redis: queue.cluster, queues: [queue.name], identify: () => 'ada' });
  const get = async (view: string, parameters: Record<string, string> = {}) => {
    const query = new URLSearchParams({ queue: queue.name, ...parameters });
    const answer = await ask(`${address}api/${view}?${query.toString()}`);
    expect([view, answer.status, answer.json['error']]).toEqual([view, 200, undefined]);
    return answer;
  };

  const counts = { name: queue.name, waiting: 4, delayed: 1, deadLetters: 2, partitions: 4 };
  expect((await get('queues')).json).toMatchObject({ queues: [counts] });
  expect((await get('queue')).json).toMatchObject({ ...counts, workerList: [] });
  const first = await get('messages', { state: 'waiting', limit: '3' });
  const rest = await get('messages', { state: 'waiting', limit: '3', after: String(first.json['next']) });
  expect([first, rest].flatMap(({ json }) => idsOf(json['messages']))).toEqual(waiting);
  expect(idsOf((await get('messages', { state: 'dead' })).json['messages']).sort()).toEqual([
    removed,
    retried,
  ]);
  const { json } = await get('message', { id: String(waiting[2]) });
  expect(json).toMatchObject({ id: waiting[2], state: 'waiting', payload: '{"partition":3}' });
  expect((await get('message', { id: retried })).json).toMatchObject({ id: retried, state: 'dead' });
  const lines = (await get('search', { text: '"partition":1' })).text.trim().split('\n');
  const found = lines.flatMap((line) => idsOf((JSON.parse(line) as Record<string, unknown>)['found']));
  expect(found).toEqual([waiting[3]]);

  const changes: [path: string, body: object, count: number][] = [
    ['retry', { ids: [retried] }, 1],
    ['remove', { ids: [removed, waiting[0], waiting[1]] }, 3],
    ['runNow', { ids: [delayed] }, 1],
    ['pause', {}, 0],
  ];
  for (const [path, body, count] of changes) {
    const answer = await change(`${address}api/${path}`, { queue: queue.name, ...body });
    expect([path, answer.status, answer.json]).toEqual([path, 200, { count }]);
  }
  // Two of the four that waited, the letter that is tried again, and the delayed one.
  const state = { waiting: 4, delayed: 0, deadLetters: 0, paused: { by: 'ada' } };
  expect(await admin.state()).toMatchObject(state);
  expect((await get('queue')).json).toMatchObject(state);
  const purged = await change(`${address}api/purge`, { queue: queue.name, state: 'waiting' });
  expect(purged.json).toEqual({ count: 4 });
  expect(await queue.lengths()).toEqual([0, 0, 0, 0]);
});

function idsOf(messages: unknown): string[] {
  return (messages as { id: string }[]).map(({ id }) => id);
}
