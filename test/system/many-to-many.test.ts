import { expect, it } from 'vitest';
import type { Sent } from '../processes/queue-client.js';
import type { Handled } from '../processes/queue-worker.js';
import { keysOf, newQueueName, redis, until, url } from '../support/queue.js';
import { TestProcess } from '../support/processes.js';
import { isAboutServer } from '../support/test-redis.js';

const PROCESSES = [0, 1, 2, 3];
const MESSAGES = 8_000;

it('four clients and four workers, each a process: every message is handled once, every answer is its own', async () => {
  const queue = newQueueName();
  const each = MESSAGES / PROCESSES.length;
  const [workers, clients] = await Promise.all([
    Promise.all(PROCESSES.map(() => TestProcess.start('queue-worker', url, queue))),
    Promise.all(
      PROCESSES.map((n) => TestProcess.start('queue-client', url, queue, String(n * each), String(each))),
    ),
  ]);

  for (const client of clients) client.tell('start');
  const sent = await Promise.all(clients.map((client) => client.told<Sent>('answered')));
  await until(async () => (await redis.xlen(`${queue}(event_stream)`)) === 0);
  for (const worker of workers) worker.tell('report');
  const handled = await Promise.all(workers.map((worker) => worker.told<Handled>('requests')));

  const all = Array.from({ length: MESSAGES }, (_, id) => id);
  const ledger = (ids: number[][]) => ids.flat().sort((a, b) => a - b);
  expect(sent.flatMap(({ problems }) => problems)).toEqual([]);
  expect(ledger(sent.map(({ answered }) => answered))).toEqual(all);
  expect(ledger(sent.map(({ emitted }) => emitted))).toEqual(all);
  expect(ledger(handled.map(({ requests }) => requests))).toEqual(all);
  expect(ledger(handled.map(({ events }) => events))).toEqual(all);
  for (const { requests, events } of handled) {
    expect(requests.length).toBeGreaterThan(MESSAGES / 100);
    expect(events.length).toBeGreaterThan(MESSAGES / 100);
  }

  const processes = [...clients, ...workers];
  await Promise.all(processes.map((process) => process.stop()));
  expect(processes.map(({ ended }) => ended)).toEqual(processes.map(() => 'code 0'));
  const lines = processes.flatMap(({ output }) => output.split('\n'));
  expect(lines.filter((line) => line !== '' && !isAboutServer(line))).toEqual([]);
  expect(await keysOf(queue)).toEqual({ '(event_stream)': 'stream' });
});
