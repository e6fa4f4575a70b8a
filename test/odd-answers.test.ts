import { ElkMqServer } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { listening, startClient } from './support/nest.js';
import { newQueueName, rejection, url } from './support/queue.js';
import { lastValueFrom } from 'rxjs';

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
