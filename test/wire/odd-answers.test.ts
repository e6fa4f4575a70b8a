import { ElkMqServer } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { listening, logs, startClient } from '../support/nest.js';
import { newQueueName, rejection, url } from '../support/queue.js';
import { firstValueFrom, lastValueFrom, Observable } from 'rxjs';

it('a handler that answers what only looks like an Observable fails its request, and nothing else', async () => {
  const queue = newQueueName();
  const server = new ElkMqServer({ queue, url });
  const odd = {
    lift: () => odd,
    subscribe: () => {
      throw new Error('not today');
    },
  };
  server.addHandler('odd', () => Promise.resolve(odd));
  server.addHandler('even', () => Promise.resolve(2));
  await listening(server);
  const client = startClient({ queue });
  const error = { status: 'error', message: 'Internal server error' };
  expect(await rejection(lastValueFrom(client.send('odd', 1)))).toEqual(error);
  expect(await lastValueFrom(client.send('even', 1))).toBe(2);
});

const broken = () =>
  new Observable<number>((observer) => {
    observer.next(1);
    return () => {
      throw new Error('no way out');
    };
  });

it('an Observable that cannot be ended gives its slot back when nobody waits for it any more, and the log says so', async () => {
  const queue = newQueueName();
  const server = new ElkMqServer({ queue, url, concurrency: 1 });
  server.addHandler('odd', () => Promise.resolve(broken()));
  server.addHandler('even', () => Promise.resolve(2));
  await listening(server);
  const client = startClient({ queue });
  // Its caller stops waiting; then its time is over, which nobody has to say.
  expect(await firstValueFrom(client.send('odd', 1))).toBe(1);
  expect(await lastValueFrom(client.send('even', 1))).toBe(2);
  const late = startClient({ queue, timeout: 3_000 });
  expect(await rejection(lastValueFrom(late.send('odd', 1)))).toMatchObject({ code: 'TIMEOUT_EXPIRED' });
  expect(await lastValueFrom(client.send('even', 1))).toBe(2);
  const lines = logs.filter((line) => line.includes('no way out'));
  expect(lines).toEqual(
    Array(2).fill(expect.stringMatching(/^error .*What ends the values of 'odd' has failed/)),
  );
});
