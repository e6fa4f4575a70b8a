import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { ElkMqConsole } from 'elkmq-console';
import { expect, it, onTestFinished } from 'vitest';
import { newQueueName, redis, until, url } from '../support/queue.js';

/** So many messages are more than the buffers of a connection hold, when a search finds them all. */
const MESSAGES = 30_000;
/** A response that holds more than this has not waited for its reader. It is the buffer and one step. */
const MAX_HELD_BYTES = 1024 * 1024;

it('a search goes on when its reader has taken what was found, and holds no more than a step', async () => {
  const queue = newQueueName();
  const event = `{"request_uuid":7,"timeout":600,"action":"a","payload":"${'x'.repeat(300)}"}`;
  const adding = redis.pipeline();
  for (let n = 0; n < MESSAGES; n++)
    adding.xadd(`${queue}(event_stream)`, '*', 'event', event, 'reply_to', '');
  await adding.exec();
  onTestFinished(async () => {
    await redis.del(`${queue}(event_stream)`);
  });
  const console = new ElkMqConsole({ redis: url });
  const responses: ServerResponse[] = [];
  let mostHeld = 0;
  const server = createServer((request, response) => {
    responses.push(response);
    const write = response.write.bind(response);
    response.write = ((chunk: string) => {
      const isTaken = write(chunk);
      mostHeld = Math.max(mostHeld, response.writableLength);
      return isTaken;
    }) as typeof response.write;
    console.handle(request, response);
  }).listen(0, '127.0.0.1');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await console.close();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const address = `http://127.0.0.1:${String(port)}/api/search?queue=${queue}&pattern=a`;
  const answer = await new Promise<IncomingMessage>((resolve) => get(address, resolve));
  // Nobody reads, until the buffers of the connection are full.
  let looks = 0;
  await until(() => {
    looks = responses[0]?.writableNeedDrain || responses[0]?.writableEnded ? looks + 1 : 0;
    return looks === 50;
  });
  const lines = (await text(answer)).trim().split('\n');
  const found = lines.map((line) => (JSON.parse(line) as { found: unknown[] }).found.length);
  expect(found.reduce((sum, count) => sum + count, 0)).toBe(MESSAGES);
  expect(mostHeld).toBeLessThan(MAX_HELD_BYTES);
});
